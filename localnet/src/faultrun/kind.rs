//! The kinds of faults that a run can have. A kind is one row of [`KINDS`]: its name, what it does
//! and how the plan and the judge treat it.

use std::fmt;
use std::ops::{Deref, Range};
use std::time::Duration;

use crate::chain::state::Price;
use crate::play::faults::Fault;
use crate::play::handle::Localnet;
use crate::play::options::FUNDS_UALLO;

/// The usual gas price, in uallo.
pub(super) const PRICE_UALLO: u64 = 10;
/// The usual gas price is multiplied by this during `gas_price_x10`.
const PRICE_FACTOR: u64 = 10;
/// The usual block time is multiplied by this during `slow_blocks`.
const SLOW_FACTOR: u32 = 4;
/// What `balance_gone` leaves of a balance every other time: the fee of a transaction or two.
const SCARCE_UALLO: u128 = 2_500_000;
/// The bounds of a short time, in milliseconds.
const SHORT_MS: Range<u64> = 100..400;
/// Every kind; plans draw from them in this order, so a new row goes to the end of its group.
static KINDS: &[Row] = &[
    Row::answer("close", |_| Fault::Close),
    Row {
        // A port that refuses does so for a short time after the last request of the span.
        lingers: Duration::from_millis(SHORT_MS.end),
        ..Row::answer("refuse", |details| Fault::Refuse(details.short()))
    },
    Row {
        hangs: true,
        ..Row::answer("hang", |details| Fault::Hang(details.hang))
    },
    Row {
        lingers: Duration::from_millis(SHORT_MS.end),
        ..Row::answer("delay", |details| Fault::Delay(details.short()))
    },
    Row::answer("cut", |details| Fault::CutAfter(details.below(200))),
    Row::answer("html", |_| Fault::Html),
    Row::answer("wrong_json", |_| Fault::WrongJson),
    Row::answer("empty", |_| Fault::EmptyOk),
    Row::answer("status_404", |_| Fault::Status(404, None)),
    Row {
        pauses: true,
        ..Row::answer("status_429", |_| Fault::Status(429, None))
    },
    Row {
        pauses: true,
        ..Row::answer("status_429_retry_after", |details| {
            Fault::Status(429, Some(details.pause.as_secs()))
        })
    },
    Row::answer("status_500", |_| Fault::Status(500, None)),
    Row::answer("status_502", |_| Fault::Status(502, None)),
    Row::answer("status_503", |_| Fault::Status(503, None)),
    Row::answer("old_height", |details| {
        Fault::OldHeight(1 + details.number % 6)
    }),
    Row::broadcast("accept_and_drop", |_| Fault::AcceptAndDrop),
    Row::broadcast("lose_answer", |_| Fault::IncludeButLoseAnswer),
    Row::broadcast("ante_failure_in_block", |details| {
        Fault::AnteFailureInBlock([32, 13, 30, 11][details.below(4)])
    }),
    Row::broadcast("mempool_full", |_| Fault::MempoolFull),
    Row {
        is_identity: true,
        ..Row::broadcast("wrong_chain", |_| Fault::OtherChain)
    },
    Row {
        hangs: true,
        // A request that hangs keeps all others away, so few of them meet the fault.
        weight: 4,
        ..Row::model("model_hang", |details| Fault::Hang(details.hang))
    },
    Row::model("model_status_500", |_| Fault::Status(500, None)),
    Row::model("model_rubbish", |_| Fault::Rubbish),
    Row::model("model_nan", |_| Fault::NotANumber),
    Row::model("model_megabyte", |_| Fault::Megabyte),
    // Never the whole answer, but sometimes the first digits of the number.
    Row::model("model_cut", |details| Fault::CutAfter(details.below(75))),
    Row::chain("slow_blocks", |site, on| {
        let factor = if on { SLOW_FACTOR } else { 1 };
        site.localnet.set_block_time(Some(site.block_time * factor));
    }),
    Row::chain("halt", |site, on| site.localnet.set_halted(on)),
    Row::chain("gas_price_x10", |site, on| {
        let factor = if on { PRICE_FACTOR } else { 1 };
        let price = Price::from_uallo(PRICE_UALLO * factor);
        site.localnet.set_gas_price(price);
    }),
    Row {
        // The ante handler takes the fee before the message runs, and the message's own fee fails.
        explains: Some("sdk/5"),
        ..Row::chain("balance_gone", |site, on| {
            let left = match (on, site.number.is_multiple_of(2)) {
                (false, _) => FUNDS_UALLO,
                (true, true) => 0,
                (true, false) => SCARCE_UALLO,
            };
            site.localnet.set_balance(site.address, left);
        })
    },
    Row {
        explains: Some("emissions/83"),
        ..Row::chain("whitelist_off", |site, on| {
            site.localnet.set_whitelisted(site.topic, site.address, !on);
        })
    },
    Row::chain("topic_off", |site, on| {
        site.localnet.set_active(site.topic, !on);
    }),
    Row::chain("node_restart", |site, on| {
        for node in site.nodes() {
            site.localnet.set_node_up(node, !on);
            if on {
                site.localnet.restart_node(node);
            }
        }
    }),
    Row::chain("frozen_node", |site, on| {
        for node in site.nodes() {
            site.localnet.set_frozen(node, on);
        }
    }),
    Row::run(UPGRADE),
    Row::run("separate_mempools"),
    Row::run("index_late"),
    Row::run("index_off"),
];
/// The kind that counts upgrades.
pub(super) const UPGRADE: &str = "upgrade";

/// A kind of fault: the index of its row.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Kind(usize);

/// What faults of a kind affect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Group {
    /// Any answer of the chain.
    Answers,
    Broadcasts,
    Model,
    /// The chain as a whole.
    Chain,
    /// A whole run, or one moment of it.
    Run,
}

/// How a fault is played.
enum Effect {
    /// By a rule for single answers.
    Answer(fn(Details) -> Fault),
    /// By a change of the chain, which begins with `true` and ends with `false`.
    Chain(fn(&Site<'_>, bool)),
    /// By the set-up of the run.
    Run,
}

/// The properties of a kind.
pub(super) struct Row {
    /// The name under which it is counted in the report.
    pub(super) name: &'static str,
    pub(super) group: Group,
    effect: Effect,
    /// How often the kind is drawn, compared with the others of its group.
    pub(super) weight: usize,
    /// Whether it leaves requests without an answer.
    pub(super) hangs: bool,
    /// Whether it makes the worker pause its requests.
    pub(super) pauses: bool,
    /// For how long it may still be felt after its span.
    pub(super) lingers: Duration,
    /// The code of a transaction that is included, fails and loses its fee, if this fault
    /// explains it: the conditions changed between sending and inclusion.
    pub(super) explains: Option<&'static str>,
    /// Whether it makes a node look like one of another chain.
    pub(super) is_identity: bool,
}

impl Row {
    const fn new(name: &'static str, group: Group, effect: Effect) -> Row {
        Row {
            name,
            group,
            effect,
            weight: 1,
            hangs: false,
            pauses: false,
            lingers: Duration::ZERO,
            explains: None,
            is_identity: false,
        }
    }

    const fn answer(name: &'static str, fault: fn(Details) -> Fault) -> Row {
        Row::new(name, Group::Answers, Effect::Answer(fault))
    }

    const fn broadcast(name: &'static str, fault: fn(Details) -> Fault) -> Row {
        Row::new(name, Group::Broadcasts, Effect::Answer(fault))
    }

    const fn model(name: &'static str, fault: fn(Details) -> Fault) -> Row {
        Row::new(name, Group::Model, Effect::Answer(fault))
    }

    const fn chain(name: &'static str, switch: fn(&Site<'_>, bool)) -> Row {
        Row::new(name, Group::Chain, Effect::Chain(switch))
    }

    const fn run(name: &'static str) -> Row {
        Row::new(name, Group::Run, Effect::Run)
    }
}

/// What decides the details of a fault of answers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Details {
    /// A random number.
    pub(super) number: u64,
    /// How long a request stays without an answer.
    pub(super) hang: Duration,
    /// What a server asks for with `Retry-After`.
    pub(super) pause: Duration,
}

impl Details {
    fn short(self) -> Duration {
        let range = SHORT_MS.end - SHORT_MS.start;
        Duration::from_millis(SHORT_MS.start + self.number % range)
    }

    fn below(self, limit: u64) -> usize {
        usize::try_from(self.number % limit).unwrap_or(0)
    }
}

/// Where a fault of the chain happens.
pub(super) struct Site<'a> {
    pub(super) localnet: &'a Localnet,
    /// The worker's address.
    pub(super) address: &'a str,
    /// The usual block time.
    pub(super) block_time: Duration,
    /// The affected topic, for faults of one topic.
    pub(super) topic: u64,
    /// The number of nodes.
    pub(super) nodes: usize,
    /// The affected node; `None` for all.
    pub(super) node: Option<usize>,
    /// A random number.
    pub(super) number: u64,
}

impl Site<'_> {
    /// The affected nodes.
    fn nodes(&self) -> impl Iterator<Item = usize> + use<> {
        let only = self.node;
        (0..self.nodes).filter(move |node| only.is_none_or(|only| only == *node))
    }
}

impl Kind {
    pub(super) fn all() -> impl Iterator<Item = Kind> {
        (0..KINDS.len()).map(Kind)
    }

    pub(super) fn of_group(group: Group) -> impl Iterator<Item = Kind> {
        Kind::all().filter(move |kind| kind.group == group)
    }

    #[cfg(test)]
    pub(super) fn named(name: &str) -> Kind {
        Kind::all().find(|kind| kind.name == name).unwrap()
    }

    /// The fault of answers that it is, if it is one.
    pub(super) fn fault(self, details: Details) -> Option<Fault> {
        match self.effect {
            Effect::Answer(fault) => Some(fault(details)),
            Effect::Chain(_) | Effect::Run => None,
        }
    }

    /// Begins (`on`) or ends a fault of the chain.
    pub(super) fn switch(self, site: &Site<'_>, on: bool) {
        if let Effect::Chain(switch) = self.effect {
            switch(site, on);
        }
    }
}

impl Deref for Kind {
    type Target = Row;

    fn deref(&self) -> &Row {
        &KINDS[self.0]
    }
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_the_name_of_its_fault() {
        let details = Details {
            number: 7,
            hang: Duration::from_secs(2),
            pause: Duration::from_secs(1),
        };
        for kind in Kind::all() {
            let Some(fault) = kind.fault(details) else {
                continue;
            };
            let name = match kind.group {
                Group::Model => format!("model_{}", fault.kind()),
                _ => fault.kind().into_owned(),
            };
            assert_eq!(name, kind.name);
        }
        let mut names: Vec<_> = Kind::all().map(|kind| kind.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Kind::all().count());
    }
}
