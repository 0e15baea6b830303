//! A topic's thread: carries out the steps that [`crate::topic::window`] chooses, one question at a
//! time, and writes one line per nonce. It never sees the key: it hands a payload to the
//! broadcaster and waits for the result. No failure here ends the thread or affects another topic.

mod compare;
pub mod crowd;
mod disputed;
pub mod gas;
mod infer;
mod learn;
mod nonce;
mod passed;
mod rate;
mod recent;
mod register;
mod report;
mod schedules;
mod settle;
mod standing;
mod submit;
pub mod turns;
pub mod window;

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use crossbeam_channel::Sender;
use log::{debug, warn};

use crate::backoff::Jitter;
use crate::broadcaster::order::Order;
use crate::chain::Chain;
use crate::chain::clock::wall::WallWatch;
use crate::chain::endpoints::EndpointId;
use crate::chain::lcd::{Answer, Lcd, LcdResult};
use crate::chain::meaning::Meaning;
use crate::chain::opinion::SecondOpinion;
use crate::chain::route::Route;
use crate::config::TopicConfig;
use crate::http::{Http, REQUEST_TIME_MAX, REQUEST_TIME_MIN};
use crate::shutdown::Stop;
use crate::status::Polled;
use crate::status::beats;
use crate::status::introduction::Introduction;
use crate::status::miss::{BlindTime, MissesInRow};
use crate::status::outcome::Outcome;
use crate::status::waiting::{Scope, Waiting};
use crate::topic::crowd::CrowdMemory;
use crate::topic::disputed::NamedWindows;
use crate::topic::gas::GasMemory;
use crate::topic::nonce::OpenNonce;
use crate::topic::passed::Accounted;
use crate::topic::rate::WindowRate;
use crate::topic::schedules::Schedules;
use crate::topic::standing::StandingMemory;
use crate::topic::turns::{Turn, Turns};
use crate::topic::window::{LOOK_DELAY_MAX, Memory, NAP_MAX, Pace, Step, waiting_of};
use crate::values::amount;
use crate::values::payload::Inference;
use crate::values::standby::Standby;
use crate::values::topic::Arity;
use crate::values::units::{ApiVersion, Height, Nonce, TopicId};

/// The time that a step may take without its requests, which announce their own time limits.
const STEP_TIME_MAX: Duration = Duration::from_secs(10);

/// What takes this much longer than it may was held up from outside: the process did not run.
const ABSENCE_MIN: Duration = Duration::from_secs(3);

/// With fewer blocks left of an open window, the workers of the last one are not counted at a start.
const COUNT_BLOCKS_LEFT_MIN: u64 = 3;

/// A look takes about as many requests at most.
const LOOK_REQUESTS_MAX: u32 = 3;

/// Added to [`LOOK_DELAY_MAX`] for some blocks and for what a request takes; monitoring/alerts.yml
/// has the same 45 minutes in all.
const POLL_MARGIN: Duration = Duration::from_secs(15 * 60);

/// What all topics share.
#[derive(Clone)]
pub struct Context {
    pub chain: Arc<Chain>,
    /// For the models.
    pub http: Http,
    /// To the broadcaster.
    pub outbox: Sender<Order>,
    /// Limits how many topics ask the chain at the same time.
    pub turns: Turns,
    /// How windows are shared with a second machine, if there is one.
    pub standby: Option<Standby>,
    pub stop: Stop,
}

/// One topic; [`Topic::run`] is its thread.
pub struct Topic {
    id: TopicId,
    config: TopicConfig,
    context: Context,
    memory: Memory,
    /// Windows that no look has shown, and why.
    accounted: Accounted,
    blind: BlindTime,
    /// How many windows payloads may be signed for.
    rate: WindowRate,
    /// The endpoint that gave the last status.
    status_from: EndpointId,
    /// What each endpoint says about the topic's windows.
    schedules: Schedules,
    /// What became of the windows that each endpoint names.
    windows: NamedWindows,
    /// Endpoints named different windows at the last look.
    was_disputed: bool,
    /// About a status that keeps the worker from serving.
    opinion: SecondOpinion,
    /// About a kind that is not known.
    kind_opinion: SecondOpinion,
    /// An endpoint named a kind that is not known, and another one contradicted it.
    kind_disputed: bool,
    wall: WallWatch,
    /// The version that the topic's kind was read under; `None`: not read yet.
    kind_of: Option<ApiVersion>,
    arity: Arity,
    /// The chain's limit for a label, in bytes; `None`: to be read.
    label_bytes_max: Option<usize>,
    /// The misses since the last nonce that was not missed.
    in_row: MissesInRow,
    introduction: Introduction,
    /// The gas used by inferences, by payloads with a forecast, and by registrations.
    gas: GasMemory,
    forecast_gas: GasMemory,
    registration_gas: GasMemory,
    crowd: CrowdMemory,
    standing: StandingMemory,
    /// The last opening that was announced to the broadcaster.
    announced: Option<Nonce>,
    /// A registration's sequence is used, and no index says with what effect.
    registration_unproven: bool,
    /// The inference sent last, for the guards.
    last_sent: Option<Inference>,
}

/// What follows a step for the nonce being served. After an error, the step is tried again after a
/// growing delay, once the status was read again.
enum After {
    /// The next step.
    Step,
    /// A pause until an answer of this height can be expected.
    Behind(Height),
    /// The nonce ends.
    End(Outcome),
}

/// A request to the chain that gave no usable answer.
struct NoAnswer {
    error: String,
    unknown_topic: bool,
    /// The answer came from a node below the highest height known. A load balancer may ask another
    /// one next time.
    is_behind: bool,
}

impl From<&str> for NoAnswer {
    fn from(error: &str) -> NoAnswer {
        NoAnswer {
            error: error.to_owned(),
            unknown_topic: false,
            is_behind: false,
        }
    }
}

impl From<NoAnswer> for String {
    fn from(no_answer: NoAnswer) -> String {
        no_answer.error
    }
}

impl Topic {
    pub fn new(config: TopicConfig, context: Context) -> Topic {
        let id = config.topic;
        Topic {
            id,
            memory: Memory::new(Instant::now(), Jitter::from_clock(id.0.wrapping_add(16)))
                .sharing(context.standby),
            config,
            context,
            accounted: Accounted::default(),
            blind: BlindTime::default(),
            rate: WindowRate::default(),
            status_from: EndpointId(0),
            schedules: Schedules::default(),
            windows: NamedWindows::default(),
            was_disputed: false,
            opinion: SecondOpinion::default(),
            kind_opinion: SecondOpinion::default(),
            kind_disputed: false,
            wall: WallWatch::default(),
            kind_of: None,
            arity: Arity::Single,
            label_bytes_max: None,
            in_row: MissesInRow::default(),
            introduction: Introduction::default(),
            gas: GasMemory::default(),
            forecast_gas: GasMemory::default(),
            registration_gas: GasMemory::default(),
            crowd: CrowdMemory::default(),
            standing: StandingMemory::default(),
            announced: None,
            registration_unproven: false,
            last_sent: None,
        }
    }

    /// Notes if what began at `before` took much longer than `time`: the process got no time.
    fn notice_absence(&mut self, before: &Pace, wall: SystemTime, time: Duration) {
        let took = before.now.elapsed();
        if took > time + ABSENCE_MIN {
            // why: a clock that was set meanwhile is not trusted with the duration
            self.blind.did_not_run(wall, wall + took);
        }
    }

    /// The longest time between two polls that are answered: at rest, [`LOOK_DELAY_MAX`], or
    /// `nonce_fetch_freq` where that is longer.
    pub fn poll_gap_max(&self) -> Duration {
        let rest_max = LOOK_DELAY_MAX + POLL_MARGIN;
        rest_max.saturating_add(self.config.nonce_fetch_freq.saturating_mul(2))
    }

    /// Serves the topic until the stop signal.
    pub fn run(mut self) {
        while !self.context.stop.is_given() {
            let (pace, wall) = (self.pace(), SystemTime::now());
            if let Some(time) = self.wall.jump(pace.now, wall) {
                self.memory.look_afresh(pace.now);
                // why: another process with the key may have sent something meanwhile, which the
                // account shows
                self.announced = None;
                self.blind.suspended(time, wall);
            }
            match self.memory.next(&pace) {
                Step::Sleep(_) if self.counts_now(&pace) => {
                    let _turn = self.turn();
                    self.count_workers();
                }
                Step::Sleep(_) if self.compares_now(&pace) => {
                    beats::reports_within(STEP_TIME_MAX);
                    let _turn = self.turn();
                    self.compare_plan();
                }
                Step::Sleep(_) if self.asks_standing_now(&pace) => {
                    // why: a turn that is waited for may come when this topic's window opens
                    match self.context.turns.try_take() {
                        Some(_turn) => self.ask_standing(),
                        None => self.standing.postpone(pace.now),
                    }
                }
                Step::Sleep(until) => {
                    let time = until.saturating_duration_since(pace.now).min(NAP_MAX);
                    beats::reports_within(time);
                    let height = self.memory.wakes_at(&pace);
                    self.context
                        .chain
                        .lcd
                        .sleep(time, height, &self.context.stop);
                    self.notice_absence(&pace, wall, time);
                }
                step => self.carry_out(&step),
            }
        }
        self.ask_a_last_time();
    }

    fn carry_out(&mut self, step: &Step) {
        beats::reports_within(STEP_TIME_MAX);
        let after = match *step {
            Step::Sleep(_) => return,
            Step::Look => return self.look(),
            Step::Register => return self.register(),
            Step::AskServed(nonce, from) => self.ask_served(nonce, from),
            Step::Infer(nonce) => self.may_pay_for(nonce).and_then(|()| self.infer(nonce)),
            Step::Submit(nonce) => self.may_pay_for(nonce).and_then(|()| self.submit(nonce)),
            Step::Over(_) => Ok(After::End(Outcome::Missed(self.why_over()))),
        };
        let pace = self.pace();
        match after {
            Ok(After::Step) => {}
            Ok(After::Behind(height)) => self.wait_for_height(height),
            Ok(After::End(outcome)) => {
                if let Some(ended) = self.memory.finish() {
                    self.crowd.ended(ended.last_block);
                    self.standing.ended(ended.last_block);
                    self.report(ended.id, outcome);
                }
                if self.schedules.is_disputed() {
                    // why: another endpoint's window may be open as well
                    self.memory.look_afresh(pace.now);
                } else {
                    self.memory.rest(&pace);
                }
            }
            Err(error) => {
                debug!("{error}");
                self.memory.nonce_failed(&pace, error);
            }
        }
    }

    /// At the stop: asks once more for the effect of a transaction that was sent.
    fn ask_a_last_time(&mut self) {
        let Some(open) = self.open().filter(|open| open.sent.is_some()) else {
            return;
        };
        let nonce = open.id;
        let from = open.ask_served_from.unwrap_or_default();
        self.carry_out(&Step::AskServed(nonce, from));
        if self.open().is_some_and(|open| open.id == nonce) {
            warn!("nonce {nonce}: stopped before its outcome was known; a restart asks the chain");
        }
    }

    /// The nonce being served.
    fn open(&self) -> Option<&OpenNonce> {
        self.memory.nonce.as_ref()
    }

    /// The pace of the chain, now.
    fn pace(&self) -> Pace {
        let clock = self.context.chain.lcd.clock();
        Pace::of(&clock, self.config.nonce_fetch_freq, Instant::now())
    }

    /// The time limit of one request.
    fn request_time(&self) -> Duration {
        self.memory.request_time(&self.pace())
    }

    /// The client with that limit.
    fn lcd(&self) -> Lcd {
        self.context.chain.lcd.within(self.request_time())
    }

    /// Waits until it is this topic's turn to ask.
    fn turn(&self) -> Option<Turn> {
        beats::rests();
        self.context.turns.take(&self.context.stop)
    }

    /// The emissions version in force.
    fn api(&self) -> Result<ApiVersion, NoAnswer> {
        let api = self.context.chain.api();
        api.ok_or_else(|| "the emissions version is unknown for now".into())
    }

    /// Asks the chain, and notes what a refusal says about the topic or the emissions version.
    fn ask_chain<T>(
        &self,
        question: impl FnOnce(Lcd) -> LcdResult<T>,
    ) -> Result<Answer<T>, NoAnswer> {
        let chain = &self.context.chain;
        chain.heard(question(self.lcd())).map_err(|error| {
            let meaning = error.meaning();
            meaning.iter().for_each(|meaning| self.note(meaning));
            let unknown_topic = meaning == Some(Meaning::UnknownTopic);
            if unknown_topic {
                let topic = Scope::Topic(self.id);
                chain.waits.begin(topic, Waiting::UnknownTopic);
            } else if meaning == Some(Meaning::NotServed) {
                chain.suspect_api();
            }
            NoAnswer {
                error: error.line(),
                unknown_topic,
                is_behind: false,
            }
        })
    }

    /// Counts and logs an answer that the table of meanings does not know.
    fn note(&self, meaning: &Meaning) {
        if let Meaning::Unknown { .. } = meaning {
            warn!("{meaning}");
            self.context.chain.board.unknown_answer();
        }
    }

    /// Announces an opening to the broadcaster, once, so that it requests in time what a
    /// transaction needs. If its queue is full, the next look announces it. Gives whether it is
    /// announced by this call.
    fn announce(&mut self, opening: Option<Nonce>) -> bool {
        let is_news = opening.is_some() && opening != self.announced;
        let is_sent = is_news && self.context.outbox.try_send(Order::Freshen).is_ok();
        if is_sent {
            self.announced = opening;
        }
        is_sent
    }

    fn look(&mut self) {
        let pace = self.pace();
        if self.announce(self.memory.near_opening(&pace)) {
            self.memory.account_is_read(&pace);
        }
        let _turn = self.turn();
        if self.memory.next(&self.pace()) != Step::Look {
            return; // another topic's answer made it unnecessary
        }
        let (before, wall) = (self.pace(), SystemTime::now());
        let looked = self.try_look();
        let request_time = self
            .request_time()
            .clamp(REQUEST_TIME_MIN, REQUEST_TIME_MAX);
        self.notice_absence(&before, wall, request_time * LOOK_REQUESTS_MAX);
        let pace = self.pace();
        let board = &self.context.chain.board;
        match looked {
            // why: what the first payload needs is asked while there is time
            Ok(()) if self.announced.is_none() => {
                self.announce(Some(Nonce(0)));
                // why: at a start a payload waits for a block anyway (R10); in a window's last blocks
                // the answer would take time from it
                let left = self.open().map(|_| self.memory.blocks_left(&pace));
                if left.is_none_or(|left| left >= COUNT_BLOCKS_LEFT_MIN) {
                    self.count_workers();
                }
            }
            Ok(()) => {}
            Err(failed) if failed.unknown_topic && self.open().is_none() => {
                board.absent(self.id);
                self.memory.topic_unknown(&pace);
            }
            Err(failed) => {
                board.poll_failed(self.id);
                debug!("{}", failed.error);
                self.blind
                    .failed(wall, SystemTime::now(), failed.error.clone());
                if failed.is_behind {
                    self.memory.look_was_behind(&pace, failed.error);
                } else {
                    self.memory.look_failed(&pace, failed.error);
                }
            }
        }
    }

    fn try_look(&mut self) -> Result<(), NoAnswer> {
        let chain = Arc::clone(&self.context.chain);
        let api = self.api()?;
        self.learn_topic(api)?;
        let before = self.pace();
        let answer = self.ask_chain(|lcd| lcd.window_status(api, self.id, &chain.address))?;
        chain.note_height(answer.height.is_some());
        if answer.height.is_none() {
            chain
                .lcd
                .use_another(answer.endpoint, "answers without the height of its blocks");
        }
        if let Some(height) = answer.height {
            self.memory.answered_at(height, &before);
        }
        let Some(height) = answer.height.filter(|_| answer.fresh) else {
            let is_behind = answer.height.is_some_and(|height| height < chain.height());
            return Err(NoAnswer {
                is_behind,
                ..NoAnswer::from("the node is behind the highest height known, or is not believed")
            });
        };
        if self.memory.looks_again(height, &before, Instant::now()) {
            debug!("block {height} is late after a rest: asking once more");
            return Ok(());
        }
        let (status, endpoint) = (answer.value, answer.endpoint);
        if self.is_contradicted(api, &status, height, endpoint) {
            return Ok(()); // the next look asks the other endpoint
        }
        if self.refuses_windows(&status, endpoint) {
            // why: a longer window is paid for longer, and which of the claims is wrong is not known
            let part = "a window has another length than the topic's windows";
            self.doubt_lengths(part, endpoint);
            return Err(format!("{part}: reading both again").as_str().into());
        }
        let contradiction = self.schedules.contradiction(endpoint, &status, height);
        if contradiction.is_none() {
            self.heard(endpoint, &status, height);
        }
        self.status_from = endpoint;
        let is_doubtful = self.memory.has_failed() || self.memory.is_left_out(&status, height);
        let status = if self.schedules.is_disputed() || is_doubtful {
            self.with_windows_of_others(api, status, height)
        } else {
            status
        };
        let labelled = matches!(self.arity, Arity::Multi(_));
        let polled = Polled {
            at: SystemTime::now(),
            status,
            labelled,
            epoch_blocks: self.epoch_blocks(endpoint),
        };
        chain.board.polled(self.id, polled);
        self.registration_unproven &= !status.is_registered;
        match waiting_of(&status, self.is_unserved(), &chain.address) {
            Some(waiting) => chain.waits.begin(Scope::Topic(self.id), waiting),
            None => chain.waits.end(Scope::Topic(self.id)),
        }
        let (pace, clock) = (self.pace(), chain.lcd.clock());
        let block_time = clock.is_measured().then(|| clock.block_time());
        self.introduction.of_topic(&status, height, block_time);
        self.memory.epoch_blocks = self.schedules.shortest_epoch(self.epoch_blocks_min());
        if let Some(ended) = self.memory.saw(status, height, &pace) {
            let why = self.why_missed(Some(&ended));
            self.report(ended.id, Outcome::Missed(why));
        }
        if let Some(open) = &mut self.memory.nonce
            && self.accounted.is_past_known()
            // why: what another machine sends from another account does not show in the sequence
            && chain.sender == chain.address
            && chain.is_ours_since(open.id.height())
        {
            open.is_ours();
        }
        self.report_given_way(pace.height.max(height));
        self.report_passed(&status, height, contradiction.is_none());
        if let Some(part) = contradiction {
            self.doubt_lengths(part, endpoint);
        }
        Ok(())
    }

    /// Whether to count the last window's workers now: nothing is to be done for some blocks.
    fn counts_now(&self, pace: &Pace) -> bool {
        let is_closed = |end: Height| pace.blocks_left(end) == 0;
        self.memory.is_quiet(pace)
            && self.announced.is_some()
            && self.crowd.is_due(pace.now, is_closed)
    }

    /// Counts the workers of the last closed window. Without an answer it stays unknown whether the
    /// active set is full, as before.
    fn count_workers(&mut self) {
        beats::reports_within(STEP_TIME_MAX);
        let answer = self
            .api()
            .and_then(|api| self.ask_chain(|lcd| lcd.active_workers(api, self.id)));
        let counted = answer.ok().filter(|answer| answer.fresh);
        let counted = counted.and_then(|answer| answer.value);
        self.crowd.counted(counted, Instant::now());
    }

    /// Whether a payload for this window may be signed: not if the chain cannot have had this many
    /// windows yet.
    fn may_pay_for(&mut self, nonce: Nonce) -> Result<(), String> {
        let endpoint = self.status_from;
        let Err(too_many) = self.rate.allows(nonce, endpoint, Instant::now()) else {
            return Ok(());
        };
        let epoch = amount::span(self.rate.epoch_time());
        let wait = amount::span(too_many.wait);
        if !too_many.is_repeat {
            let lcd = &self.context.chain.lcd;
            if self.rate.is_one_of_many(nonce) {
                let why = "named more windows than the chain can have had";
                lcd.set_aside_with_height(endpoint, why);
            } else {
                let claim = format!("that nonce {nonce} is open, {wait} too early");
                lcd.disbelieve(endpoint, Route::WindowStatus, claim);
            }
        }
        Err(format!(
            "more windows than the chain can have had, an epoch takes at least {epoch}; the next \
             payload may be signed in {wait}"
        ))
    }
}
