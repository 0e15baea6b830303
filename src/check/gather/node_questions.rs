//! What each endpoint reports about itself, asked separately, and which endpoints can be used.

use std::time::{Instant, SystemTime};

use crate::chain::endpoints::is_behind;
use crate::chain::error::{ErrorKind, LcdError};
use crate::chain::lcd::{Answer, Lcd};
use crate::check::facts::{EndpointFacts, NodeFacts, Unusable};
use crate::check::parallel;
use crate::http::header::Secrets;
use crate::http::url::Url;
use crate::http::{Http, TransportError};
use crate::sign::tx;

/// Asks all endpoints, and rejects those whose answers would not be used: also those of another
/// chain than `chain_id`, or than the first usable one.
pub(super) fn ask(http: &Http, urls: &[Url], chain_id: Option<&str>) -> Vec<EndpointFacts> {
    let unasked = |url: &Url| EndpointFacts {
        url: url.clone(),
        node: Err(Unusable::Down("not asked".to_owned())),
    };
    let mut endpoints: Vec<EndpointFacts> = urls.iter().map(unasked).collect();
    parallel::each(&mut endpoints, urls.len(), |endpoint| {
        endpoint.node = ask_one(http, &endpoint.url);
    });
    reject_unusable(&mut endpoints, chain_id);
    for endpoint in &mut endpoints {
        if let Err(Unusable::OtherChain { got, .. }) = &mut endpoint.node {
            // why: what stands there may be the key that was sent
            *got = Secrets::of_request(http.headers(), endpoint.url.as_str()).hide(got);
        }
    }
    endpoints
}

/// Asks one endpoint, through a client that knows no other.
fn ask_one(http: &Http, url: &Url) -> Result<NodeFacts, Unusable> {
    let lcd = Lcd::new(http.clone(), &[url.as_str().to_owned()], None, 0);
    ask_node(&lcd).map_err(|error| match error.kind {
        // why: the kind alone, because the finding names the endpoint already
        ErrorKind::Syncing => Unusable::Syncing,
        ErrorKind::Transport(TransportError::Proxy { .. }) => {
            Unusable::Proxy(error.kind.to_string())
        }
        ref kind if matches!(kind.status(), Some(401 | 403)) => {
            Unusable::NotLetIn(kind.to_string())
        }
        ErrorKind::Transport(error) => Unusable::Down(error.to_string()),
        kind => Unusable::Down(kind.to_string()),
    })
}

fn ask_node(lcd: &Lcd) -> Result<NodeFacts, LcdError> {
    let info = lcd.node_info()?;
    let asked = Instant::now();
    let api = lcd.api_version();
    let latency = asked.elapsed();
    let block = lcd.node_status();
    Ok(NodeFacts {
        chain_id: info.value.chain_id,
        version: info.value.version,
        height: api.as_ref().map_or(info.height, |answer| answer.height),
        api: answered(api),
        block: answered(block),
        block_received: SystemTime::now(),
        tx_index: has_index(lcd),
        latency,
    })
}

/// An answer's value, or the error as text.
pub(super) fn answered<T>(answer: Result<Answer<T>, LcdError>) -> Result<T, String> {
    answer
        .map(|answer| answer.value)
        .map_err(|error| error.line())
}

/// Whether transactions can be looked up: a node with an index reports an unknown one as not found.
fn has_index(lcd: &Lcd) -> Result<bool, String> {
    match lcd.tx(&tx::hash(b"").to_string()) {
        Ok(_) => Ok(true),
        Err(error) if error.is_no_index() => Ok(false),
        Err(error) => Err(error.line()),
    }
}

/// Marks the endpoints whose answers would not be used, by themselves or beside the others.
fn reject_unusable(endpoints: &mut [EndpointFacts], chain_id: Option<&str>) {
    let nodes = endpoints.iter().map(|endpoint| endpoint.node.clone());
    let nodes: Vec<NodeFacts> = nodes.filter_map(Result::ok).collect();
    for endpoint in endpoints {
        if let Ok(node) = &endpoint.node
            && let Some(flaw) = flaw(&nodes, chain_id, node)
        {
            endpoint.node = Err(flaw);
        }
    }
}

fn flaw(nodes: &[NodeFacts], chain_id: Option<&str>, node: &NodeFacts) -> Option<Unusable> {
    let expected = chain_id.unwrap_or(&nodes.first()?.chain_id).to_owned();
    let got = node.chain_id.clone();
    if got != expected {
        return Some(Unusable::OtherChain { got, expected });
    }
    let Some(height) = node.height else {
        return Some(Unusable::NoHeights);
    };
    if let Err(error) = &node.api {
        return Some(Unusable::NoApi(error.clone()));
    }
    let same_chain = nodes.iter().filter(|other| other.chain_id == got);
    let highest = same_chain.filter_map(|node| node.height).max()?;
    is_behind(height, highest).then_some(Unusable::Behind { height, highest })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::judge::tests::{endpoint, node};
    use crate::values::units::Height;

    /// The flaw of the second of two endpoints.
    fn flaw_of(change: fn(&mut NodeFacts)) -> Option<Unusable> {
        let mut other = node();
        change(&mut other);
        let mut endpoints = [endpoint(Ok(node())), endpoint(Ok(other))];
        reject_unusable(&mut endpoints, None);
        assert!(endpoints[0].node.is_ok());
        let [_, other] = endpoints;
        other.node.err()
    }

    #[test]
    fn an_endpoint_that_cannot_be_used_is_rejected_with_the_reason() {
        let other_chain = flaw_of(|node| node.chain_id = "other".to_owned());
        assert!(matches!(other_chain, Some(Unusable::OtherChain { .. })));
        assert_eq!(
            flaw_of(|node| node.height = None),
            Some(Unusable::NoHeights)
        );
        let no_api = flaw_of(|node| node.api = Err("neither".to_owned()));
        assert_eq!(no_api, Some(Unusable::NoApi("neither".to_owned())));
    }

    #[test]
    fn an_endpoint_of_another_chain_than_the_configured_one_is_rejected() {
        let mut endpoints = [endpoint(Ok(node()))];
        reject_unusable(&mut endpoints, Some("localnet"));
        assert!(endpoints[0].node.is_ok());
        reject_unusable(&mut endpoints, Some("allora-mainnet-1"));
        let [only] = endpoints;
        assert!(matches!(only.node, Err(Unusable::OtherChain { .. })));
    }

    #[test]
    fn as_many_blocks_behind_as_the_worker_accepts_are_accepted() {
        let (height, highest) = (Height(997), Height(1_000));
        let behind = flaw_of(|node| node.height = Some(Height(997)));
        assert_eq!(behind, Some(Unusable::Behind { height, highest }));
        assert_eq!(flaw_of(|node| node.height = Some(Height(998))), None);
    }

    #[test]
    fn an_endpoint_that_is_down_does_not_count() {
        let down = Unusable::Down("connection refused".to_owned());
        let mut endpoints = [endpoint(Err(down.clone())), endpoint(Ok(node()))];
        reject_unusable(&mut endpoints, None);
        assert_eq!(endpoints[0].node.as_ref().err(), Some(&down));
        assert!(endpoints[1].node.is_ok());
    }
}
