//! The events of a transaction, in the recorded order and format.

use serde_json::{Value, json};

use crate::chain::bytes;
use crate::chain::decimal::Decimal;
use crate::chain::message::{Api, Inference};
use crate::chain::state::{DENOM, Price};
use crate::chain::tx::Tx;

/// Holds a fee while the transaction runs.
const FEE_ESCROW: &str = "allo13pxn9n3qw79e03844rdadagmg0nshmwfsnklnq";
/// Receives the message fees.
pub const ECOSYSTEM: &str = "allo12uxa8rw9hte3z2nuswjzpmfen289n30uag6agp";
/// Receives the tips.
const PROPOSER: &str = "allo1rttgsf8r6p708vyrgqz56tjm8gekjt8hxqd3nu";
/// Gas of a block that the first part of the fee does not pay for (recorded).
const UNPAID_GAS: u64 = 21_126;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub kind: String,
    /// Keys and values, in order.
    pub attributes: Vec<(&'static str, String)>,
}

fn event(kind: impl Into<String>, attributes: Vec<(&'static str, String)>) -> Event {
    Event {
        kind: kind.into(),
        attributes,
    }
}

impl Event {
    /// Adds the index of the event's message as the last attribute.
    fn of_message(mut self, index: usize) -> Event {
        self.attributes.push(("msg_index", index.to_string()));
        self
    }

    /// The event as JSON. `index` is true in a transaction's answer, false in a simulation's.
    #[must_use]
    pub fn json(&self, index: bool) -> Value {
        let attribute =
            |(key, value): &(&str, String)| json!({"key": key, "value": value, "index": index});
        let attributes: Vec<Value> = self.attributes.iter().map(attribute).collect();
        json!({"type": self.kind, "attributes": attributes})
    }
}

/// The events of a transfer. In a simulation, the amount is `None` and its text empty.
fn transfer(from: &str, to: &str, amount_uallo: Option<u128>) -> Vec<Event> {
    let amount = amount_uallo
        .map(|a| format!("{a}{DENOM}"))
        .unwrap_or_default();
    let (from, to) = (from.to_owned(), to.to_owned());
    vec![
        event(
            "coin_spent",
            vec![("spender", from.clone()), ("amount", amount.clone())],
        ),
        event(
            "coin_received",
            vec![("receiver", to.clone()), ("amount", amount.clone())],
        ),
        event(
            "transfer",
            vec![
                ("recipient", to),
                ("sender", from.clone()),
                ("amount", amount),
            ],
        ),
        event("message", vec![("sender", from)]),
    ]
}

/// The events of the ante handler, which remain even if a message fails.
#[must_use]
pub fn ante(tx: &Tx, simulate: bool) -> Vec<Event> {
    let (signer, payer) = (&tx.signer, tx.payer());
    let fee_uallo = tx.fee.first().map(|f| f.1).filter(|_| !simulate);
    let mut out = vec![
        event("tx", vec![("acc_seq", format!("{signer}/{}", tx.sequence))]),
        event("tx", vec![("signature", bytes::base64(&tx.signature))]),
    ];
    if payer != signer {
        for kind in ["use_feegrant", "update_feegrant"] {
            let attributes = vec![("granter", payer.to_owned()), ("grantee", signer.clone())];
            out.push(event(kind, attributes));
        }
    }
    out.extend(transfer(payer, FEE_ESCROW, fee_uallo));
    out
}

/// The events of one message: its action, the money that it moves, with the receiver, and the module's
/// own event.
#[must_use]
pub fn message(
    index: usize,
    url: &str,
    sender: &str,
    api: Api,
    moved: Option<(String, u128)>,
    own: Vec<Event>,
) -> Vec<Event> {
    let is_own = url.starts_with("/emissions.");
    let module = if is_own { api.name() } else { "bank" };
    let action = vec![
        ("action", url.to_owned()),
        ("sender", sender.to_owned()),
        ("module", module.to_owned()),
    ];
    let mut out = vec![event("message", action)];
    if let Some((to, amount_uallo)) = moved {
        out.extend(transfer(sender, &to, Some(amount_uallo)));
    }
    out.extend(own);
    out.into_iter().map(|e| e.of_message(index)).collect()
}

/// The events of the post handler, which settles the fee.
#[must_use]
pub fn post(tx: &Tx, price: Price, gas_used: u64, simulate: bool) -> Vec<Event> {
    let offered = tx.fee.first().map_or(0, |f| f.1);
    let paid = price
        .fee_uallo(gas_used.saturating_sub(UNPAID_GAS))
        .min(offered);
    let (paid, tip) = if simulate {
        (0, 0)
    } else {
        (paid, offered - paid)
    };
    let mut out = transfer(FEE_ESCROW, PROPOSER, Some(tip).filter(|_| !simulate));
    out.push(event("fee_pay", vec![("fee", format!("{paid}{DENOM}"))]));
    let tip = format!("{tip}{DENOM}");
    out.push(event(
        "tip_pay",
        vec![("tip", tip), ("tip_payee", PROPOSER.to_owned())],
    ));
    out
}

/// The attributes of typed events are JSON values as text.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// `EventWorkerRegistered`.
#[must_use]
pub fn registered(api: Api, topic_id: u64, worker: &str, owner: &str) -> Event {
    let attributes = vec![
        ("owner", quoted(owner)),
        ("topic_id", quoted(&topic_id.to_string())),
        ("worker", quoted(worker)),
    ];
    event(
        format!("emissions.{}.EventWorkerRegistered", api.name()),
        attributes,
    )
}

/// `EventInsertInfererPayload`.
#[must_use]
pub fn inserted(api: Api, inference: &Inference) -> Event {
    let extra = match inference.extra_data.as_slice() {
        [] => "null".to_owned(),
        data => quoted(&bytes::base64(data)),
    };
    let mut attributes = vec![
        ("extra_data", extra),
        ("inferer", quoted(&inference.inferer)),
        ("nonce", quoted(&inference.block_height.to_string())),
        ("topic_id", quoted(&inference.topic_id.to_string())),
        ("value", quoted(&inference.value.plain())),
    ];
    if api == Api::V10 {
        attributes.push(("values", labelled(&inference.values).to_string()));
    }
    event(
        format!("emissions.{}.EventInsertInfererPayload", api.name()),
        attributes,
    )
}

/// `EventEMAScoresSet`, for an inferer that is not in the active set, or not any more.
#[must_use]
pub fn score_set(api: Api, topic_id: u64, nonce: u64, worker: &str, score: i64) -> Event {
    let attributes = vec![
        ("actor_type", quoted("ACTOR_TYPE_INFERER_UNSPECIFIED")),
        ("addresses", json!([worker]).to_string()),
        ("is_active", json!([false]).to_string()),
        ("nonce", quoted(&nonce.to_string())),
        ("scores", json!([score.to_string()]).to_string()),
        ("topic_id", quoted(&topic_id.to_string())),
    ];
    let kind = format!("emissions.{}.EventEMAScoresSet", api.name());
    event(kind, attributes)
}

/// `EventInsertForecasterPayload`.
#[must_use]
pub fn forecast(api: Api, topic_id: u64, nonce: i64, forecaster: &str) -> Event {
    let attributes = vec![
        ("forecaster", quoted(forecaster)),
        ("nonce", quoted(&nonce.to_string())),
        ("topic_id", quoted(&topic_id.to_string())),
    ];
    event(
        format!("emissions.{}.EventInsertForecasterPayload", api.name()),
        attributes,
    )
}

/// Labelled values as JSON.
#[must_use]
pub fn labelled(values: &[(String, Decimal)]) -> Value {
    values
        .iter()
        .map(|(label, value)| json!({"label": label, "value": value.plain()}))
        .collect()
}
