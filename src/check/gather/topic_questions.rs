//! Asks about topics, and their models. Few threads ask the chain, so that a public node does not
//! limit the rate; more of them ask the models, because one that hangs takes its whole time limit.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime};

use crate::chain::answers::Account;
use crate::chain::error::LcdError;
use crate::chain::lcd::Lcd;
use crate::chain::meaning::Meaning;
use crate::chain::tx_answers::SimulateAnswer;
use crate::check::facts::{
    ChainFacts, Forecast, ModelFacts, ModelValue, Rehearsal, Rehearsed, StandingError,
    TopicGathered, WorkerStanding,
};
use crate::check::parallel;
use crate::config::TopicConfig;
use crate::http::{self, Http, REQUEST_TIME_MIN};
use crate::model::endpoint::ModelConfig;
use crate::model::guard::Earlier;
use crate::model::template::{Question, UrlTemplate};
use crate::model::{answer, ask};
use crate::sign::signers::Signers;
use crate::sign::tx::{self, Envelope, FEE_FOR_SIMULATION, GAS_FOR_SIMULATION, MEMO, Message};
use crate::text::Foreign;
use crate::threads;
use crate::values::labels::LABEL_BYTES_MAX;
use crate::values::payload::Payload;
use crate::values::topic::Arity;
use crate::values::units::{Height, Nonce, TopicId};

/// How many topics the chain is asked about at a time.
const CHAIN_THREADS: usize = 4;
/// How many models are asked at a time.
const MODEL_THREADS: usize = 16;
/// The time for all models together.
const MODELS_TIME_MAX: Duration = Duration::from_secs(40);
/// Why there was no time for a model.
const MODELS_TOO_SLOW: &str = "the other models took too long";

pub(super) struct Asker<'a> {
    pub(super) http: &'a Http,
    /// A client of the endpoints that can be used.
    pub(super) lcd: &'a Lcd,
    pub(super) chain: Option<&'a ChainFacts>,
    pub(super) signers: &'a Signers,
    /// The account whose allowance pays the fees.
    pub(super) granter: Option<&'a str>,
    /// No question begins after this moment.
    pub(super) ends: Instant,
}

/// Model servers that timed out, each with the topic whose question did. They are not asked again.
type TimedOut = Mutex<BTreeMap<String, TopicId>>;

impl Asker<'_> {
    pub(super) fn ask(&self, topics: &[TopicConfig]) -> Vec<TopicGathered> {
        let unasked = |config: &TopicConfig| TopicGathered {
            config: config.clone(),
            standing: None,
            model: None,
            forecast: None,
            rehearsal: None,
        };
        let mut topics: Vec<TopicGathered> = topics.iter().map(unasked).collect();
        parallel::each(&mut topics, CHAIN_THREADS, |topic| {
            topic.standing = self.standing(topic.config.topic);
        });
        let timed_out = TimedOut::default();
        let ends = self.ends.min(Instant::now() + MODELS_TIME_MAX);
        parallel::each(&mut topics, MODEL_THREADS, |topic| {
            topic.model = self.model(topic, ends, &timed_out);
            topic.forecast = self.forecast(topic, ends);
        });
        parallel::each(&mut topics, CHAIN_THREADS, |topic| {
            topic.rehearsal = self.rehearse(topic);
        });
        topics
    }

    fn check_time(&self) -> Result<(), String> {
        let is_late = Instant::now() >= self.ends;
        let error = || "not asked: the other requests took too long".to_owned();
        if is_late { Err(error()) } else { Ok(()) }
    }

    fn standing(&self, topic: TopicId) -> Option<Result<WorkerStanding, StandingError>> {
        let api = self.chain?.api;
        let ask = || {
            let info = self.lcd.topic(api, topic)?;
            let status = self
                .lcd
                .window_status(api, topic, self.signers.worker().address())?;
            Ok(WorkerStanding {
                info: info.value,
                status: status.value,
                height: status.height.or(info.height).unwrap_or_default(),
            })
        };
        let failed = |error: LcdError| match error.meaning() {
            Some(Meaning::UnknownTopic) => StandingError::UnknownTopic,
            _ => StandingError::Failed(error.line()),
        };
        let in_time = self.check_time().map_err(StandingError::Failed);
        Some(in_time.and_then(|()| ask().map_err(failed)))
    }

    fn model(
        &self,
        topic: &TopicGathered,
        ends: Instant,
        timed_out: &TimedOut,
    ) -> Option<ModelFacts> {
        let model = topic.config.inference.as_ref()?;
        let question = question(topic);
        let server = |url: &UrlTemplate| http::origin(url.fill(question).as_str());
        let servers: Vec<String> = model.urls.iter().map(server).collect();
        let lock = || threads::lock(timed_out);
        let find = |server| Some((server, *lock().get(server)?));
        if let Some((server, other)) = servers.iter().find_map(find) {
            let why = format!("{server} did not answer in time for topic {other}");
            return Some(ModelFacts::NotAsked(why));
        }
        let started = Instant::now();
        let Some(limit) = time_limit(ends, model) else {
            return Some(ModelFacts::NotAsked(MODELS_TOO_SLOW.to_owned()));
        };
        let params = self.chain.and_then(|chain| chain.params.as_ref().ok());
        let label_bytes_max = params.map_or(LABEL_BYTES_MAX, |params| params.label_bytes_max);
        let standing = topic.standing();
        let arity = standing.map_or(&Arity::Single, |standing| &standing.info.arity);
        let asked = ask::ask(self.http, model, question, limit, |answer| {
            let pointer = model.pointer.as_ref();
            let inference = answer::inference_for(arity, &answer.body, pointer, label_bytes_max)?;
            let guards = &topic.config.guards;
            let breach = guards.breach(&inference, Earlier::default(), || {
                answer::age(answer, guards.time_pointer.as_ref(), SystemTime::now())
            });
            let raw = model.hide(&answer.body);
            Ok((Foreign::beginning(raw.trim().as_bytes()), inference, breach))
        });
        if asked.timed_out {
            let servers = servers.into_iter();
            lock().extend(servers.map(|server| (server, topic.config.topic)));
        }
        Some(match asked.result {
            Ok((raw, inference, breach)) => ModelFacts::Value(ModelValue {
                raw,
                shown: model.hide_in(&inference),
                inference,
                time: started.elapsed(),
                passed_over: asked.passed_over,
                breach: breach.map(|breach| model.hide(&breach)),
            }),
            Err(error) => ModelFacts::Failed(error),
        })
    }

    fn forecast(&self, topic: &TopicGathered, ends: Instant) -> Option<Forecast> {
        let model = topic.config.forecast.as_ref()?;
        let Some(limit) = time_limit(ends, model) else {
            return Some(Err(format!("not asked: {MODELS_TOO_SLOW}")));
        };
        let asked = ask::ask(self.http, model, question(topic), limit, |answer| {
            answer::forecast(&answer.body, model.pointer.as_ref())
        });
        Some(asked.result)
    }

    /// Simulates the next transaction of a topic, if there is one.
    fn rehearse(&self, topic: &TopicGathered) -> Option<Result<Rehearsal, String>> {
        let account = self.chain?.account.as_ref().ok()?.as_ref()?;
        let standing = topic.standing()?;
        let is_unknown = matches!(standing.info.arity, Arity::Other(_));
        if is_unknown || !standing.status.is_whitelisted {
            return None;
        }
        let id = topic.config.topic;
        if !standing.status.is_registered {
            if self.signers.fee_account().is_some() {
                return None; // why: the worker's own account sends it, at another time
            }
            let message = Message::Register { topic: id };
            return Some(self.simulate(Rehearsed::Registration, &message, account));
        }
        let inference = match &topic.model {
            Some(ModelFacts::Value(value)) => Some(value.inference.clone()),
            _ => None,
        };
        let forecast = topic.forecast.clone().and_then(Result::ok);
        let payload = Payload::new(inference, forecast.unwrap_or_default()).ok()?;
        let nonce = standing.nonce();
        let of = match standing.status.open {
            Some(_) => Rehearsed::Open(nonce),
            None => Rehearsed::Over(nonce),
        };
        let message = Message::Payload {
            topic: id,
            nonce,
            payload: &payload,
        };
        Some(self.simulate(of, &message, account))
    }

    fn simulate(
        &self,
        of: Rehearsed,
        message: &Message<'_>,
        account: &Account,
    ) -> Result<Rehearsal, String> {
        self.check_time()?;
        let api = self.chain.map(|chain| chain.api);
        let (Some(api), Some(chain_id)) = (api, self.lcd.chain_id()) else {
            return Err("the chain is not known".to_owned());
        };
        let envelope = Envelope {
            api,
            chain_id: &chain_id,
            account_number: account.number,
            sequence: account.sequence,
            gas_limit: GAS_FOR_SIMULATION,
            fee: FEE_FOR_SIMULATION,
            granter: self.granter,
            // No limit: the chain itself is to say that a window is over.
            timeout_height: Height(0),
            memo: MEMO,
        };
        let bytes = tx::for_simulation(self.signers, message, &envelope);
        let answer = self.lcd.simulate(&bytes).map_err(|error| error.line())?;
        let answer = match answer.value {
            SimulateAnswer::Gas(gas) => Ok(gas),
            SimulateAnswer::Refused(error) => Err(error.simulation_meaning()),
        };
        Ok(Rehearsal { of, answer })
    }
}

fn question(topic: &TopicGathered) -> Question {
    let nonce = topic.standing().map_or(Nonce(0), WorkerStanding::nonce);
    Question {
        topic: topic.config.topic,
        nonce,
    }
}

/// The time for one answer; `None` if too little is left.
fn time_limit(ends: Instant, model: &ModelConfig) -> Option<Duration> {
    let left = ends.saturating_duration_since(Instant::now());
    (left >= REQUEST_TIME_MIN).then(|| left.min(model.time_max))
}

#[cfg(test)]
mod tests {
    use crate::config;
    use crate::model::endpoint::ModelConfig;
    use crate::model::template::UrlTemplate;
    use crate::sign::seed_phrase::SeedPhrase;
    use crate::sign::wallet::Wallet;
    use crate::test_server::{Act, Server};

    use super::*;

    #[test]
    fn a_hundred_models_that_hang_take_no_longer_than_one() {
        let server = Server::start(|_| Act::Hang);
        let topic = |id| TopicConfig {
            topic: TopicId(id),
            inference: Some(ModelConfig::at(
                UrlTemplate::parse(&format!("{}/{id}", server.url)).unwrap(),
            )),
            ..config::sample().topics.remove(0)
        };
        let topics: Vec<TopicConfig> = (1..=100).map(topic).collect();
        let words = "test test test test test test test test test test test junk";
        let signers = Signers::from(Wallet::new(&SeedPhrase::parse(words).unwrap()).unwrap());
        let http = Http::default();
        let started = Instant::now();
        let asker = Asker {
            http: &http,
            lcd: &Lcd::new(http.clone(), &[], None, 0),
            chain: None,
            signers: &signers,
            granter: None,
            ends: started + REQUEST_TIME_MIN + Duration::from_millis(500),
        };
        let gathered = asker.ask(&topics);
        assert!(
            started.elapsed() < REQUEST_TIME_MIN * 3,
            "{:?}",
            started.elapsed()
        );
        let failed = |topic: &&TopicGathered| matches!(topic.model, Some(ModelFacts::Failed(_)));
        assert_eq!(gathered.iter().filter(failed).count(), MODEL_THREADS);
        let asked = |topic: &TopicGathered| !matches!(topic.model, Some(ModelFacts::NotAsked(_)));
        assert!(gathered.iter().any(asked) && !gathered.iter().all(asked));
    }
}
