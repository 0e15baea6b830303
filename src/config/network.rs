//! Which chain the worker signs for, and the public endpoint of a known network.

use super::section::Section;
use super::warning::Warning;
use crate::http;
use crate::http::url::Url;
use crate::values::funding;
use crate::values::units::{CHAIN_ID_BYTES_MAX, is_chain_id};

/// A public network (protocol.md section 0).
#[derive(Clone, Copy, Debug)]
pub(super) struct Network {
    name: &'static str,
    chain_id: &'static str,
    pub(super) api_url: &'static str,
}

const TESTNET: Network = Network {
    name: "testnet",
    chain_id: funding::TESTNET,
    api_url: "https://allora-api.testnet.allora.network",
};
const MAINNET: Network = Network {
    name: "mainnet",
    chain_id: "allora-mainnet-1",
    api_url: "https://allora-api.mainnet.allora.network",
};

/// Reads `network`.
pub(super) fn read_network(root: &Section<'_>) -> Option<Network> {
    let setting = root.key("network");
    let name = setting.text()?;
    let network = [TESTNET, MAINNET]
        .into_iter()
        .find(|known| known.name == name);
    if network.is_none() {
        setting.problem(r#"must be "testnet" or "mainnet"; for another chain, set chain_id"#);
    }
    network
}

/// The id of the only chain that anything is signed for: `chain_id`, or that of `network`, or that
/// of the network whose public endpoint is in the list. `None`: the first endpoint that answers
/// decides.
pub(super) fn read_chain_id(
    root: &Section<'_>,
    network: Option<Network>,
    api_urls: &[Url],
) -> Option<String> {
    let setting = root.key("chain_id");
    let chain_id = setting.text();
    if chain_id.is_some_and(|id| !is_chain_id(id)) {
        setting.problem(format!(
            "must be a chain id such as {}: up to {CHAIN_ID_BYTES_MAX} letters, digits, - _ .",
            TESTNET.chain_id
        ));
    }
    let other_id = |network: &Network| chain_id.is_some_and(|id| id != network.chain_id);
    if let Some(Network { name, chain_id, .. }) = network.filter(other_id) {
        setting.problem(format!(
            "is not the id of network \"{name}\", which is {chain_id}; remove one of the two"
        ));
    }
    let public: Vec<Network> = api_urls.iter().filter_map(public_network).collect();
    let of_network = network.or(public.first().copied());
    let known = chain_id.or(of_network.map(|network| network.chain_id));
    let agreed = known.filter(|_| !network.as_ref().is_some_and(other_id));
    let other = public.iter().find(|public| Some(public.chain_id) != known);
    if let (Some(other), Some(known)) = (other, agreed) {
        let Network { name, api_url, .. } = other;
        setting.findings.problem(
            "api_params.api_url",
            format!(
                "{api_url} is a node of {name}, but nothing is signed for any other chain than \
                 {known}; remove it, or correct network or chain_id"
            ),
        );
    }
    if known.is_none() && !api_urls.is_empty() {
        let key = setting.path.clone();
        setting.findings.warning(Warning::ChainNotNamed { key });
    }
    known.map(str::to_owned)
}

/// The network whose public endpoint this is.
fn public_network(url: &Url) -> Option<Network> {
    let origin = http::origin(url.as_str()).to_ascii_lowercase();
    let origin = origin.strip_suffix(":443").unwrap_or(&origin);
    let is_its = |network: &Network| origin == network.api_url;
    [TESTNET, MAINNET].into_iter().find(is_its)
}
