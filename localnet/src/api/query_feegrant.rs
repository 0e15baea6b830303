//! The queries for fee allowances (protocol.md section 10).

use serde_json::{Value, json};

use crate::api::query_error::{QueryError, Reply};
use crate::api::timestamp;
use crate::chain::allowance::Allowance;
use crate::chain::ante::NO_ALLOWANCE;
use crate::chain::bech32;
use crate::chain::state::{DENOM, State};

const PACKAGE: &str = "/cosmos.feegrant.v1beta1";

/// Answers a query below `/cosmos/feegrant/v1beta1`.
///
/// # Errors
/// The module's error for an invalid address, and for an allowance that does not exist.
pub fn answer(state: &State, path: &[&str]) -> Reply {
    let allowances = |address: &str| -> Result<_, QueryError> {
        bech32::decode(address).map_err(|why| QueryError::new(2, why))?;
        let account = state.accounts.get(address);
        Ok(account.map(|account| &account.allowances))
    };
    match path {
        ["allowance", granter, grantee] => {
            bech32::decode(granter).map_err(|why| QueryError::new(2, why))?;
            let granted = allowances(grantee)?.and_then(|all| all.get(*granter));
            let granted = granted.ok_or_else(|| QueryError::new(13, NO_ALLOWANCE))?;
            Ok(json!({"allowance": grant_json(granter, grantee, granted)}))
        }
        ["allowances", grantee] => {
            let all = allowances(grantee)?.into_iter().flatten();
            let all: Vec<Value> = all.map(|(by, one)| grant_json(by, grantee, one)).collect();
            let pagination = json!({"next_key": null, "total": all.len().to_string()});
            Ok(json!({"allowances": all, "pagination": pagination}))
        }
        _ => Err(QueryError::not_implemented()),
    }
}

fn grant_json(granter: &str, grantee: &str, allowance: &Allowance) -> Value {
    json!({"granter": granter, "grantee": grantee, "allowance": allowance_json(allowance)})
}

fn allowance_json(allowance: &Allowance) -> Value {
    let limit = allowance.spend_limit_uallo.map(coins).unwrap_or(json!([]));
    let expiration = allowance.expires.map(timestamp::with_nanos);
    let basic = json!({"spend_limit": limit, "expiration": expiration});
    let typed = |name: &str, mut fields: Value| {
        fields["@type"] = format!("{PACKAGE}.{name}").into();
        fields
    };
    let inner = match &allowance.period {
        None => typed("BasicAllowance", basic),
        Some(period) => {
            let fields = json!({
                "basic": basic,
                "period": format!("{}s", period.length.as_secs_f64()),
                "period_spend_limit": coins(period.limit_uallo),
                "period_can_spend": coins(period.can_spend_uallo),
                "period_reset": timestamp::with_nanos(period.resets),
            });
            typed("PeriodicAllowance", fields)
        }
    };
    match &allowance.messages {
        None => inner,
        Some(messages) => {
            let fields = json!({"allowance": inner, "allowed_messages": messages});
            typed("AllowedMsgAllowance", fields)
        }
    }
}

/// A list of coins, which has no entry for an amount of 0.
fn coins(amount_uallo: u128) -> Value {
    match amount_uallo {
        0 => json!([]),
        amount => json!([{"denom": DENOM, "amount": amount.to_string()}]),
    }
}
