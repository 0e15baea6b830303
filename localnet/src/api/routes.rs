//! Answers a request: chooses the state and the module.

use crate::api::query_error::QueryError;
use crate::api::{query_cosmos, query_emissions};
use crate::chain::Chain;
use crate::chain::message::Api;
use crate::chain::node::Fate;
use crate::server::answer::{Answer, Request};

/// The route of broadcasts, the only one on which a fault changes what the chain does.
pub const BROADCAST: &str = "POST /cosmos/tx/v1beta1/txs";
/// The route of simulations.
pub const SIMULATE: &str = "POST /cosmos/tx/v1beta1/simulate";

/// The route that looks up an included transaction.
pub const FIND_TX: &str = "GET /cosmos/tx/v1beta1/txs/{}";

/// How a fault changes the making of an answer.
#[derive(Clone, Copy, Debug, Default)]
pub struct Twist {
    /// Answers from the state this many blocks ago.
    pub behind_blocks: u64,
    /// What happens to a broadcast transaction.
    pub fate: Fate,
    /// Answers as if the node's mempool were full.
    pub mempool_full: bool,
    /// Answers as a node of another chain.
    pub other_chain: bool,
}

/// Answers a request as the chain's node number `node`.
pub fn answer(chain: &mut Chain, node: usize, request: &Request, twist: Twist) -> Answer {
    let (full, chain_id) = (chain.nodes[node].full, chain.chain_id.clone());
    chain.nodes[node].full |= twist.mempool_full;
    if twist.other_chain {
        chain.chain_id = format!("other-{chain_id}");
    }
    let answer = answer_from(chain, node, request, twist);
    chain.nodes[node].full = full;
    chain.chain_id = chain_id;
    answer
}

fn answer_from(chain: &mut Chain, node: usize, request: &Request, twist: Twist) -> Answer {
    let height = chain.nodes[node].height(chain.state.height);
    let height = height.saturating_sub(twist.behind_blocks);
    if request.method == "POST" {
        return post(chain, node, request, twist.fate, height);
    }
    if request.method != "GET" {
        return QueryError::not_implemented().answer(None);
    }
    let height = match request.height.filter(|&h| h > 0) {
        Some(wanted) if wanted > height => {
            let text = "cannot query with height in the future; please provide a valid height";
            let text = format!("codespace sdk code 26: invalid height: {text}");
            return QueryError::gateway(2, text).answer(None);
        }
        Some(wanted) => wanted,
        None => height,
    };
    let state = chain.state_at(height);
    let path = request.segments();
    let result = match path.as_slice() {
        ["emissions", version, rest @ ..] if *version == state.api.name() => {
            query_emissions::answer(state, request, rest)
        }
        ["emissions", ..] => Err(QueryError::not_implemented()),
        path => query_cosmos::answer(chain, state, request, path),
    };
    match result {
        Ok(body) => Answer::ok(&body, Some(state.height)),
        Err(error) => error.answer(Some(state.height)),
    }
}

/// A simulation is made on the newest state, whichever height it names.
fn post(chain: &mut Chain, node: usize, request: &Request, fate: Fate, height: u64) -> Answer {
    let (result, height) = match request.path.as_str() {
        // The answer to a broadcast has no height header.
        "/cosmos/tx/v1beta1/txs" => (query_cosmos::broadcast(chain, node, request, fate), None),
        "/cosmos/tx/v1beta1/simulate" => {
            (query_cosmos::simulate(chain, node, request), Some(height))
        }
        _ => (Err(QueryError::not_implemented()), None),
    };
    match result {
        Ok(body) => Answer::ok(&body, height),
        Err(error) => error.answer(height),
    }
}

/// What a restarted node's gateway answers for about a second, until its back end is up
/// (protocol.md section 8).
#[must_use]
pub fn half_up(request: &Request, api: Api) -> Answer {
    let other = match api {
        Api::V9 => "v10",
        Api::V10 => "v9",
    };
    if let ["emissions", version, ..] = request.segments().as_slice()
        && *version == other
    {
        return QueryError::not_implemented().answer(None);
    }
    let text = "connection error: desc = \"transport: Error while dialing: dial tcp \
                127.0.0.1:9090: connect: connection refused\"";
    QueryError::gateway(14, text).answer(None)
}
