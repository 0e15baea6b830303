//! Plays a plan's faults: those of answers as rules, those of the chain by hand at their moments.

use std::time::Duration;

use super::kind::{Kind, OF_ANSWERS};
use super::plan::{Kill, Plan, Span};
use crate::chain::state::Price;
use crate::play::faults::{Fault, Rule, When};
use crate::play::handle::Localnet;
use crate::play::options::{FUNDS_UALLO, NodeOptions, Options};

/// The usual gas price, in uallo.
const PRICE_UALLO: u64 = 10;
/// How much higher it is under the fault.
const PRICE_FACTOR: u64 = 10;
/// How much longer a slow block takes.
const SLOW_FACTOR: u32 = 4;
/// What is left of a balance that is not gone altogether: a transaction's fee or two.
const SCARCE_UALLO: u128 = 2_500_000;

/// What is done by hand at a moment.
#[derive(Clone, Copy, Debug)]
pub(super) enum Action {
    /// The plan's span of this number begins.
    Begin(usize),
    /// It ends.
    End(usize),
    /// The worker is killed and started again, right now or after the next broadcast.
    Kill(Option<Duration>),
}

/// What is done by hand, in the order of its moments.
pub(super) fn actions(plan: &Plan) -> Vec<(Duration, Action)> {
    let mut actions = Vec::new();
    for (at, span) in plan.spans.iter().enumerate() {
        if rule(plan, span).is_none() {
            actions.push((span.from, Action::Begin(at)));
            actions.push((span.to, Action::End(at)));
        }
    }
    let kill = |kill: &Kill| (kill.at, Action::Kill(kill.after_broadcast));
    actions.extend(plan.kills.iter().map(kill));
    actions.sort_by_key(|(at, _)| *at);
    actions
}

/// The chain of a plan.
pub(super) fn options(plan: &Plan, address: &str) -> Options {
    let geometry = plan.geometry();
    let node = NodeOptions {
        gossips: plan.gossips,
        ..NodeOptions::default()
    };
    let options = Options {
        nodes: vec![node; plan.nodes],
        api: plan.api,
        block_time: Some(geometry.block),
        gas_price: Price::from_uallo(PRICE_UALLO),
        indexing: plan.indexing,
        seed: plan.seed,
        ..Options::default()
    };
    options
        .with_topics(plan.topics, geometry.epoch, geometry.window)
        .with_account(address, FUNDS_UALLO)
}

/// Adds the rules for the faults of answers; each holds for its span only.
pub(super) fn add_rules(plan: &Plan, localnet: &Localnet) {
    if let Some(node) = plan.wrong_node {
        localnet.fault(Rule::new(Fault::OtherChain).at_node(node));
    }
    // Those of few requests first: the first rule that holds is the one that is played.
    let (few, many): (Vec<&Span>, Vec<&Span>) = plan
        .spans
        .iter()
        .partition(|span| !OF_ANSWERS.contains(&span.kind));
    for span in few.into_iter().chain(many) {
        if let Some(rule) = rule(plan, span) {
            localnet.fault(rule);
        }
    }
}

fn rule(plan: &Plan, span: &Span) -> Option<Rule> {
    let geometry = plan.geometry();
    let fault = span
        .kind
        .fault(span.number, geometry.hang, geometry.pause)?;
    let rule = Rule::new(fault)
        .on(span.route)
        .per_mille(span.per_mille)
        .when(When::Elapsed(span.from, span.to));
    Some(match span.node {
        Some(node) => rule.at_node(node),
        None => rule,
    })
}

/// Begins a fault of the chain.
pub(super) fn begin(plan: &Plan, span: &Span, localnet: &Localnet, address: &str) {
    localnet.note_fault(span.kind.name());
    match span.kind {
        Kind::SlowBlocks => localnet.set_block_time(Some(plan.geometry().block * SLOW_FACTOR)),
        Kind::Halt => localnet.set_halted(true),
        Kind::GasPrice => {
            localnet.set_gas_price(Price::from_uallo(PRICE_UALLO * PRICE_FACTOR));
        }
        Kind::BalanceGone => {
            let left = if span.number.is_multiple_of(2) {
                0
            } else {
                SCARCE_UALLO
            };
            localnet.set_balance(address, left);
        }
        Kind::WhitelistOff => localnet.set_whitelisted(span.topic, address, false),
        Kind::TopicOff => localnet.set_active(span.topic, false),
        Kind::NodeRestart => each_node(plan, span, |node| {
            localnet.set_node_up(node, false);
            localnet.restart_node(node);
        }),
        Kind::FrozenNode => each_node(plan, span, |node| localnet.set_frozen(node, true)),
        // The others are rules, or are so for a whole run.
        _ => {}
    }
}

/// Ends it.
pub(super) fn end(plan: &Plan, span: &Span, localnet: &Localnet, address: &str) {
    match span.kind {
        Kind::SlowBlocks => localnet.set_block_time(Some(plan.geometry().block)),
        Kind::Halt => localnet.set_halted(false),
        Kind::GasPrice => localnet.set_gas_price(Price::from_uallo(PRICE_UALLO)),
        Kind::BalanceGone => localnet.set_balance(address, FUNDS_UALLO),
        Kind::WhitelistOff => localnet.set_whitelisted(span.topic, address, true),
        Kind::TopicOff => localnet.set_active(span.topic, true),
        Kind::NodeRestart => each_node(plan, span, |node| localnet.set_node_up(node, true)),
        Kind::FrozenNode => each_node(plan, span, |node| localnet.set_frozen(node, false)),
        _ => {}
    }
}

fn each_node(plan: &Plan, span: &Span, act: impl Fn(usize)) {
    (0..plan.nodes)
        .filter(|node| span.node.is_none_or(|only| only == *node))
        .for_each(act);
}
