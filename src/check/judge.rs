//! From facts to findings, without any I/O.

use super::facts::Gathered;
use super::finding::Finding;

mod account_findings;
mod endpoint_findings;
mod grant_findings;
mod rehearsal;
pub mod setup;
mod topic_findings;

/// All findings; those about one subject are side by side.
pub fn judge(gathered: &Gathered) -> Vec<Finding> {
    let (setup, topics) = (&gathered.setup, &gathered.topics);
    let chain = gathered.chain.as_ref();
    let mut findings = setup::judge(setup);
    findings.extend(endpoint_findings::judge(&gathered.endpoints));
    if let Some(chain) = chain {
        findings.extend(account_findings::judge(setup, chain, topics));
    }
    for topic in topics {
        findings.extend(topic_findings::judge(setup, chain, topic));
    }
    findings
}

#[cfg(test)]
pub(crate) mod tests {
    //! Facts of a worker without any problem, which the tests of each part change.

    use std::path::PathBuf;
    use std::time::{Duration, SystemTime};

    use time::UtcOffset;

    use crate::chain::answers::{Account, NodeStatus, Params};
    use crate::chain::meaning::Meaning;
    use crate::check::facts::{
        ChainFacts, EndpointFacts, Gathered, ModelFacts, ModelValue, NodeFacts, Rehearsal,
        Rehearsed, Setup, TopicGathered, Unusable, WorkerStanding,
    };
    use crate::check::finding::{Level, Report};
    use crate::config;
    use crate::http::url::Url;
    use crate::sign::wallet_source::SecretSource;
    use crate::values::decimal::Decimal;
    use crate::values::fee::GasPrice;
    use crate::values::payload::Inference;
    use crate::values::topic::{Arity, TopicInfo, TopicLengths, Window, WindowStatus};
    use crate::values::units::{
        AccountNumber, ApiVersion, Height, Nonce, Sequence, TopicId, Uallo,
    };

    use super::judge;

    /// The newest block, and the moment of the check.
    const HEIGHT: Height = Height(1_000);

    pub(crate) fn node() -> NodeFacts {
        let block = NodeStatus {
            height: HEIGHT,
            time: SystemTime::UNIX_EPOCH,
        };
        NodeFacts {
            chain_id: "localnet".to_owned(),
            version: "v0.17.0".into(),
            height: Some(HEIGHT),
            api: Ok(ApiVersion::V10),
            block: Ok(block),
            block_received: SystemTime::UNIX_EPOCH,
            tx_index: Ok(true),
            latency: Duration::from_millis(12),
        }
    }

    pub(crate) fn endpoint(node: Result<NodeFacts, Unusable>) -> EndpointFacts {
        let url = Url::parse_base("http://localhost:1317").unwrap();
        EndpointFacts { url, node }
    }

    fn setup() -> Setup {
        Setup {
            path: PathBuf::from("config.json"),
            config: config::sample(),
            warnings: Vec::new(),
            unused_proxy: Vec::new(),
            origin: SecretSource::PhraseFile(PathBuf::from("/words")),
            mode: Some(0o600),
            address: "allo1avgyh77ycn997ja45q5q8ss8y9mr424jwfcszc".to_owned(),
            sender: "allo1avgyh77ycn997ja45q5q8ss8y9mr424jwfcszc".to_owned(),
            now: SystemTime::UNIX_EPOCH,
            offset: UtcOffset::UTC,
        }
    }

    fn standing() -> WorkerStanding {
        let info = TopicInfo {
            id: TopicId(1),
            lengths: TopicLengths {
                epoch_blocks: 60,
                window_blocks: 12,
            },
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
        WorkerStanding {
            info,
            status,
            height: HEIGHT,
        }
    }

    pub(crate) fn facts() -> Gathered {
        let chain = ChainFacts {
            api: ApiVersion::V10,
            chain_id: Some("localnet".to_owned()),
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
                places: 32,
            }),
            grant: None,
            block_time: Some(Duration::from_secs(6)),
        };
        let topic = TopicGathered {
            config: config::sample().topics.remove(0),
            standing: Some(Ok(standing())),
            model: Some(ModelFacts::Value(ModelValue {
                raw: "0.0000001".into(),
                inference: Inference::Value(Decimal::parse("0.0000001").unwrap()),
                shown: "1E-7".to_owned(),
                time: Duration::from_millis(12),
                passed_over: None,
                breach: None,
            })),
            forecast: None,
            rehearsal: Some(Ok(Rehearsal {
                of: Rehearsed::Over(Nonce(990)),
                answer: Err(Meaning::WindowClosed),
            })),
        };
        Gathered {
            setup: setup(),
            endpoints: vec![endpoint(Ok(node()))],
            chain: Some(chain),
            topics: vec![topic],
        }
    }

    #[test]
    fn without_a_problem_no_finding_has_advice() {
        let report = Report(judge(&facts()));
        assert_eq!(report.verdict(), Level::Ok, "{report:?}");
        assert!(report.0.iter().all(|finding| finding.advice.is_none()));
    }

    #[test]
    fn models_are_judged_even_if_no_endpoint_can_be_used() {
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
