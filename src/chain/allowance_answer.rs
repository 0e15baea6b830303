//! Decodes the answer of the route for a fee allowance (protocol.md section 10).

use std::time::{Duration, SystemTime};

use serde::Deserialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::chain::answers::RawCoin;
use crate::chain::decode::{decode_at, shape};
use crate::chain::error::ErrorKind;
use crate::http::Reply;
use crate::text::Foreign;
use crate::values::allowance::{Allowance, GrantPeriod};
use crate::values::units::{DENOM, Uallo};

/// The type of every allowance begins so.
const PACKAGE: &str = "/cosmos.feegrant.v1beta1.";
/// How the gateway's text begins if there is no allowance.
const NOT_FOUND: &str = "fee-grant not found";
/// gRPC code 13, which the chain uses for that, though it means a failing node elsewhere.
const GRPC_INTERNAL: u32 = 13;
/// Longer lists and names are not accepted.
const COINS_MAX: usize = 100;
const MESSAGES_MAX: usize = 1_000;
const MESSAGE_BYTES_MAX: usize = 256;
/// A longer period is not accepted; no allowance needs one of a hundred years.
const PERIOD_MAX_S: u64 = 100 * 366 * 24 * 60 * 60;

#[derive(Deserialize)]
struct RawGrant {
    granter: String,
    grantee: String,
    allowance: RawAllowance,
}

#[derive(Deserialize)]
struct RawAllowance {
    #[serde(rename = "@type")]
    kind: Foreign,
    #[serde(flatten)]
    fields: RawFields,
}

/// The fields of all kinds; each kind has some of them.
#[derive(Deserialize)]
struct RawFields {
    spend_limit: Option<Vec<RawCoin>>,
    expiration: Option<String>,
    basic: Option<RawBasic>,
    period: Option<String>,
    period_spend_limit: Option<Vec<RawCoin>>,
    period_can_spend: Option<Vec<RawCoin>>,
    period_reset: Option<String>,
    allowance: Option<Box<RawAllowance>>,
    allowed_messages: Option<Vec<Foreign>>,
}

#[derive(Deserialize)]
struct RawBasic {
    spend_limit: Vec<RawCoin>,
    expiration: Option<String>,
}

/// The allowance of `granter` for `grantee`; `None` if there is none. An unknown kind of allowance
/// is an error: what it allows is not known.
pub fn allowance(
    reply: &Reply,
    granter: &str,
    grantee: &str,
) -> Result<Option<Allowance>, ErrorKind> {
    let grant: RawGrant = match decode_at(reply, "/allowance") {
        Ok(grant) => grant,
        Err(ErrorKind::Server {
            grpc_code: Some(GRPC_INTERNAL),
            text,
            ..
        }) if text.raw().starts_with(NOT_FOUND) => return Ok(None),
        Err(error) => return Err(error),
    };
    if grant.granter != granter || grant.grantee != grantee {
        return Err(shape("an allowance of other accounts", reply));
    }
    let allowance = with_messages(grant.allowance);
    allowance.map(Some).map_err(|why| shape(&why, reply))
}

/// An allowance with or without a list of messages around it.
fn with_messages(raw: RawAllowance) -> Result<Allowance, String> {
    if raw.kind.raw().strip_prefix(PACKAGE) != Some("AllowedMsgAllowance") {
        return plain(raw);
    }
    let (Some(inner), Some(messages)) = (raw.fields.allowance, raw.fields.allowed_messages) else {
        return Err("an allowance for messages without its parts".to_owned());
    };
    let is_long = |message: &Foreign| message.raw().len() > MESSAGE_BYTES_MAX;
    if messages.len() > MESSAGES_MAX || messages.iter().any(is_long) {
        return Err("an allowance with too many or too long messages".to_owned());
    }
    Ok(Allowance {
        messages: Some(messages),
        ..plain(*inner)?
    })
}

fn plain(raw: RawAllowance) -> Result<Allowance, String> {
    let fields = raw.fields;
    match raw.kind.raw().strip_prefix(PACKAGE) {
        Some("BasicAllowance") => {
            let limit = fields.spend_limit.ok_or("an allowance without a limit")?;
            basic(limit, fields.expiration)
        }
        Some("PeriodicAllowance") => {
            let without = || "a periodic allowance without all its fields".to_owned();
            let whole = fields.basic.ok_or_else(without)?;
            let limit = fields.period_spend_limit.ok_or_else(without)?;
            let can_spend = fields.period_can_spend.ok_or_else(without)?;
            let period = GrantPeriod {
                length: span(&fields.period.ok_or_else(without)?)?,
                limit: uallo(&limit)?,
                can_spend: uallo(&can_spend)?,
                resets: moment(&fields.period_reset.ok_or_else(without)?)?,
            };
            Ok(Allowance {
                period: Some(period),
                ..basic(whole.spend_limit, whole.expiration)?
            })
        }
        _ => Err(format!(
            "an allowance of a kind that is not known, {:?}",
            raw.kind
        )),
    }
}

/// An empty list is no limit.
fn basic(limit: Vec<RawCoin>, expiration: Option<String>) -> Result<Allowance, String> {
    let spend_limit = match limit[..] {
        [] => None,
        _ => Some(uallo(&limit)?),
    };
    let expires = expiration.as_deref().map(moment).transpose()?;
    Ok(Allowance {
        spend_limit,
        expires,
        ..Allowance::default()
    })
}

/// The amount of uallo in a list, which names no coin twice and none with an amount of 0. Fees are
/// paid in no other coin.
fn uallo(coins: &[RawCoin]) -> Result<Uallo, String> {
    let mut amounts = coins.iter().filter(|coin| coin.denom == DENOM);
    let amount = amounts.next().map(|coin| coin.amount);
    if coins.len() > COINS_MAX || amounts.next().is_some() {
        return Err("a list of coins that no chain gives".to_owned());
    }
    Ok(amount.unwrap_or_default())
}

fn moment(text: &str) -> Result<SystemTime, String> {
    let time = OffsetDateTime::parse(text, &Rfc3339);
    let time = time.map_err(|_| "an allowance with an invalid time".to_owned())?;
    Ok(time.into())
}

/// `3600s` or `0.500s`; a part of a second is cut off.
fn span(text: &str) -> Result<Duration, String> {
    let seconds = text.strip_suffix('s').map(|number| {
        let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
        let is_digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
        (is_digits(whole) && is_digits(part)).then(|| whole.parse().ok())
    });
    let seconds: Option<u64> = seconds.flatten().flatten();
    let seconds = seconds.filter(|seconds| *seconds <= PERIOD_MAX_S);
    let seconds = seconds.ok_or("an allowance with an invalid period")?;
    Ok(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn reply(status: u16, body: &Value) -> Reply {
        Reply {
            status,
            height: None,
            retry_after: None,
            location: None,
            last_modified: None,
            repeated: false,
            body: body.to_string().into_bytes(),
        }
    }

    fn of(allowance: &Value) -> Result<Option<Allowance>, ErrorKind> {
        let grant = json!({"granter": "allo1g", "grantee": "allo1w", "allowance": allowance});
        let reply = reply(200, &json!({"allowance": grant}));
        super::allowance(&reply, "allo1g", "allo1w")
    }

    fn basic() -> Value {
        json!({
            "@type": "/cosmos.feegrant.v1beta1.BasicAllowance",
            "spend_limit": [{"denom": "uallo", "amount": "500"}, {"denom": "uosmo", "amount": "9"}],
            "expiration": "2026-11-24T18:00:00Z",
        })
    }

    fn periodic() -> Value {
        json!({
            "@type": "/cosmos.feegrant.v1beta1.PeriodicAllowance",
            "basic": {"spend_limit": [], "expiration": null},
            "period": "3600s",
            "period_spend_limit": [{"denom": "uallo", "amount": "10000000"}],
            "period_can_spend": [{"denom": "uallo", "amount": "7500000"}],
            "period_reset": "2026-11-24T18:00:00.123456789Z",
        })
    }

    fn for_messages(inner: &Value) -> Value {
        json!({
            "@type": "/cosmos.feegrant.v1beta1.AllowedMsgAllowance",
            "allowance": inner,
            "allowed_messages": ["/emissions.v10.RegisterRequest"],
        })
    }

    #[test]
    fn each_kind_is_read() {
        let allowance = of(&basic()).unwrap().unwrap();
        assert_eq!(allowance.spend_limit, Some(Uallo(500)));
        assert_eq!(
            allowance.expires,
            Some(moment("2026-11-24T18:00:00Z").unwrap())
        );
        assert_eq!((allowance.period, allowance.messages), (None, None));
        let allowance = of(&for_messages(&periodic())).unwrap().unwrap();
        assert_eq!((allowance.spend_limit, allowance.expires), (None, None));
        let period = allowance.period.unwrap();
        assert_eq!(period.length, Duration::from_secs(3600));
        assert_eq!(period.limit, Uallo(10_000_000));
        assert_eq!(period.can_spend, Uallo(7_500_000));
        assert!(period.resets > moment("2026-11-24T18:00:00Z").unwrap());
        let messages = vec!["/emissions.v10.RegisterRequest".into()];
        assert_eq!(allowance.messages, Some(messages));
    }

    #[test]
    fn only_uallo_pay_fees() {
        let mut other = basic();
        other["spend_limit"] = json!([{"denom": "uosmo", "amount": "500"}]);
        assert_eq!(of(&other).unwrap().unwrap().spend_limit, Some(Uallo(0)));
        other["spend_limit"] = json!([]);
        assert_eq!(of(&other).unwrap().unwrap().spend_limit, None, "no limit");
        let mut spent = periodic();
        spent["period_can_spend"] = json!([]);
        let period = of(&spent).unwrap().unwrap().period.unwrap();
        assert_eq!(period.can_spend, Uallo(0));
    }

    #[test]
    fn no_allowance_is_an_answer_and_a_failing_node_is_not() {
        let error = |message: &str| {
            let body = json!({"code": 13, "message": message, "details": []});
            super::allowance(&reply(500, &body), "allo1g", "allo1w")
        };
        assert_eq!(error("fee-grant not found: not found"), Ok(None));
        assert!(matches!(error("panic"), Err(ErrorKind::Server { .. })));
    }

    #[test]
    fn what_cannot_be_an_allowance_is_refused() {
        let set = |mut allowance: Value, key: &str, value: Value| {
            allowance[key] = value;
            allowance
        };
        let coin = |amount: &str| json!([{"denom": "uallo", "amount": amount}]);
        let many = |count: usize| vec![json!({"denom": "x", "amount": "1"}); count];
        let twice = json!([coin("1")[0], coin("2")[0]]);
        let lies = [
            set(basic(), "@type", json!("/cosmos.feegrant.v1beta1.Other")),
            set(basic(), "@type", json!("BasicAllowance")),
            set(basic(), "spend_limit", coin("-1")),
            set(basic(), "spend_limit", coin(&u128::MAX.to_string())),
            set(basic(), "spend_limit", json!(many(COINS_MAX + 1))),
            set(basic(), "spend_limit", twice),
            set(basic(), "spend_limit", json!(null)),
            set(basic(), "expiration", json!("tomorrow")),
            set(periodic(), "period", json!("3600")),
            set(periodic(), "period", json!("-3600s")),
            set(
                periodic(),
                "period",
                json!(format!("{}s", PERIOD_MAX_S + 1)),
            ),
            set(periodic(), "period", json!("99999999999999999999s")),
            set(periodic(), "period_reset", json!("2026-13-24T18:00:00Z")),
            set(periodic(), "period_can_spend", json!(null)),
            set(periodic(), "basic", json!(null)),
            set(
                for_messages(&basic()),
                "allowed_messages",
                json!(["x".repeat(257)]),
            ),
            set(
                for_messages(&basic()),
                "allowed_messages",
                json!(vec!["x"; 1_001]),
            ),
            set(for_messages(&basic()), "allowed_messages", json!(null)),
            set(for_messages(&basic()), "allowance", json!(null)),
            for_messages(&for_messages(&basic())),
        ];
        for lie in lies {
            assert!(matches!(of(&lie), Err(ErrorKind::Shape { .. })), "{lie}");
        }
        let text = of(&set(basic(), "@type", json!("/x.Other"))).unwrap_err();
        let expected = "an allowance of a kind that is not known, \"/x.Other\"";
        assert!(text.to_string().contains(expected), "{text}");
        let evil = "/x\n\u{1b}[2J\u{202e}";
        let shown = of(&set(basic(), "@type", json!(evil)))
            .unwrap_err()
            .to_string();
        assert!(shown.contains("\"/x\\n\\u{1b}[2J\\u{202e}\""), "{shown}");
        assert!(!shown.contains(crate::text::is_unseen), "{shown}");
        let grant = json!({"granter": "allo1x", "grantee": "allo1w", "allowance": basic()});
        let other = reply(200, &json!({"allowance": grant}));
        assert!(super::allowance(&other, "allo1g", "allo1w").is_err());
    }
}
