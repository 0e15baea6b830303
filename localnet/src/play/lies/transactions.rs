//! Lies about transactions: their fees, their gas, what became of them, and the account.

use serde_json::json;

use super::telling::Telling;
use crate::api::tx_json::broadcast_json;
use crate::chain::message::Api;
use crate::chain::tx::Tx;

/// The account numbers that are claimed.
pub const ACCOUNT_NUMBERS: [u64; 4] = [u64::MAX, u64::MAX / 2, 0, 4_711];
const ALLO_UALLO: u128 = 10_u128.pow(18);

/// A broadcast's answer of the node itself.
fn answer(telling: &mut Telling<'_>, codespace: &str, code: u32, raw_log: &str) {
    let body = broadcast_json(&telling.tx_hash(), codespace, code, raw_log);
    telling.replace(&body);
}

pub(super) fn demand_fee(telling: &mut Telling<'_>) {
    let raw = telling.tx_bytes();
    let tx = Tx::decode(&raw, Api::V10).or_else(|_| Tx::decode(&raw, Api::V9));
    let offered = tx.ok().and_then(|tx| tx.fee.first().map(|fee| fee.1));
    let offered = offered.unwrap_or(1);
    let required = match telling.variant(6) {
        0 => (999_999 * ALLO_UALLO).to_string(),
        // Just within the default limit of a transaction.
        1 => (ALLO_UALLO / 100 - 1).to_string(),
        2 => (offered * 14 / 10).to_string(),
        3 => u128::MAX.to_string(),
        4 => "9".repeat(60),
        // Never content, and never far above the price.
        _ => (offered + 1).to_string(),
    };
    let text = format!(
        "error checking fee: got: {offered}uallo required: {required}uallo, minGasPrice: \
         10.000000000000000000uallo, gas: 96000: insufficient fee"
    );
    answer(telling, "sdk", 13, &text);
}

/// Claims success for a transaction that gets into no block.
pub(super) fn swallow(telling: &mut Telling<'_>) {
    match telling.variant(4) {
        0 | 1 => answer(telling, "", 0, ""),
        2 => answer(telling, "sdk", 19, ""),
        _ => {
            let body = broadcast_json(&"AB".repeat(32), "", 0, "");
            telling.replace(&body);
        }
    }
}

pub(super) fn refuse(telling: &mut Telling<'_>) {
    let sequence = telling.random();
    let expected = format!(
        "account sequence mismatch, expected {sequence}, got 1: incorrect account sequence"
    );
    let far = "account sequence mismatch, expected 18446744073709551615, got 1: incorrect account \
               sequence";
    let (codespace, code, text) = match telling.variant(11) {
        0 => ("sdk", 32, expected.as_str()),
        1 => ("sdk", 32, far),
        2 => ("sdk", 4, "signature verification failed: unauthorized"),
        3 => (
            "sdk",
            5,
            "spendable balance 0uallo is smaller than 1uallo: insufficient funds",
        ),
        4 => (
            "sdk",
            30,
            "block height: 9, timeout height: 1: tx timeout height",
        ),
        5 => (
            "sdk",
            11,
            "out of gas in location: WritePerByte; gasWanted: 1, gasUsed: \
                          9223372036854775807: out of gas",
        ),
        6 => ("sdk", 9, "account does not exist: unknown address"),
        7 => ("emissions", 83, "actor is not whitelisted"),
        8 => ("emissions", 75, "worker nonce window is not open"),
        9 => ("emissions", 78, "inference already submitted"),
        _ => ("liars", 4_294_967_295, "a code that no chain has"),
    };
    answer(telling, codespace, code, text);
}

/// The gas of a simulation.
pub(super) fn gas(telling: &mut Telling<'_>) {
    let honest = telling.number_at("/gas_info/gas_used").unwrap_or(100_000);
    let told = match telling.variant(7) {
        0 => u64::MAX,
        1 => u64::MAX / 2,
        2 => 0,
        3 => 1,
        4 => 9_999_999,
        5 => 10_000_000_000,
        _ => honest.saturating_mul(20),
    };
    telling.set("/gas_info/gas_used", told.to_string());
}

pub(super) fn refuse_simulation(telling: &mut Telling<'_>) {
    let (codespace, code, text) = match telling.variant(5) {
        0 => ("emissions", 78, "inference already submitted"),
        1 => ("emissions", 75, "worker nonce window is not open"),
        2 => ("emissions", 83, "actor is not whitelisted"),
        3 => (
            "sdk",
            32,
            "account sequence mismatch, expected 18446744073709551615, got 1",
        ),
        _ => ("sdk", 5, "insufficient funds"),
    };
    let text = format!("codespace {codespace} code {code}: {text} [x/x.go:1] with gas used: '1'");
    telling.fail(500, 2, &text);
}

/// The result of a transaction by its hash.
pub(super) fn index(telling: &mut Telling<'_>) {
    let hash = telling.asked.request.segments().pop().unwrap_or_default();
    let most = u64::MAX.to_string();
    let (code, codespace, gas_used, fee) = match telling.variant(6) {
        0 => return telling.fail(404, 5, &format!("tx not found: {hash}")),
        1 => (0, "", "1", "1"),
        2 => (11, "sdk", most.as_str(), "1"),
        3 => (11, "sdk", "9999999", "1"),
        4 => (83, "emissions", "100000", "999999000000000000000000"),
        _ => (0, "", "-1", "340282366920938463463374607431768211455"),
    };
    let body = json!({
        "tx": {"auth_info": {"fee": {"amount": [{"denom": "uallo", "amount": fee}]}}},
        "tx_response": {
            "height": telling.claimed.to_string(), "txhash": hash, "codespace": codespace,
            "code": code, "raw_log": "out of gas in location: x; gasWanted: 1, gasUsed: 2",
            "gas_wanted": gas_used, "gas_used": gas_used, "events": [],
        },
    });
    telling.replace(&body);
}

pub(super) fn sequence(telling: &mut Telling<'_>) {
    let honest = telling.number_at("/info/sequence").unwrap_or(0);
    let told = match telling.variant(7) {
        0 => u64::MAX,
        1 => u64::MAX / 2,
        2 => honest + 1,
        3 => honest + 1_000,
        4 => honest.saturating_sub(1),
        5 => 0,
        _ => telling.random() % 1_000,
    };
    telling.set("/info/sequence", told.to_string());
}

pub(super) fn account_number(telling: &mut Telling<'_>) {
    let told = usize::try_from(telling.variant(4)).unwrap_or(0);
    telling.set("/info/account_number", ACCOUNT_NUMBERS[told].to_string());
}

pub(super) fn no_account(telling: &mut Telling<'_>) {
    telling.fail(404, 5, "account allo1 not found");
}
