//! The topics and their models. The chain is asked by a few threads, so that a public node does
//! not turn them away, the models by more of them, as one that hangs takes its whole time.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use super::line;
use crate::chain::answers::Account;
use crate::chain::error::LcdError;
use crate::chain::lcd::Lcd;
use crate::chain::meaning::Meaning;
use crate::chain::tx_answers::SimulateAnswer;
use crate::check::facts::{ChainFacts, Model, Refusal, Rehearsal, Rehearsed, Standing, TopicFacts};
use crate::check::parallel;
use crate::config::{Question, TopicConfig};
use crate::http::{self, Http, REQUEST_TIME_MIN};
use crate::model::answer;
use crate::model::ask;
use crate::sign::tx::{self, Envelope, FEE_FOR_SIMULATION, GAS_FOR_SIMULATION, MEMO, Message};
use crate::sign::wallet::Wallet;
use crate::text::excerpt;
use crate::values::labels::LABEL_BYTES_MAX;
use crate::values::payload::{ForecastElement, Payload};
use crate::values::topic::Arity;
use crate::values::units::{Height, Nonce, TopicId};

/// How many topics the chain is asked about at a time.
const CHAIN_THREADS: usize = 4;
/// How many models are asked at a time.
const MODEL_THREADS: usize = 16;
/// What all models get together.
const MODELS_TIME_MAX: Duration = Duration::from_secs(40);

/// Asks about topics.
pub(super) struct Asker<'a> {
    pub(super) http: &'a Http,
    /// A client of the endpoints that can be used.
    pub(super) lcd: &'a Lcd,
    pub(super) chain: Option<&'a ChainFacts>,
    pub(super) wallet: &'a Wallet,
    /// No question is begun after this moment.
    pub(super) ends: Instant,
}

/// The servers of models that did not answer in time, each with the topic that found it out.
type Silent = Mutex<BTreeMap<String, TopicId>>;

impl Asker<'_> {
    pub(super) fn ask(&self, topics: &[TopicConfig]) -> Vec<TopicFacts> {
        let standings = parallel::each(topics, CHAIN_THREADS, |topic| self.standing(topic));
        let silent = Silent::default();
        let models_end = self.ends.min(Instant::now() + MODELS_TIME_MAX);
        let told: Vec<_> = topics.iter().zip(&standings).collect();
        let models = parallel::each(&told, MODEL_THREADS, |(topic, standing)| {
            let standing = standing.as_ref().and_then(|told| told.as_ref().ok());
            (
                self.model(topic, standing, models_end, &silent),
                self.forecast(topic, standing, models_end),
            )
        });
        let told = topics.iter().zip(standings).zip(models);
        let mut topics: Vec<TopicFacts> = told
            .map(|((config, standing), (model, forecast))| TopicFacts {
                config: config.clone(),
                standing,
                model,
                forecast,
                rehearsal: None,
            })
            .collect();
        let rehearsals = parallel::each(&topics, CHAIN_THREADS, |topic| self.rehearse(topic));
        for (topic, rehearsal) in topics.iter_mut().zip(rehearsals) {
            topic.rehearsal = rehearsal;
        }
        topics
    }

    /// Whether there is still time for a question.
    fn in_time(&self) -> Result<(), String> {
        if Instant::now() < self.ends {
            Ok(())
        } else {
            Err("not asked: the other questions took too long".to_owned())
        }
    }

    fn standing(&self, topic: &TopicConfig) -> Option<Result<Standing, Refusal>> {
        let chain = self.chain?;
        Some(self.in_time().map_err(Refusal::Failed).and_then(|()| {
            let refused = |error: LcdError| match error.meaning() {
                Some(Meaning::UnknownTopic) => Refusal::Unknown,
                _ => Refusal::Failed(line(&error)),
            };
            let id = topic.topic;
            let info = self.lcd.topic(chain.api, id).map_err(refused)?;
            let address = self.wallet.address();
            let status = self.lcd.window_status(chain.api, id, address);
            let status = status.map_err(refused)?;
            let height = status.height.or(info.height).unwrap_or_default();
            Ok(Standing {
                info: info.value,
                status: status.value,
                height,
            })
        }))
    }

    fn model(
        &self,
        topic: &TopicConfig,
        standing: Option<&Standing>,
        ends: Instant,
        silent: &Silent,
    ) -> Option<Model> {
        let model = topic.inference.as_ref()?;
        let question = Question {
            topic: topic.topic,
            nonce: standing.map_or(Nonce(0), Standing::nonce),
        };
        let servers: Vec<String> = model
            .urls
            .iter()
            .map(|url| http::origin(url.fill(question).as_str()))
            .collect();
        let lock = || silent.lock().unwrap_or_else(PoisonError::into_inner);
        let known = servers
            .iter()
            .find_map(|server| Some((server, *lock().get(server)?)));
        if let Some((server, other)) = known {
            let why = format!("{server} gave topic {other} no answer in time");
            return Some(Model::NotAsked(why));
        }
        let started = Instant::now();
        let left = ends.saturating_duration_since(started);
        if left < REQUEST_TIME_MIN {
            let why = "the other models took too long".to_owned();
            return Some(Model::NotAsked(why));
        }
        let limit = left.min(model.time_max);
        let asked = ask::ask(self.http, model, question, limit, |answer| {
            let bytes_max = self.label_bytes_max();
            let pointer = model.pointer.as_ref();
            let arity = standing.map_or(&Arity::Single, |standing| &standing.info.arity);
            let inference = answer::inference_for(arity, &answer.body, pointer, bytes_max)?;
            let guards = &topic.guards;
            let breach = guards.breach(&inference, None, || {
                answer::age(answer, guards.time_pointer.as_ref(), SystemTime::now())
            });
            Ok((beginning(&model.hide(&answer.body)), inference, breach))
        });
        if asked.timed_out {
            let each = servers.into_iter().map(|server| (server, topic.topic));
            lock().extend(each);
        }
        Some(match asked.result {
            Ok((raw, inference, breach)) => Model::Value {
                raw,
                shown: model.hide_in(&inference),
                inference,
                time: started.elapsed(),
                passed_over: asked.passed_over,
                breach: breach.map(|breach| model.hide(&breach.to_string())),
            },
            Err(error) => Model::Failed(error),
        })
    }

    fn label_bytes_max(&self) -> usize {
        let params = self.chain.and_then(|chain| chain.params.as_ref().ok());
        params.map_or(LABEL_BYTES_MAX, |params| params.label_bytes_max)
    }

    /// What the topic's model of forecasts says, if it has one.
    fn forecast(
        &self,
        topic: &TopicConfig,
        standing: Option<&Standing>,
        ends: Instant,
    ) -> Option<Result<Vec<ForecastElement>, String>> {
        let model = topic.forecast.as_ref()?;
        let left = ends.saturating_duration_since(Instant::now());
        if left < REQUEST_TIME_MIN {
            return Some(Err("not asked: the other models took too long".to_owned()));
        }
        let question = Question {
            topic: topic.topic,
            nonce: standing.map_or(Nonce(0), Standing::nonce),
        };
        let limit = left.min(model.time_max);
        let asked = ask::ask(self.http, model, question, limit, |answer| {
            answer::forecast(&answer.body, model.pointer.as_ref())
        });
        Some(asked.result)
    }

    /// Has the chain rehearse the next transaction of a topic, if there is one to be sent.
    fn rehearse(&self, topic: &TopicFacts) -> Option<Result<Rehearsal, String>> {
        let Ok(Some(account)) = self.chain?.account else {
            return None;
        };
        let standing = topic.standing.as_ref()?.as_ref().ok()?;
        let is_unknown = matches!(standing.info.arity, Arity::Other(_));
        if is_unknown || !standing.status.is_whitelisted {
            return None;
        }
        let id = topic.config.topic;
        if !standing.status.is_registered {
            let message = Message::Register { topic: id };
            return Some(self.simulate(Rehearsed::Registration, &message, &account));
        }
        let inference = match &topic.model {
            Some(Model::Value { inference, .. }) => Some(inference.clone()),
            _ => None,
        };
        let forecast = topic.forecast.as_ref().and_then(|told| told.clone().ok());
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
        Some(self.simulate(of, &message, &account))
    }

    fn simulate(
        &self,
        of: Rehearsed,
        message: &Message<'_>,
        account: &Account,
    ) -> Result<Rehearsal, String> {
        self.in_time()?;
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
            // No limit: a window that is over is for the chain to say.
            timeout_height: Height(0),
            memo: MEMO,
        };
        let bytes = tx::for_simulation(self.wallet, message, &envelope);
        let answer = self.lcd.simulate(&bytes).map_err(|error| line(&error))?;
        let answer = match answer.value {
            SimulateAnswer::Gas(gas) => Ok(gas),
            SimulateAnswer::Refused(error) => Err(error.simulation_meaning()),
        };
        Ok(Rehearsal { of, answer })
    }
}

/// The beginning of a model's answer, without the quotes that an excerpt stands in.
fn beginning(body: &str) -> String {
    let quoted = excerpt(body.trim().as_bytes());
    let bare = quoted
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'));
    bare.unwrap_or(&quoted).to_owned()
}

#[cfg(test)]
mod tests {
    use crate::config::{ModelConfig, UrlTemplate};
    use crate::model::guard::Guards;
    use crate::sign::seed_phrase::SeedPhrase;
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
            forecast: None,
            guards: Guards::default(),
            nonce_fetch_freq: Duration::from_secs(5),
            inference_fetch_retries: 5,
            inference_fetch_retry_freq: Duration::from_secs(3),
        };
        let topics: Vec<TopicConfig> = (1..=100).map(topic).collect();
        let words = "test test test test test test test test test test test junk";
        let wallet = Wallet::new(&SeedPhrase::parse(words).unwrap()).unwrap();
        let http = Http::new();
        let started = Instant::now();
        let asker = Asker {
            http: &http,
            lcd: &Lcd::new(http.clone(), &[], 0),
            chain: None,
            wallet: &wallet,
            ends: started + REQUEST_TIME_MIN + Duration::from_millis(500),
        };
        let told = asker.ask(&topics);
        assert!(
            started.elapsed() < REQUEST_TIME_MIN * 3,
            "{:?}",
            started.elapsed()
        );
        let failed = |topic: &&TopicFacts| matches!(topic.model, Some(Model::Failed(_)));
        assert_eq!(told.iter().filter(failed).count(), MODEL_THREADS);
        let asked = |topic: &TopicFacts| !matches!(topic.model, Some(Model::NotAsked(_)));
        assert!(told.iter().any(asked) && !told.iter().all(asked));
    }
}
