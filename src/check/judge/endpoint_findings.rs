//! The chain's endpoints, each on its own, and this machine's clock compared with block times.

use std::time::Duration;

use crate::check::facts::{self, EndpointFacts, NodeFacts, Unusable};
use crate::check::finding::{Finding, Level};
use crate::http;
use crate::values::amount;

/// A slower answer is a warning, because submission windows are short.
const LATENCY_MAX: Duration = Duration::from_secs(2);
/// The age of the newest block above which the clock is ahead, or the chain stands still. A block's
/// time is agreed on before the block exists, so some seconds are normal.
const BLOCK_AGE_MAX: Duration = Duration::from_secs(60);
/// How far in the future the newest block may be before the clock is behind.
const CLOCK_BEHIND_MAX: Duration = Duration::from_secs(2);

pub(super) fn judge(endpoints: &[EndpointFacts]) -> Vec<Finding> {
    let first_usable = facts::first_usable(endpoints);
    // One that fails does no harm while another one works.
    let level = first_usable.map_or(Level::Fail, |_| Level::Warn);
    let mut findings = Vec::new();
    let names = http::names(endpoints.iter().map(|endpoint| endpoint.url.as_str()));
    for (endpoint, name) in endpoints.iter().zip(names) {
        let about = format!("endpoint {name}");
        match &endpoint.node {
            Ok(node) => findings.extend(usable(&about, node)),
            Err(error) => findings.push(Finding {
                level,
                ..unusable(&about, error)
            }),
        }
    }
    findings.extend(first_usable.map(clock));
    findings
}

fn unusable(about: &str, error: &Unusable) -> Finding {
    let (name, text, advice) = match error {
        Unusable::Syncing => (
            "syncing",
            "the node is still syncing, so its answers are out of date".to_owned(),
            "wait until it has caught up, or use another node in api_url",
        ),
        Unusable::Down(why) => (
            "reachable",
            why.clone(),
            "check api_url and the network, or use another node",
        ),
        Unusable::Proxy(why) => (
            "proxy",
            why.clone(),
            "correct api_params.proxy or the environment's variables, or use an endpoint that needs no \
             proxy",
        ),
        Unusable::NotLetIn(why) => (
            "access",
            why.clone(),
            "if it needs a key, set it in api_params.headers or in api_url as its provider says, and \
             check that it is valid; or use another node",
        ),
        Unusable::OtherChain { got, expected } => (
            "chain",
            format!("serves chain {got}, but the chain is {expected}"),
            "list only nodes of one network in api_url, and check chain_id or network",
        ),
        Unusable::NoHeights => (
            "height",
            "its answers carry no block height, so they cannot be used".to_owned(),
            "a proxy in front of the node removes the header Grpc-Metadata-X-Cosmos-Block-Height: \
             use another node in api_url",
        ),
        Unusable::NoApi(error) => (
            "api",
            error.clone(),
            "this is not an Allora node, or it is still starting: check api_url, and check again \
             in a minute",
        ),
        Unusable::Behind { height, highest } => (
            "height",
            format!("is at block {height} while another endpoint is at {highest}"),
            "wait until it has caught up, or remove it from api_url",
        ),
    };
    Finding::new(about, name, text).fail(advice)
}

fn usable(about: &str, node: &NodeFacts) -> [Finding; 5] {
    let ok = |name, text| Finding::new(about, name, text);
    let latency = amount::span(node.latency);
    let reachable = if node.latency > LATENCY_MAX {
        let text = format!("not syncing, but an answer takes {latency}");
        let advice = "submission windows are short: use a closer or less busy node in api_url";
        ok("reachable", text).warn(advice)
    } else {
        ok("reachable", format!("answers in {latency}, not syncing"))
    };
    let chain = if node.version.raw().is_empty() {
        node.chain_id.clone()
    } else {
        format!("{}, version {}", node.chain_id, node.version)
    };
    let api = node.api.as_ref();
    let api = api.map_or_else(String::clone, |api| format!("emissions {api}"));
    let height = node.height.unwrap_or_default();
    [
        reachable,
        ok("chain", chain),
        ok("api", api),
        ok("height", format!("block {height}")),
        tx_index(about, node),
    ]
}

fn tx_index(about: &str, node: &NodeFacts) -> Finding {
    let name = "tx_index";
    let text = match &node.tx_index {
        Ok(true) => return Finding::new(about, name, "transactions can be looked up"),
        Ok(false) => "the node has no transaction index",
        Err(error) => error,
    };
    let advice = "payloads are served, but the log shows no block and no fee for them, and \"not \
                  admitted\" is not detected; to see these, put a node with an index first in \
                  api_url";
    Finding::new(about, name, text).warn(advice)
}

/// This machine's clock compared with the time of the newest block.
fn clock(node: &NodeFacts) -> Finding {
    let finding = |text: String| Finding::new("chain", "clock", text);
    let block = match &node.block {
        Ok(block) => block,
        Err(error) => {
            let advice = "nothing depends on it; to compare this machine's clock yourself: date -u";
            return finding(error.clone()).warn(advice);
        }
    };
    match node.block_received.duration_since(block.time) {
        Ok(age) if age > BLOCK_AGE_MAX => {
            let text = format!("the newest block is {} old", amount::span(age));
            let advice = "the chain or the endpoint stands still, or this machine's clock is ahead \
                          (timedatectl set-ntp true)";
            finding(text).warn(advice)
        }
        Ok(age) => {
            let age = amount::span(age);
            let text = format!("the newest block is {age} old by this machine's clock");
            finding(text)
        }
        Err(ahead) if ahead.duration() > CLOCK_BEHIND_MAX => {
            let behind = amount::span(ahead.duration());
            let text = format!("this machine's clock is {behind} behind the chain's");
            let advice = "set the clock (timedatectl set-ntp true): certificates are validated \
                          with it, and the log's times come from it";
            finding(text).warn(advice)
        }
        Err(_) => finding("this machine's clock agrees with the newest block".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use crate::check::judge::tests::{endpoint, node};
    use crate::values::units::Height;

    use super::*;

    fn levels(endpoints: &[EndpointFacts]) -> Vec<(Level, &'static str)> {
        let findings = judge(endpoints).into_iter();
        let findings = findings.filter(|finding| finding.level != Level::Ok);
        findings
            .map(|finding| (finding.level, finding.name))
            .collect()
    }

    #[test]
    fn an_endpoint_without_a_problem() {
        let findings = judge(&[endpoint(Ok(node()))]);
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
    fn endpoints_at_one_place_are_numbered() {
        let findings = judge(&[endpoint(Ok(node())), endpoint(Ok(node()))]);
        let mut about: Vec<_> = findings.iter().map(|f| f.about.as_str()).collect();
        about.dedup();
        let place = about[0].to_owned();
        assert_eq!(about, [&place, &format!("{place} (2)"), "chain"]);
    }

    #[test]
    fn an_unusable_endpoint_is_a_failure_only_if_no_other_works() {
        let (height, highest) = (Height(994), Height(1_000));
        let [got, expected] = ["other", "localnet"].map(str::to_owned);
        for (error, name) in [
            (Unusable::Down("connection refused".to_owned()), "reachable"),
            (Unusable::Proxy("status 407".to_owned()), "proxy"),
            (Unusable::NotLetIn("status 401".to_owned()), "access"),
            (Unusable::Syncing, "syncing"),
            (Unusable::OtherChain { got, expected }, "chain"),
            (Unusable::NoHeights, "height"),
            (Unusable::NoApi("neither".to_owned()), "api"),
            (Unusable::Behind { height, highest }, "height"),
        ] {
            let unusable = endpoint(Err(error));
            assert_eq!(
                levels(std::slice::from_ref(&unusable)),
                [(Level::Fail, name)]
            );
            let with_another = [unusable, endpoint(Ok(node()))];
            assert_eq!(levels(&with_another), [(Level::Warn, name)]);
        }
    }

    #[test]
    fn a_usable_endpoint_can_have_warnings() {
        let changed = |change: fn(&mut NodeFacts)| {
            let mut node = node();
            change(&mut node);
            levels(&[endpoint(Ok(node))])
        };
        let no_index = changed(|node| node.tx_index = Ok(false));
        assert_eq!(no_index, [(Level::Warn, "tx_index")]);
        let slow = changed(|node| node.latency = Duration::from_secs(3));
        assert_eq!(slow, [(Level::Warn, "reachable")]);
        for seconds in [3, 59] {
            let mut late = node();
            late.block_received += Duration::from_secs(seconds);
            assert_eq!(clock(&late).level, Level::Ok);
        }
        let old = changed(|node| node.block_received += Duration::from_secs(70));
        assert_eq!(old, [(Level::Warn, "clock")]);
        let behind = changed(|node| node.block_received -= Duration::from_secs(10));
        assert_eq!(behind, [(Level::Warn, "clock")]);
        let unknown = changed(|node| node.block = Err("no".to_owned()));
        assert_eq!(unknown, [(Level::Warn, "clock")]);
    }
}
