//! The Cosmos and feemarket queries (protocol.md sections 3.5 and 6), broadcast and simulation.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::api::query_error::{QueryError, Reply};
use crate::api::query_feegrant;
use crate::api::timestamp;
use crate::api::tx_json;
use crate::chain::bech32;
use crate::chain::bytes;
use crate::chain::events;
use crate::chain::message::Api;
use crate::chain::node::Fate;
use crate::chain::state::{Account, DENOM, State};
use crate::chain::{Chain, Indexing, Simulated};
use crate::server::answer::Request;

/// The version that an upgrade turns a v9 chain into.
const UPGRADE: &str = "v0.17.0";

/// Answers a query outside the emissions module, from the given state.
///
/// # Errors
/// The gateway's or the module's error.
pub fn answer(chain: &Chain, state: &State, request: &Request, path: &[&str]) -> Reply {
    match path {
        ["cosmos", "auth", "v1beta1", "account_info", address] => account(state, address),
        ["cosmos", "bank", "v1beta1", "balances", address, "by_denom"] => {
            let all = |account: &Account| account.balance_uallo;
            balance(state, address, request, all)
        }
        [
            "cosmos",
            "bank",
            "v1beta1",
            "spendable_balances",
            address,
            "by_denom",
        ] => balance(state, address, request, Account::spendable_uallo),
        ["cosmos", "base", "node", "v1beta1", "status"] => Ok(node_status(state)),
        ["cosmos", "base", "tendermint", "v1beta1", rest @ ..] => tendermint(chain, state, rest),
        ["cosmos", "upgrade", "v1beta1", rest @ ..] => upgrade(chain, state, request, rest),
        ["cosmos", "tx", "v1beta1", "txs", hash] => find_tx(chain, state, hash),
        ["cosmos", "feegrant", "v1beta1", rest @ ..] => query_feegrant::answer(state, rest),
        ["feemarket", "v1", rest @ ..] => feemarket(state, rest),
        _ => Err(QueryError::not_implemented()),
    }
}

fn account(state: &State, address: &str) -> Reply {
    bech32::decode(address).map_err(|why| QueryError::new(2, why))?;
    let account = state
        .accounts
        .get(address)
        .ok_or_else(|| QueryError::new(5, format!("account {address} not found")))?;
    Ok(json!({"info": {
        "address": address,
        "pub_key": tx_json::pubkey_json(account.pubkey.as_deref()),
        "account_number": account.number.to_string(),
        "sequence": account.sequence.to_string(),
    }}))
}

fn balance(
    state: &State,
    address: &str,
    request: &Request,
    part: impl Fn(&Account) -> u128,
) -> Reply {
    let denom = request.param("denom").unwrap_or_default();
    bech32::decode(address).map_err(|why| QueryError::new(3, format!("invalid address: {why}")))?;
    if denom.is_empty() {
        return Err(QueryError::new(3, "invalid denom: "));
    }
    let account = state.accounts.get(address).filter(|_| denom == DENOM);
    let amount = account.map_or(0, part);
    Ok(json!({"balance": {"denom": denom, "amount": amount.to_string()}}))
}

/// A text that looks like a hash and depends on the height.
fn digest(what: &str, height: u64) -> String {
    bytes::base64(&Sha256::digest(format!("{what} {height}")))
}

fn node_status(state: &State) -> Value {
    json!({
        "earliest_store_height": "0", "height": state.height.to_string(),
        "timestamp": timestamp::with_nanos(state.time), "app_hash": digest("app", state.height),
        "validator_hash": digest("validators", 0),
    })
}

fn tendermint(chain: &Chain, state: &State, path: &[&str]) -> Reply {
    match path {
        ["syncing"] => Ok(json!({"syncing": false})),
        ["node_info"] => Ok(node_info(chain)),
        ["blocks", "latest"] => Ok(block(chain, state)),
        _ => Err(QueryError::not_implemented()),
    }
}

fn node_info(chain: &Chain) -> Value {
    let index = if chain.indexing == Indexing::Off {
        "off"
    } else {
        "on"
    };
    json!({
        "default_node_info": {
            "protocol_version": {"p2p": "8", "block": "11", "app": "0"},
            "default_node_id": "894d93ed2d77a9eb1d1e3bc032691be372b07a16",
            "listen_addr": "tcp://127.0.0.1:26656", "network": chain.chain_id,
            "version": "0.38.19", "channels": "QCAhIiMwOGBh", "moniker": "localnet",
            "other": {"tx_index": index, "rpc_address": "tcp://127.0.0.1:26657"},
        },
        "application_version": {
            "name": "", "app_name": "<appd>", "version": "", "git_commit": "", "build_tags": "",
            "go_version": "", "build_deps": [], "cosmos_sdk_version": "v0.50.14",
        },
    })
}

fn block(chain: &Chain, state: &State) -> Value {
    let (height, before) = (state.height, state.height.saturating_sub(1));
    let id = |height| {
        let parts = json!({"total": 1, "hash": digest("parts", height)});
        json!({"hash": digest("block", height), "part_set_header": parts})
    };
    let mut header = json!({
        "version": {"block": "11", "app": "0"}, "chain_id": chain.chain_id,
        "height": height.to_string(), "time": timestamp::with_nanos(state.time),
        "last_block_id": id(before), "app_hash": digest("app", before),
    });
    for name in [
        "last_commit_hash",
        "data_hash",
        "validators_hash",
        "next_validators_hash",
        "consensus_hash",
        "last_results_hash",
        "evidence_hash",
        "proposer_address",
    ] {
        header[name] = digest(name, 0).into();
    }
    let body = json!({
        "header": header, "data": {"txs": []}, "evidence": {"evidence": []},
        "last_commit": {
            "height": before.to_string(), "round": 0, "block_id": id(before),
            "signatures": [{
                "block_id_flag": "BLOCK_ID_FLAG_COMMIT",
                "validator_address": digest("proposer_address", 0),
                "timestamp": timestamp::with_nanos(state.time),
                "signature": digest("signature", height),
            }],
        },
    });
    json!({"block_id": id(height), "block": body, "sdk_block": body})
}

fn upgrade(chain: &Chain, state: &State, request: &Request, path: &[&str]) -> Reply {
    match path {
        ["module_versions"] => {
            let version = if state.api == Api::V10 { "15" } else { "14" };
            let wanted = request.param("module_name").unwrap_or("emissions");
            if wanted != "emissions" {
                let text = format!("x/upgrade: QueryModuleVersions module {wanted} not found");
                return Err(QueryError::new(5, text));
            }
            Ok(json!({"module_versions": [{"name": "emissions", "version": version}]}))
        }
        ["current_plan"] => {
            let plan = chain.upgrade_height.map(|height| {
                json!({
                    "name": UPGRADE, "time": "0001-01-01T00:00:00Z",
                    "height": height.to_string(), "info": "", "upgraded_client_state": null,
                })
            });
            Ok(json!({"plan": plan}))
        }
        ["applied_plan", name] => {
            let height = chain.upgraded_at.filter(|_| *name == UPGRADE).unwrap_or(0);
            Ok(json!({"height": height.to_string()}))
        }
        _ => Err(QueryError::not_implemented()),
    }
}

fn find_tx(chain: &Chain, state: &State, hash: &str) -> Reply {
    if chain.indexing == Indexing::Off {
        return Err(QueryError::new(2, "transaction indexing is disabled"));
    }
    let found = chain.find_tx(hash, state.height);
    found
        .map(tx_json::included_json)
        .ok_or_else(|| QueryError::new(5, format!("tx not found: {hash}")))
}

fn feemarket(state: &State, path: &[&str]) -> Reply {
    let price = state.price.to_string();
    match path {
        ["gas_price", DENOM] => Ok(json!({"price": {"denom": DENOM, "amount": price}})),
        ["gas_price", other] => Err(QueryError::new(
            2,
            format!("error resolving denom: {other}"),
        )),
        ["gas_prices"] => Ok(json!({"prices": [{"denom": DENOM, "amount": price}]})),
        ["state"] => Ok(json!({"state": {
            "base_gas_price": price, "learning_rate": "0.125000000000000000", "window": ["0"],
            "index": "0",
        }})),
        ["params"] => Ok(json!({"params": {
            "alpha": "0.000000000000000000", "beta": "1.000000000000000000",
            "gamma": "0.000000000000000000", "delta": "0.000000000000000000",
            "min_base_gas_price": price, "min_learning_rate": "0.125000000000000000",
            "max_learning_rate": "0.125000000000000000", "max_block_utilization": "30000000",
            "window": "1", "fee_denom": DENOM, "enabled": true, "distribute_fees": true,
        }})),
        _ => Err(QueryError::not_implemented()),
    }
}

/// The transaction's bytes in a request's body.
fn tx_bytes(request: &Request) -> Result<(Value, Vec<u8>), QueryError> {
    let refuse = |why: String| QueryError::gateway(3, why);
    let body: Value = serde_json::from_slice(&request.body).map_err(|e| refuse(e.to_string()))?;
    let text = body["tx_bytes"].as_str().unwrap_or_default();
    let raw = bytes::unbase64(text)
        .ok_or_else(|| refuse("illegal base64 data at input byte 0".to_owned()))?;
    if raw.is_empty() {
        return Err(refuse("empty txBytes is not allowed".to_owned()));
    }
    Ok((body, raw))
}

/// `POST /cosmos/tx/v1beta1/txs`.
///
/// # Errors
/// The gateway's error for a body without a transaction.
pub fn broadcast(chain: &mut Chain, node: usize, request: &Request, fate: Fate) -> Reply {
    let (body, raw) = tx_bytes(request)?;
    let mode = body["mode"].as_str().unwrap_or_default();
    if !matches!(mode, "BROADCAST_MODE_SYNC" | "BROADCAST_MODE_ASYNC") {
        let text = format!("unsupported return type {mode}; supported types: sync, async");
        return Err(QueryError::gateway(3, text));
    }
    let result = chain.broadcast(node, &raw, fate);
    Ok(tx_json::broadcast_json(
        &result.hash,
        &result.codespace,
        result.code,
        &result.raw_log,
    ))
}

/// `POST /cosmos/tx/v1beta1/simulate`.
///
/// # Errors
/// The transaction's error with its place and the gas used, as gRPC code 2.
pub fn simulate(chain: &mut Chain, node: usize, request: &Request) -> Reply {
    let (_, raw) = tx_bytes(request)?;
    match chain.simulate(node, &raw) {
        Ok(simulated) => Ok(simulated_json(&simulated, chain.state.price)),
        Err(refused) => {
            let (error, gas) = (refused.error, refused.gas);
            let text = format!("{} [{}] with gas used: '{gas}'", error.text, error.place);
            Err(QueryError::new(2, text))
        }
    }
}

fn simulated_json(simulated: &Simulated, price: crate::chain::state::Price) -> Value {
    let tx = &simulated.tx;
    let mut all = events::ante(tx, true);
    all.extend(simulated.done.events.iter().cloned());
    all.extend(events::post(tx, price, simulated.gas, true));
    let all: Vec<Value> = all.iter().map(|event| event.json(false)).collect();
    json!({
        "gas_info": {"gas_wanted": u64::MAX.to_string(), "gas_used": simulated.gas.to_string()},
        "result": {
            "data": bytes::base64(&tx_json::message_data(tx)), "log": "", "events": all,
            "msg_responses": tx_json::message_responses(tx),
        },
    })
}
