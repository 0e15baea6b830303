//! A topic's thread: carries out the steps that [`crate::topic::window`] chooses, one question at a time,
//! and writes one line per nonce. It never sees the key; it hands a payload to the broadcaster and
//! waits for word. Nothing that goes wrong here ends the thread or touches another topic.

pub mod gas;
mod infer;
mod served;
mod settle;
mod submit;
mod tell;
pub mod turns;
pub mod window;

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;
use log::{debug, warn};

use crate::backoff::Jitter;
use crate::broadcaster::order::Order;
use crate::broadcaster::sequence::Settled;
use crate::chain::Chain;
use crate::chain::lcd::{Lcd, LcdError};
use crate::chain::meaning::Meaning;
use crate::config::TopicConfig;
use crate::http::{Http, REQUEST_TIME_MAX};
use crate::shutdown::Stop;
use crate::status::beats;
use crate::status::introduction::Introduction;
use crate::status::outcome::Outcome;
use crate::status::waiting::{Scope, Waiting};
use crate::topic::gas::GasMemory;
use crate::topic::turns::{Turn, Turns};
use crate::topic::window::{Attempt, Memory, Pace, Step, waiting_of};
use crate::values::payload::Inference;
use crate::values::topic::Arity;
use crate::values::units::TxHash;
use crate::values::units::{ApiVersion, Nonce, TopicId, Uallo};

/// What all topics share.
#[derive(Clone)]
pub struct Shared {
    /// The chain.
    pub chain: Arc<Chain>,
    /// For the models.
    pub http: Http,
    /// To the broadcaster.
    pub outbox: Sender<Order>,
    /// Who asks the chain now.
    pub turns: Turns,
    /// Ends the thread.
    pub stop: Stop,
}

/// One topic; [`Topic::run`] is its thread.
pub struct Topic {
    id: TopicId,
    config: TopicConfig,
    shared: Shared,
    memory: Memory,
    /// Which version the topic's kind was read under; `None`: not read yet.
    kind_of: Option<ApiVersion>,
    arity: Arity,
    /// The nonce that the rules for labels were read for.
    rules_for: Option<Nonce>,
    /// The chain's limit for labels, in bytes, once it was asked for.
    label_bytes_max: Option<usize>,
    introduction: Introduction,
    /// What became of the transactions of the nonce at work.
    trail: Trail,
    /// What an inference, a payload with a forecast and a registration take.
    gas: GasMemory,
    forecast_gas: GasMemory,
    registration_gas: GasMemory,
    /// The opening that the broadcaster was told of last.
    announced: Option<Nonce>,
    /// A registration's number is used, and nobody told with what effect.
    registration_unproven: bool,
    /// What was sent last, for the guards.
    last_sent: Option<Inference>,
}

/// Why a look at the window told nothing about it.
enum LookFailed {
    /// The chain does not know the topic.
    NoSuchTopic,
    /// The status is not known.
    Unknown(String),
}

impl From<String> for LookFailed {
    fn from(error: String) -> LookFailed {
        LookFailed::Unknown(error)
    }
}

/// The transactions of one nonce.
#[derive(Default)]
struct Trail {
    /// The last one whose number is settled and whose effect is not known yet.
    settled: Option<Settled<TxHash>>,
    /// The fee that it offered.
    offered: Uallo,
    /// Transactions that failed in a block, each with its fee gone.
    failed_in_block: u32,
    /// The last one failed for want of funds.
    balance_doubtful: bool,
    /// The version that the payload accepted last was made for.
    api: Option<ApiVersion>,
    /// Transactions whose number somebody else's transaction used.
    taken: u32,
    /// The chain refused the forecast: the inference goes alone.
    forecast_refused: bool,
    /// The forecast's model failed while an inference was ready: the inference goes alone.
    forecast_failed: bool,
    /// The chain refused the labels, and the topic was read again for that.
    labels_reread: bool,
}

impl Topic {
    /// A topic that has not looked yet.
    #[must_use]
    pub fn new(config: TopicConfig, shared: Shared) -> Topic {
        let id = config.topic;
        Topic {
            id,
            config,
            shared,
            memory: Memory::new(Instant::now(), Jitter::from_clock(id.0.wrapping_add(16))),
            kind_of: None,
            arity: Arity::Single,
            rules_for: None,
            label_bytes_max: None,
            introduction: Introduction::default(),
            trail: Trail::default(),
            gas: GasMemory::default(),
            forecast_gas: GasMemory::default(),
            registration_gas: GasMemory::default(),
            announced: None,
            registration_unproven: false,
            last_sent: None,
        }
    }

    /// Serves the topic until the stop signal.
    pub fn run(mut self) {
        while !self.shared.stop.is_given() {
            let now = Instant::now();
            let step = self.memory.next(&self.pace(now), now);
            self.tell_step(&step, now);
            match step {
                Step::Sleep(until) => {
                    let _ = self.shared.stop.wait(until.saturating_duration_since(now));
                }
                Step::Look => self.look(),
                Step::Register => self.register(),
                Step::AskServed(nonce, from) => self.ask_served(nonce, from),
                Step::Infer(nonce) => self.infer(nonce),
                Step::Submit(nonce) => self.submit(nonce),
                Step::Over(nonce) => self.missed(nonce),
            }
        }
        self.last_words();
    }

    /// At the stop: what became of the nonce at work is asked once more if something was sent.
    fn last_words(&mut self) {
        let Some(attempt) = self.memory.attempt.as_ref().filter(|attempt| attempt.sent) else {
            return;
        };
        let (nonce, from) = (attempt.nonce, attempt.ask_served_from.unwrap_or_default());
        self.ask_served(nonce, from);
        let is_open = |attempt: &Attempt| attempt.nonce == nonce;
        if self.memory.attempt.as_ref().is_some_and(is_open) {
            warn!("nonce {nonce}: stopped before its outcome was known; a restart asks the chain");
        }
    }

    fn pace(&self, now: Instant) -> Pace {
        let clock = self.shared.chain.lcd.clock();
        Pace::of(&clock, self.config.nonce_fetch_freq, now)
    }

    /// The time limit of one request: it leaves room for another in the same window.
    fn request_time(&self, pace: &Pace) -> Duration {
        match &self.memory.attempt {
            Some(attempt) => pace.request_time(attempt.last_block),
            // why: a slow endpoint must be heard before anything is known of the pace
            None if pace.quick.is_none() => REQUEST_TIME_MAX,
            None => self.memory.delay_max(pace) * 2,
        }
    }

    /// The client with that limit.
    fn lcd(&self) -> Lcd {
        let (_, pace) = self.now_and_pace();
        self.shared.chain.lcd.within(self.request_time(&pace))
    }

    fn now_and_pace(&self) -> (Instant, Pace) {
        let now = Instant::now();
        (now, self.pace(now))
    }

    /// Tells the broadcaster once that a window is about to open.
    fn announce(&mut self) {
        let (now, pace) = self.now_and_pace();
        let near = self.memory.near_opening(&pace, now);
        if near.is_some() && near != self.announced && self.freshen() {
            self.announced = near;
        }
    }

    /// Waits until it is this topic's turn to ask.
    fn turn<'a>(turns: &'a Turns, stop: &Stop) -> Option<Turn<'a>> {
        beats::rests();
        turns.take(stop)
    }

    fn look(&mut self) {
        self.announce();
        let turns = self.shared.turns.clone();
        let _turn = Self::turn(&turns, &self.shared.stop);
        let (now, pace) = self.now_and_pace();
        if self.memory.next(&pace, now) != Step::Look {
            return; // another topic's answer told what was to be found out
        }
        let Err(failed) = self.try_look() else {
            return self.first_look_done();
        };
        self.tell_look_failed(&failed);
        let (now, pace) = self.now_and_pace();
        match failed {
            LookFailed::NoSuchTopic => self.memory.topic_unknown(&pace, now),
            LookFailed::Unknown(error) => {
                debug!("{error}");
                self.memory.look_failed(&pace, now, error);
            }
        }
    }

    /// What the first payload needs is asked while nothing hangs on it.
    fn first_look_done(&mut self) {
        if self.announced.is_none() && self.freshen() {
            self.announced = Some(Nonce(0));
        }
    }

    /// Whether the broadcaster will hear of it; one that has its hands full is told later.
    fn freshen(&self) -> bool {
        self.shared.outbox.try_send(Order::Freshen).is_ok()
    }

    fn try_look(&mut self) -> Result<(), LookFailed> {
        let chain = Arc::clone(&self.shared.chain);
        let api = chain
            .api()
            .ok_or_else(|| "the emissions version is unknown for now".to_owned())?;
        self.learn_kind(&chain, api)?;
        let answer = chain.heard(self.lcd().window_status(api, self.id, &chain.address));
        let answer = answer.map_err(|error| self.look_refused(&error))?;
        chain.height_is_told(answer.height.is_some());
        let Some(height) = answer.height.filter(|_| answer.fresh) else {
            let behind = "the node is behind the highest height known".to_owned();
            return Err(LookFailed::Unknown(behind));
        };
        let status = answer.value;
        self.tell_look(status);
        self.registration_unproven &= !status.is_registered;
        match waiting_of(&status, self.is_unserved(), &chain.address) {
            Some(waiting) => chain.waits.begin(Scope::Topic(self.id), waiting),
            None => chain.waits.end(Scope::Topic(self.id)),
        }
        let (now, pace) = self.now_and_pace();
        self.introduction.of_topic(&status, height, pace.block_time);
        let trouble = self.trouble();
        if let Some(nonce) = self.memory.saw(status, height, &pace, now) {
            self.report(nonce, &Outcome::Missed(trouble));
        }
        Ok(())
    }

    fn is_unserved(&self) -> bool {
        matches!(self.arity, Arity::Other(_))
    }

    /// Whether the topic takes one number or labelled values; asked once per version, and again
    /// while the answer keeps us waiting. v9 has no labels (protocol.md section 8).
    fn learn_kind(&mut self, chain: &Chain, api: ApiVersion) -> Result<(), LookFailed> {
        if self.kind_of == Some(api) && !self.is_unserved() {
            return Ok(());
        }
        self.arity = match api {
            ApiVersion::V9 => Arity::Single,
            ApiVersion::V10 => {
                let answer = chain.heard(self.lcd().topic(api, self.id));
                let answer = answer.map_err(|error| self.look_refused(&error))?;
                answer.value.arity
            }
        };
        self.memory.set_unserved(self.is_unserved());
        self.kind_of = Some(api);
        Ok(())
    }

    fn look_refused(&self, error: &LcdError) -> LookFailed {
        let text = self.refused_query(error);
        match error.meaning() {
            Some(Meaning::UnknownTopic) if self.memory.attempt.is_none() => LookFailed::NoSuchTopic,
            _ => LookFailed::Unknown(text),
        }
    }

    /// A failed question: what it says about the topic or the version is taken note of.
    fn refused_query(&self, error: &LcdError) -> String {
        let chain = &self.shared.chain;
        let meaning = error.meaning();
        meaning.iter().for_each(|meaning| self.tell_answer(meaning));
        match meaning {
            Some(Meaning::UnknownTopic) => {
                chain
                    .waits
                    .begin(Scope::Topic(self.id), Waiting::UnknownTopic);
            }
            Some(Meaning::NotServed) => chain.suspect_api(),
            _ => {}
        }
        error.line()
    }

    fn attempt_failed(&mut self, error: String) {
        let (now, pace) = self.now_and_pace();
        debug!("{error}");
        self.memory.attempt_failed(&pace, now, error);
    }

    /// The window is over by height, or by a status, and nothing of ours is in.
    fn missed(&mut self, nonce: Nonce) {
        let trouble = self.trouble();
        self.end(nonce, &Outcome::Missed(trouble));
    }

    /// Why the nonce at work was not served: what the topic waits for, or what went wrong last.
    fn trouble(&self) -> String {
        let topic = Scope::Topic(self.id);
        let waits = self.shared.chain.waits.snapshot();
        let waiting = waits.iter().find(|(scope, _)| *scope == topic);
        let attempt = self.memory.attempt.as_ref();
        let trouble = attempt.and_then(|attempt| attempt.trouble.clone());
        match waiting {
            Some((_, waiting)) => waiting.in_brief().to_owned(),
            None => trouble.unwrap_or_else(|| "the window ended before a payload was ready".into()),
        }
    }

    /// The nonce is done with: one line, and on to the next window.
    fn end(&mut self, nonce: Nonce, outcome: &Outcome) {
        self.memory.finish();
        self.report(nonce, outcome);
        let (now, pace) = self.now_and_pace();
        self.memory.rest(&pace, now);
    }

    fn report(&mut self, nonce: Nonce, outcome: &Outcome) {
        self.trail = Trail::default();
        self.shared.chain.board.ended(self.id, nonce, outcome);
        log::log!(outcome.level(), "{}", outcome.line(nonce));
    }
}
