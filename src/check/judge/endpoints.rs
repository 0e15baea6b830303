//! The chain's endpoints, one by one, and this machine's clock by the time of their blocks.

use std::time::{Duration, SystemTime};

use crate::chain::answers::NodeStatus;
use crate::chain::endpoints::is_behind;
use crate::check::facts::{Endpoint, Node, Unusable};
use crate::check::finding::{Finding, Level};
use crate::values::amount;
use crate::values::units::{ApiVersion, Height};

/// An answer that takes longer is worth a look: windows are short.
const LATENCY_MAX: Duration = Duration::from_secs(2);
/// A block's time is agreed on before the block is there, so it is some seconds old at best.
const BLOCK_AGE_MAX: Duration = Duration::from_secs(60);
/// A block from the future by more than this means that the clock is behind.
const CLOCK_BEHIND_MAX: Duration = Duration::from_secs(2);

/// What keeps an endpoint from being used.
enum Flaw {
    /// It cannot be asked, or is syncing.
    Unusable(Unusable),
    /// It is of another chain than the first one.
    OtherChain { got: String, first: String },
    /// Its answers name no height.
    NoHeights,
    /// It serves no emissions interface that is known.
    NoApi(String),
    /// It is behind the others.
    Behind { height: Height, highest: Height },
}

/// Which endpoints can be used, by their places in the list.
#[must_use]
pub fn usable(endpoints: &[Endpoint]) -> Vec<usize> {
    let is_usable = |at: &usize| flaw(endpoints, &endpoints[*at]).is_none();
    (0..endpoints.len()).filter(is_usable).collect()
}

fn first_usable(endpoints: &[Endpoint]) -> Option<&Node> {
    let at = usable(endpoints).into_iter().next()?;
    endpoints[at].node.as_ref().ok()
}

/// The emissions version of the first endpoint that can be used.
#[must_use]
pub fn api(endpoints: &[Endpoint]) -> Option<ApiVersion> {
    first_usable(endpoints)?.api.clone().ok()
}

/// The newest block that the first endpoint that can be used has told.
#[must_use]
pub fn newest_block(endpoints: &[Endpoint]) -> Option<NodeStatus> {
    first_usable(endpoints)?.block.clone().ok()
}

fn flaw(all: &[Endpoint], endpoint: &Endpoint) -> Option<Flaw> {
    let node = match &endpoint.node {
        Ok(node) => node,
        Err(unusable) => return Some(Flaw::Unusable(unusable.clone())),
    };
    let nodes = || {
        all.iter()
            .filter_map(|endpoint| endpoint.node.as_ref().ok())
    };
    let first = nodes().map(|node| &node.chain_id).next();
    if let Some(first) = first.filter(|first| **first != node.chain_id) {
        return Some(Flaw::OtherChain {
            got: node.chain_id.clone(),
            first: first.clone(),
        });
    }
    let Some(height) = node.height else {
        return Some(Flaw::NoHeights);
    };
    if let Err(error) = &node.api {
        return Some(Flaw::NoApi(error.clone()));
    }
    let same_chain = nodes().filter(|other| other.chain_id == node.chain_id);
    let highest = same_chain.filter_map(|node| node.height).max()?;
    is_behind(height, highest).then_some(Flaw::Behind { height, highest })
}

/// What is found about the endpoints and the clock.
#[must_use]
pub fn judge(endpoints: &[Endpoint]) -> Vec<Finding> {
    // One that fails is no harm while another one works.
    let level = if usable(endpoints).is_empty() {
        Level::Fail
    } else {
        Level::Warn
    };
    let mut findings = Vec::new();
    for endpoint in endpoints {
        let about = format!("endpoint {}", endpoint.name);
        match (flaw(endpoints, endpoint), &endpoint.node) {
            (Some(flaw), _) => findings.push(Finding {
                level,
                ..flawed(&about, &flaw)
            }),
            (None, Ok(node)) => findings.extend(well(&about, node)),
            (None, Err(_)) => {}
        }
    }
    if let Some(node) = first_usable(endpoints) {
        findings.push(clock(node));
    }
    findings
}

fn flawed(about: &str, flaw: &Flaw) -> Finding {
    match flaw {
        Flaw::Unusable(Unusable::Syncing) => Finding::fail(
            about,
            "syncing",
            "the node is still syncing: what it says is from the past",
            "wait until it has caught up, or name another node in api_url",
        ),
        Flaw::Unusable(Unusable::Down(why)) => Finding::fail(
            about,
            "reachable",
            why,
            "check the address in api_url and the network, or name another node",
        ),
        Flaw::OtherChain { got, first } => Finding::fail(
            about,
            "chain",
            format!("serves chain {got}, but the first endpoint that answers serves {first}"),
            "name nodes of one network only in api_url",
        ),
        Flaw::NoHeights => Finding::fail(
            about,
            "height",
            "its answers do not name their height, so none of them counts",
            "something before the node takes the header Grpc-Metadata-X-Cosmos-Block-Height away: \
             name another node in api_url",
        ),
        Flaw::NoApi(error) => Finding::fail(
            about,
            "api",
            error,
            "it is no Allora node, or one that is starting: check api_url, and check again in a \
             minute",
        ),
        Flaw::Behind { height, highest } => Finding::fail(
            about,
            "height",
            format!("is at block {height} while another endpoint is at {highest}"),
            "wait until it has caught up, or take it out of api_url",
        ),
    }
}

fn well(about: &str, node: &Node) -> Vec<Finding> {
    let latency = amount::span(node.latency);
    let reachable = if node.latency > LATENCY_MAX {
        Finding::warn(
            about,
            "reachable",
            format!("not syncing, but an answer takes {latency}"),
            "windows are short: name a nearer or less busy node in api_url",
        )
    } else {
        Finding::ok(
            about,
            "reachable",
            format!("answers in {latency}, not syncing"),
        )
    };
    let version = match node.version.as_str() {
        "" => String::new(),
        version => format!(", version {version}"),
    };
    let api = match &node.api {
        Ok(api) => format!("emissions {api}"),
        Err(error) => error.clone(),
    };
    let height = node.height.unwrap_or_default();
    vec![
        reachable,
        Finding::ok(about, "chain", format!("{}{version}", node.chain_id)),
        Finding::ok(about, "api", api),
        Finding::ok(about, "height", format!("block {height}")),
        index(about, node),
    ]
}

fn index(about: &str, node: &Node) -> Finding {
    let name = "tx_index";
    let consequence = "payloads are served all the same, but their lines in the log tell no block \
                       and no fee, and \"not admitted\" is not noticed; name a node with an index \
                       first if you want to know";
    match &node.tx_index {
        Ok(true) => Finding::ok(about, name, "transactions can be looked up"),
        Ok(false) => Finding::warn(
            about,
            name,
            "the node has no transaction index",
            consequence,
        ),
        Err(error) => Finding::warn(about, name, error, consequence),
    }
}

/// This machine's clock by the time of the newest block.
fn clock(node: &Node) -> Finding {
    let (about, name) = ("chain", "clock");
    let block = match &node.block {
        Ok(block) => block,
        Err(error) => {
            let advice = "nothing hangs on it; compare this machine's clock yourself: date -u";
            return Finding::warn(about, name, error, advice);
        }
    };
    match age(block.time, node.block_told) {
        Err(ahead) if ahead > CLOCK_BEHIND_MAX => Finding::warn(
            about,
            name,
            format!(
                "this machine's clock is {} behind the chain's",
                amount::span(ahead)
            ),
            "set the clock (timedatectl set-ntp true): certificates are checked against it, and \
             the log's times come from it",
        ),
        Ok(age) if age > BLOCK_AGE_MAX => Finding::warn(
            about,
            name,
            format!("the newest block is {} old", amount::span(age)),
            "the chain or the endpoint stands still, or this machine's clock is ahead (timedatectl \
             set-ntp true)",
        ),
        Ok(age) => Finding::ok(
            about,
            name,
            format!(
                "the newest block is {} old by this machine's clock",
                amount::span(age)
            ),
        ),
        Err(_) => Finding::ok(about, name, "the newest block is from this moment"),
    }
}

/// How long ago the block was made, or how far it lies in the future.
fn age(block: SystemTime, now: SystemTime) -> Result<Duration, Duration> {
    now.duration_since(block).map_err(|error| error.duration())
}

#[cfg(test)]
mod tests {
    use crate::check::judge::tests::{endpoint, node};

    use super::*;

    fn down(name: &str) -> Endpoint {
        Endpoint {
            name: name.to_owned(),
            node: Err(Unusable::Down("connection refused".to_owned())),
        }
    }

    fn levels(endpoints: &[Endpoint]) -> Vec<(Level, &'static str)> {
        let findings = judge(endpoints).into_iter();
        let findings = findings.filter(|finding| finding.level != Level::Ok);
        findings
            .map(|finding| (finding.level, finding.name))
            .collect()
    }

    #[test]
    fn an_endpoint_that_is_well() {
        let findings = judge(&[endpoint("http://a")]);
        assert!(
            findings.iter().all(|f| f.level == Level::Ok),
            "{findings:?}"
        );
        let names: Vec<_> = findings.iter().map(|finding| finding.name).collect();
        assert_eq!(
            names,
            ["reachable", "chain", "api", "height", "tx_index", "clock"]
        );
    }

    #[test]
    fn one_that_is_down_is_a_failure_only_if_no_other_works() {
        assert_eq!(levels(&[down("http://a")]), [(Level::Fail, "reachable")]);
        let with_another = [down("http://a"), endpoint("http://b")];
        assert_eq!(levels(&with_another), [(Level::Warn, "reachable")]);
        assert_eq!(usable(&with_another), [1]);
    }

    #[test]
    fn what_cannot_be_used_says_why() {
        let flawed = |change: fn(&mut Node)| {
            let mut other = node();
            change(&mut other);
            let other = Endpoint {
                name: "http://b".to_owned(),
                node: Ok(other),
            };
            levels(&[endpoint("http://a"), other])
        };
        let other_chain = flawed(|node| node.chain_id = "other".to_owned());
        assert_eq!(other_chain, [(Level::Warn, "chain")]);
        assert_eq!(flawed(|node| node.height = None), [(Level::Warn, "height")]);
        let no_api = flawed(|node| node.api = Err("neither".to_owned()));
        assert_eq!(no_api, [(Level::Warn, "api")]);
        assert_eq!(
            flawed(|node| node.height = Some(Height(997))),
            [(Level::Warn, "height")]
        );
        assert_eq!(flawed(|node| node.height = Some(Height(998))), []);
        let syncing = Endpoint {
            node: Err(Unusable::Syncing),
            ..endpoint("http://a")
        };
        assert_eq!(levels(&[syncing]), [(Level::Fail, "syncing")]);
    }

    #[test]
    fn what_is_worth_a_look() {
        let looked_at = |change: fn(&mut Node)| {
            let mut node = node();
            change(&mut node);
            let name = "http://a".to_owned();
            levels(&[Endpoint {
                name,
                node: Ok(node),
            }])
        };
        let no_index = looked_at(|node| node.tx_index = Ok(false));
        assert_eq!(no_index, [(Level::Warn, "tx_index")]);
        let slow = looked_at(|node| node.latency = Duration::from_secs(3));
        assert_eq!(slow, [(Level::Warn, "reachable")]);
        for seconds in [3, 59] {
            let age = |node: &mut Node, seconds| node.block_told += Duration::from_secs(seconds);
            let mut late = node();
            age(&mut late, seconds);
            assert_eq!(clock(&late).level, Level::Ok);
        }
        let old = looked_at(|node| node.block_told += Duration::from_secs(70));
        assert_eq!(old, [(Level::Warn, "clock")]);
        let behind = looked_at(|node| node.block_told -= Duration::from_secs(10));
        assert_eq!(behind, [(Level::Warn, "clock")]);
        let unknown = looked_at(|node| node.block = Err("no".to_owned()));
        assert_eq!(unknown, [(Level::Warn, "clock")]);
    }
}
