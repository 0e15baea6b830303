//! Applies a transaction's messages to the state (protocol.md sections 4.1 and 4.2).

use crate::chain::ante::Refused;
use crate::chain::bech32;
use crate::chain::bundle;
use crate::chain::error::TxError;
use crate::chain::events::{self, Event};
use crate::chain::gas::{self, Admission, Inferring};
use crate::chain::labels;
use crate::chain::message::{
    Api, Forecast, Inference, Insert, Message, Register, RemoveRegistration, Send,
};
use crate::chain::state::{DENOM, State, spend};
use crate::chain::topic::{Arity, Score};
use crate::chain::tx::Tx;

const AT_WHITELIST: &str = concat!(
    "allora-network/allora-chain@v0.17.0/x/emissions/keeper/msgserver/",
    "msg_server_worker_payload.go:36"
);
const AT_ADMISSION: &str = concat!(
    "allora-network/allora-chain@v0.17.0/x/emissions/keeper/msgserver/",
    "msg_server_worker_payload.go:139"
);
const AT_REGISTERED: &str = concat!(
    "allora-network/allora-chain@v0.17.0/x/emissions/keeper/msgserver/",
    "msg_server_registrations.go:46"
);

/// The result of a transaction's messages.
#[derive(Clone, Debug, Default)]
pub struct Done {
    pub events: Vec<Event>,
    /// Gas used, without what a block uses on top of a simulation.
    pub gas: u64,
    /// Whether a payload was admitted; `None` without a payload.
    pub admitted: Option<bool>,
}

/// The part of one message in [`Done`].
struct Step {
    own: Vec<Event>,
    /// Who receives money from the sender, and how much.
    moved: Option<(String, u128)>,
    gas: u64,
    admitted: Option<bool>,
}

/// Why a message failed, and the gas used until then, without the gas for the transaction's bytes.
type Failed = (TxError, u64);

/// Runs all messages at block `height`; `ante_gas` is what the ante handler returned. After an error
/// the state may be partly changed.
///
/// # Errors
/// The first message's error, wrapped as by the chain.
pub fn run(state: &mut State, height: u64, tx: &Tx, ante_gas: u64) -> Result<Done, Refused> {
    let mut done = Done {
        gas: ante_gas,
        ..Done::default()
    };
    for (index, (url, message)) in tx.messages.iter().enumerate() {
        let step = match message {
            Message::Insert(insert) => run_insert(state, height, insert),
            Message::Register(register) => run_register(state, register),
            Message::RemoveRegistration(remove) => run_remove(state, remove),
            Message::Send(send) => run_send(state, send),
        };
        let step = step.map_err(|(error, gas)| Refused {
            error: error.wrap(format!("failed to execute message; message index: {index}")),
            gas: done.gas + gas,
        })?;
        done.gas += step.gas;
        done.admitted = step.admitted.or(done.admitted);
        let sender = message.sender();
        done.events.extend(events::message(
            index, url, sender, state.api, step.moved, step.own,
        ));
    }
    Ok(done)
}

fn at(gas: u64) -> impl Fn(TxError) -> Failed {
    move |error| (error, gas)
}

fn run_register(state: &mut State, register: &Register) -> Result<Step, Failed> {
    let invalid = |why: String| TxError::sdk(7, format!("{why}: invalid address"));
    for address in [&register.sender, &register.owner] {
        bech32::decode(address)
            .map_err(invalid)
            .map_err(at(gas::REGISTER_TOPIC))?;
    }
    let (api, fee_uallo) = (state.api, state.params.registration_fee_uallo);
    let sender = &register.sender;
    let topic = state.topics.get_mut(&register.topic_id).ok_or_else(|| {
        (
            TxError::emissions(23, "topic does not exist"),
            gas::REGISTER_TOPIC,
        )
    })?;
    let known = if register.is_reputer {
        topic.reputers.contains(sender)
    } else {
        topic.workers.contains_key(sender)
    };
    if known {
        let kind = if register.is_reputer {
            "reputer"
        } else {
            "worker"
        };
        let why = "address already registered in a topic";
        let text = format!("{kind} is already registered in this topic: {why}");
        return Err((
            TxError::emissions(8, text).at(AT_REGISTERED),
            gas::REGISTER_AGAIN,
        ));
    }
    let poor = "sender has insufficient balance to cover fees: insufficient funds";
    spend(&mut state.accounts, sender, fee_uallo)
        .map_err(|_| (TxError::sdk(5, poor), gas::REGISTER_AGAIN))?;
    if register.is_reputer {
        topic.reputers.insert(sender.clone());
    } else {
        topic.workers.insert(sender.clone(), register.owner.clone());
    }
    let own = vec![events::registered(
        api,
        register.topic_id,
        sender,
        &register.owner,
    )];
    Ok(Step {
        own,
        moved: Some((events::ECOSYSTEM.to_owned(), fee_uallo)),
        gas: gas::REGISTER,
        admitted: None,
    })
}

fn run_remove(state: &mut State, remove: &RemoveRegistration) -> Result<Step, Failed> {
    let topic = state.topics.get_mut(&remove.topic_id).ok_or_else(|| {
        (
            TxError::emissions(23, "topic does not exist"),
            gas::REGISTER_TOPIC,
        )
    })?;
    let removed = if remove.is_reputer {
        topic.reputers.remove(&remove.sender)
    } else {
        topic.workers.remove(&remove.sender).is_some()
    };
    if !removed {
        let text = "address is not registered in this topic";
        return Err((TxError::emissions(10, text), gas::REGISTER_AGAIN));
    }
    Ok(Step {
        own: Vec::new(),
        moved: None,
        gas: gas::REGISTER,
        admitted: None,
    })
}

/// A transfer of one coin, as wallets send it.
fn run_send(state: &mut State, send: &Send) -> Result<Step, Failed> {
    let [(denom, amount_uallo)] = send.coins.as_slice() else {
        return Err((TxError::sdk(10, ": invalid coins"), gas::SEND));
    };
    if denom != DENOM {
        let text = format!("{amount_uallo}{denom} is not simulated: insufficient funds");
        return Err((TxError::sdk(5, text), gas::SEND));
    }
    spend(&mut state.accounts, &send.from, *amount_uallo).map_err(|why| {
        let text = format!("{why}: insufficient funds");
        (TxError::sdk(5, text), gas::SEND)
    })?;
    state.fund(&send.to, *amount_uallo);
    Ok(Step {
        own: Vec::new(),
        moved: Some((send.to.clone(), *amount_uallo)),
        gas: gas::SEND,
        admitted: None,
    })
}

fn run_insert(state: &mut State, height: u64, insert: &Insert) -> Result<Step, Failed> {
    let worker = insert
        .bundle
        .as_ref()
        .map(|b| b.worker.as_str())
        .unwrap_or_default();
    let topic_id = insert.bundle.as_ref().map_or(0, |b| b.topic_id);
    check_permitted(state, topic_id, &insert.sender, worker)?;
    let valid =
        bundle::validate(insert.bundle.as_ref(), state.api, height).map_err(at(gas::BUNDLE))?;
    if insert.size_bytes > state.params.max_serialized_msg_bytes {
        return Err((TxError::emissions(53, "query is too large"), gas::BUNDLE));
    }
    check_window(state, height, topic_id, valid.nonce, worker)?;
    let fee_uallo = state.params.data_sending_fee_uallo;
    spend(&mut state.accounts, &insert.sender, fee_uallo).map_err(|why| {
        (
            TxError::sdk(5, format!("{why}: insufficient funds")),
            gas::REGISTRATION,
        )
    })?;
    let mut step = Step {
        own: Vec::new(),
        moved: Some((events::ECOSYSTEM.to_owned(), fee_uallo)),
        gas: gas::PAYLOAD,
        admitted: None,
    };
    if let Some(inference) = &valid.content.inference {
        run_inference(state, topic_id, valid.nonce, inference, &mut step)?;
    }
    if let Some(forecast) = &valid.content.forecast {
        run_forecast(state, topic_id, valid.nonce, forecast, &mut step)?;
    }
    Ok(step)
}

/// Steps 1 and 2: checks addresses and whitelists.
fn check_permitted(state: &State, topic_id: u64, sender: &str, worker: &str) -> Result<(), Failed> {
    for (who, address) in [("sender", sender), ("worker", worker)] {
        bech32::decode(address).map_err(|why| {
            (
                TxError::undefined(format!("Error validating {who} address: {why}")),
                gas::BUNDLE,
            )
        })?;
    }
    if state.can_submit(topic_id, worker) {
        return Ok(());
    }
    let why = "not permitted to submit worker payload";
    let text = format!("Worker is not permitted to submit payload: {why}");
    Err((
        TxError::emissions(83, text).at(AT_WHITELIST),
        gas::WHITELIST,
    ))
}

fn run_inference(
    state: &mut State,
    topic_id: u64,
    nonce: u64,
    inference: &Inference,
    step: &mut Step,
) -> Result<(), Failed> {
    let inference = check_labels(state, topic_id, inference).map_err(at(gas::LABELS))?;
    let done = insert_inference(state, topic_id, nonce, &inference)?;
    let admitted = done.gas.admission != Admission::Passive;
    step.admitted = Some(admitted);
    step.gas += gas::inference(state.api, &done.gas);
    if let Some((worker, score)) = &done.scored {
        let event = events::score_set(state.api, topic_id, nonce, worker, *score);
        step.own.push(event);
    }
    if admitted || state.api == Api::V9 {
        step.own.push(events::inserted(state.api, &inference));
    }
    Ok(())
}

/// An inference that was processed.
struct Inferred {
    gas: Inferring,
    /// The worker, with its score, that is not in the active set although it has one: the evicted
    /// one, or this one if it was not admitted.
    scored: Option<(String, i64)>,
}

fn run_forecast(
    state: &mut State,
    topic_id: u64,
    nonce: u64,
    forecast: &Forecast,
    step: &mut Step,
) -> Result<(), Failed> {
    let active = state.topics.get(&topic_id);
    let active = active.map_or(0, |topic| topic.forecasts.len());
    let processed = insert_forecast(state, topic_id, nonce, forecast)?;
    step.gas += gas::forecast(active, forecast.elements.len());
    if processed.is_some_and(|stored| stored || state.api == Api::V9) {
        let (nonce, who) = (forecast.block_height, &forecast.forecaster);
        step.own
            .push(events::forecast(state.api, topic_id, nonce, who));
    }
    Ok(())
}

/// Steps 5 to 8: checks topic, nonce, window and registration.
fn check_window(
    state: &State,
    height: u64,
    topic_id: u64,
    nonce: u64,
    worker: &str,
) -> Result<(), Failed> {
    let refuse = |code, text: &str, gas| Err((TxError::emissions(code, text), gas));
    let Some(topic) = state.topics.get(&topic_id) else {
        return refuse(6, "invalid topic ID", gas::TOPIC);
    };
    if !topic.unfulfilled.contains(&nonce) {
        return refuse(75, "unfulfilled nonce not found", gas::NONCE);
    }
    if topic.window == 0 {
        return refuse(52, "invalid value", gas::NONCE);
    }
    if height < nonce || height > nonce + topic.window {
        let end = nonce + topic.window;
        let text = format!(
            "Worker window not open for topic: {topic_id}, current block {height}, start window: \
             {nonce}, end window: {end}: worker nonce window not available"
        );
        return refuse(67, &text, gas::NONCE);
    }
    if !topic.workers.contains_key(worker) {
        let text = "worker is not registered in this topic: address not registered";
        return refuse(13, text, gas::REGISTRATION);
    }
    Ok(())
}

/// Step 11: checks the labels. Returns the inference with the labels as they are stored.
fn check_labels(state: &State, topic_id: u64, inference: &Inference) -> Result<Inference, TxError> {
    let mut checked = inference.clone();
    let topic = state.topics.get(&topic_id);
    let Some(topic) = topic.filter(|_| state.api == Api::V10) else {
        return Ok(checked);
    };
    let labels = match &topic.arity {
        Arity::Single => labels::check_single(inference),
        Arity::Multi(rules) => rules.check(inference),
    }?;
    for (value, label) in checked.values.iter_mut().zip(labels) {
        value.0 = label;
    }
    Ok(checked)
}

/// Steps 12 to 14: admits and stores the inference.
fn insert_inference(
    state: &mut State,
    topic_id: u64,
    nonce: u64,
    inference: &Inference,
) -> Result<Inferred, Failed> {
    let (api, seats) = (state.api, state.params.max_top_inferers);
    let labels_max = state.params.max_epoch_labels;
    let Some(topic) = state.topics.get_mut(&topic_id) else {
        return Err((TxError::emissions(6, "invalid topic ID"), gas::TOPIC));
    };
    let worker = inference.inferer.clone();
    let what = match api {
        Api::V9 => "Error appending inference",
        Api::V10 => "Error planning inference admission",
    };
    let wrap = |error: TxError| (error.wrap(what).at(AT_ADMISSION), gas::ADMISSION);
    if topic.active_set.contains_key(&worker) {
        return Err(wrap(TxError::undefined("inference already submitted")));
    }
    let score = topic.scores.get(&worker).copied().unwrap_or_default();
    if score.height >= nonce {
        let text = "cannot update EMA more than once per window";
        return Err(wrap(TxError::emissions(78, text)));
    }
    let lowest = topic.lowest();
    let full = topic.active_set.len() >= seats;
    let beats = lowest
        .as_ref()
        .is_some_and(|(_, lowest)| score.score > *lowest);
    let admission = match (topic.passive, full) {
        (false, false) => Admission::FreePlace,
        (false, true) if beats => Admission::Evicts,
        _ => Admission::Passive,
    };
    let gas = Inferring {
        admission,
        active: topic.active_set.len(),
        is_new_worker: score.height == 0,
        is_lowest: lowest.as_ref().is_none_or(|(_, low)| score.score < *low),
        labels: inference.values.len(),
        has_new_label: topic.has_new_label(inference),
    };
    let scored = match admission {
        Admission::FreePlace => None,
        Admission::Evicts => lowest,
        Admission::Passive => Some((worker.clone(), score.score)).filter(|_| !gas.is_new_worker),
    };
    if admission != Admission::Passive {
        if let (Api::V10, Arity::Multi(rules)) = (api, &topic.arity) {
            let labels = rules.normalise(inference, &topic.labels, labels_max);
            topic.labels.extend(labels.map_err(at(gas::NORMALISE))?);
        }
        if let Some((evicted, _)) = &scored {
            topic.active_set.remove(evicted);
        }
        topic.active_set.insert(worker.clone(), inference.clone());
    }
    topic.scores.insert(
        worker,
        Score {
            height: nonce,
            ..score
        },
    );
    Ok(Inferred { gas, scored })
}

/// Step 15. Returns whether the forecast was stored, or `None` if it has no element for a top
/// inferer and leaves no trace.
fn insert_forecast(
    state: &mut State,
    topic_id: u64,
    nonce: u64,
    forecast: &Forecast,
) -> Result<Option<bool>, Failed> {
    const WHAT: &str = "Error appending forecast";
    let seats = state.params.max_top_forecasters;
    let Some(topic) = state.topics.get_mut(&topic_id) else {
        return Err((TxError::emissions(6, "invalid topic ID"), gas::TOPIC));
    };
    let mut kept = forecast.clone();
    kept.elements.retain(|(of, _)| topic.is_top_inferer(of));
    if kept.elements.is_empty() {
        return Ok(None);
    }
    let who = forecast.forecaster.clone();
    if topic.forecasts.contains_key(&who) {
        return Err((
            TxError::undefined("forecast already submitted").wrap(WHAT),
            gas::ADMISSION,
        ));
    }
    let score = topic.forecast_scores.get(&who).copied().unwrap_or_default();
    if score.height >= nonce {
        let text = "cannot update EMA more than once per window";
        return Err((TxError::emissions(78, text).wrap(WHAT), gas::ADMISSION));
    }
    topic.forecast_scores.insert(
        who.clone(),
        Score {
            height: nonce,
            ..score
        },
    );
    let stored = !topic.passive && topic.forecasts.len() < seats;
    if stored {
        topic.forecasts.insert(who, kept);
    }
    Ok(Some(stored))
}
