//! Plays a plan: faults of single answers as rules, faults of the chain and kills as actions at
//! their times.

use std::time::Duration;

use super::kind::{Details, Group, PRICE_UALLO, Site};
use super::plan::{Kill, Plan, Span};
use crate::chain::state::Price;
use crate::play::faults::Fault;
use crate::play::handle::Localnet;
use crate::play::options::{FUNDS_UALLO, NodeOptions, Options};
use crate::play::rules::{Rule, When};

/// An action at a time.
#[derive(Clone, Copy, Debug)]
pub(super) enum Action {
    /// The fault of the plan's span with this index begins (`true`) or ends.
    Switch(usize, bool),
    /// The worker is killed and started again, at once or this long after the next broadcast.
    Kill(Option<Duration>),
}

/// The actions in the order of their times.
pub(super) fn actions(plan: &Plan) -> Vec<(Duration, Action)> {
    let mut actions = Vec::new();
    for (at, span) in plan.spans.iter().enumerate() {
        if rule(plan, span).is_none() {
            actions.push((span.from, Action::Switch(at, true)));
            actions.push((span.to, Action::Switch(at, false)));
        }
    }
    let kill = |kill: &Kill| (kill.at, Action::Kill(kill.after_broadcast));
    actions.extend(plan.kills.iter().map(kill));
    actions.sort_by_key(|(at, _)| *at);
    actions
}

/// The options of a plan's chain.
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

/// Adds the rules for faults of single answers. Each applies during its span only.
pub(super) fn add_rules(plan: &Plan, localnet: &Localnet) {
    if let Some(node) = plan.wrong_node {
        localnet.fault(Rule::new(Fault::OtherChain).at_node(node));
    }
    // The first rule that applies is played, so faults that affect few requests come first.
    let (few, many): (Vec<&Span>, Vec<&Span>) = plan
        .spans
        .iter()
        .partition(|span| span.kind.group != Group::Answers);
    for span in few.into_iter().chain(many) {
        if let Some(rule) = rule(plan, span) {
            localnet.fault(rule);
        }
    }
}

fn rule(plan: &Plan, span: &Span) -> Option<Rule> {
    let geometry = plan.geometry();
    let fault = span.kind.fault(Details {
        number: span.number,
        hang: geometry.hang,
        pause: geometry.pause,
    })?;
    let rule = Rule::new(fault)
        .on(span.route)
        .per_mille(span.per_mille)
        .when(When::Elapsed(span.from, span.to));
    Some(match span.node {
        Some(node) => rule.at_node(node),
        None => rule,
    })
}

/// Begins (`on`) or ends a fault of the chain.
pub(super) fn switch(plan: &Plan, span: &Span, localnet: &Localnet, address: &str, on: bool) {
    if on {
        localnet.note_fault(span.kind.name);
    }
    let site = Site {
        localnet,
        address,
        block_time: plan.geometry().block,
        topic: span.topic,
        nodes: plan.nodes,
        node: span.node,
        number: span.number,
    };
    span.kind.switch(&site, on);
}
