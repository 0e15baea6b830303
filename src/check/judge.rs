//! From facts to findings. Pure: nobody is asked here.

use super::facts::Facts;
use super::finding::Finding;

pub mod account;
pub mod endpoints;
pub mod rehearsal;
pub mod setup;
pub mod topic;

/// All findings, what belongs together side by side.
#[must_use]
pub fn judge(facts: &Facts) -> Vec<Finding> {
    let mut findings = setup::judge(&facts.setup);
    findings.extend(endpoints::judge(&facts.endpoints));
    if let Some(chain) = &facts.chain {
        findings.extend(account::judge(&facts.setup, chain, &facts.topics));
    }
    for topic in &facts.topics {
        findings.extend(topic::judge(&facts.setup, facts.chain.as_ref(), topic));
    }
    findings
}

#[cfg(test)]
pub(crate) mod tests {
    //! Facts of a worker for which all is well, to be changed by the tests of each part.

    use std::path::PathBuf;
    use std::time::{Duration, SystemTime};

    use time::UtcOffset;

    use crate::chain::answers::{Account, NodeStatus, Params};
    use crate::chain::meaning::Meaning;
    use crate::check::facts::{
        ChainFacts, Endpoint, Facts, Model, Node, Rehearsal, Rehearsed, Setup, Standing, TopicFacts,
    };
    use crate::check::finding::{Level, Report};
    use crate::config::{Config, ModelConfig, TopicConfig, Url, UrlTemplate};
    use crate::model::guard::Guards;
    use crate::sign::seed_phrase::PhraseSource;
    use crate::values::decimal::Decimal;
    use crate::values::fee::{GasFactor, GasPrice};
    use crate::values::payload::Inference;
    use crate::values::topic::{Arity, TopicInfo, Window, WindowStatus};
    use crate::values::units::{
        AccountNumber, ApiVersion, Height, Nonce, Sequence, TopicId, Uallo,
    };

    use super::judge;

    /// The newest block, and the moment of the check.
    const HEIGHT: Height = Height(1_000);

    pub(crate) fn node() -> Node {
        let block = NodeStatus {
            height: HEIGHT,
            time: SystemTime::UNIX_EPOCH,
        };
        Node {
            chain_id: "localnet".to_owned(),
            version: "v0.17.0".to_owned(),
            height: Some(HEIGHT),
            api: Ok(ApiVersion::V10),
            block: Ok(block),
            block_told: SystemTime::UNIX_EPOCH,
            tx_index: Ok(true),
            latency: Duration::from_millis(12),
        }
    }

    pub(crate) fn endpoint(name: &str) -> Endpoint {
        Endpoint {
            name: name.to_owned(),
            node: Ok(node()),
        }
    }

    fn topic_config() -> TopicConfig {
        TopicConfig {
            topic: TopicId(1),
            inference: Some(ModelConfig::at(
                UrlTemplate::parse("http://localhost:8000/ETH").unwrap(),
            )),
            forecast: None,
            guards: Guards::default(),
            nonce_fetch_freq: Duration::from_secs(5),
            inference_fetch_retries: 5,
            inference_fetch_retry_freq: Duration::from_secs(3),
        }
    }

    fn setup() -> Setup {
        let config = Config {
            debug: false,
            gas_factor: GasFactor::DEFAULT,
            max_fee: None,
            api_urls: vec![Url::parse_base("http://localhost:1317").unwrap()],
            tx_check_retries: 10,
            tx_check_freq: Duration::from_secs(3),
            metrics_listen: None,
            log: crate::logging::LogSettings::default(),
            topics: vec![topic_config()],
        };
        Setup {
            path: PathBuf::from("config.json"),
            config,
            warnings: Vec::new(),
            origin: PhraseSource::File(PathBuf::from("/words")),
            mode: Some(0o600),
            address: "allo1avgyh77ycn997ja45q5q8ss8y9mr424jwfcszc".to_owned(),
            now: SystemTime::UNIX_EPOCH,
            offset: UtcOffset::UTC,
        }
    }

    fn standing() -> Standing {
        let info = TopicInfo {
            id: TopicId(1),
            epoch_length: 60,
            worker_submission_window: 12,
            arity: Arity::Single,
            last_nonce: Some(Nonce(990)),
        };
        let status = WindowStatus {
            open: None,
            next: Some(Window {
                nonce: Nonce(1_050),
                end: Height(1_062),
            }),
            is_registered: true,
            is_whitelisted: true,
            is_topic_active: true,
        };
        Standing {
            info,
            status,
            height: HEIGHT,
        }
    }

    pub(crate) fn facts() -> Facts {
        let chain = ChainFacts {
            api: ApiVersion::V10,
            account: Ok(Some(Account {
                number: AccountNumber(5),
                sequence: Sequence(7),
            })),
            balance: Ok(Uallo(1_000_000_000_000_000_000)),
            price: Ok(GasPrice::parse("10").unwrap()),
            params: Ok(Params {
                registration_fee: Uallo(200),
                data_sending_fee: Uallo(10),
                label_bytes_max: 64,
            }),
            block_time: Some(Duration::from_secs(6)),
        };
        let topic = TopicFacts {
            config: topic_config(),
            standing: Some(Ok(standing())),
            model: Some(Model::Value {
                raw: "0.0000001".to_owned(),
                inference: Inference::Value(Decimal::parse("0.0000001").unwrap()),
                shown: "1E-7".to_owned(),
                time: Duration::from_millis(12),
                passed_over: None,
                breach: None,
            }),
            forecast: None,
            rehearsal: Some(Ok(Rehearsal {
                of: Rehearsed::Over(Nonce(990)),
                answer: Err(Meaning::WindowClosed),
            })),
        };
        Facts {
            setup: setup(),
            endpoints: vec![endpoint("http://localhost:1317")],
            chain: Some(chain),
            topics: vec![topic],
        }
    }

    #[test]
    fn where_all_is_well_nothing_needs_advice() {
        let report = Report(judge(&facts()));
        assert_eq!(report.verdict(), Level::Ok, "{report:?}");
        assert!(report.0.iter().all(|finding| finding.advice.is_none()));
    }

    #[test]
    fn without_an_endpoint_the_models_are_judged_all_the_same() {
        let mut facts = facts();
        facts.endpoints.clear();
        facts.chain = None;
        facts.topics[0].standing = None;
        facts.topics[0].rehearsal = None;
        let report = Report(judge(&facts));
        let about_topic = report.0.iter().filter(|finding| finding.about == "topic 1");
        let names: Vec<_> = about_topic.map(|finding| finding.name).collect();
        assert_eq!(names, ["model"]);
    }
}
