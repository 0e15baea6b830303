//! The plan of a run: who lies, when and about what, and the worker's limits. It follows from a
//! seed.

use std::time::Duration;

use fastrand::Rng;

use crate::chain::message::Api;
use crate::play::lies::{LieSpan, Strategy, schedule};

/// Time between blocks.
pub(super) const BLOCK: Duration = Duration::from_millis(150);
/// Blocks from nonce to nonce: 5.7 s.
pub(super) const EPOCH_BLOCKS: u64 = 38;
/// Length of a window, in blocks: 4.5 s.
pub(super) const WINDOW_BLOCKS: u64 = 30;
/// The node that lies.
pub(super) const HOSTILE: usize = 0;
const MS: Duration = Duration::from_millis(1);
const ALLO_UALLO: u128 = 10_u128.pow(18);
/// Changes the seed for the choice of an invented schedule.
const SCHEDULE_SALT: u64 = 0x5c4e_d01e;
/// Length of the phase in which nodes lie.
const LIES_TIME: Duration = Duration::from_secs(13);
/// Shortest and longest time for one strategy.
const STRATEGY_TIME: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(13));

/// Which nodes are in the worker's list, in which order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cast {
    Alone,
    HostileFirst,
    HonestFirst,
}

/// The worker's limits of fees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FeeLimits {
    pub(super) transaction_uallo: u128,
    pub(super) day_uallo: u128,
    /// Whether they are the worker's defaults, which the configuration then leaves out.
    pub(super) are_defaults: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) seed: u64,
    pub(super) cast: Cast,
    pub(super) api: Api,
    pub(super) topics: u64,
    /// Whether the worker is registered from the start.
    pub(super) registered: bool,
    pub(super) limits: FeeLimits,
    /// Empty in a run without lies.
    pub(super) spans: Vec<LieSpan>,
    /// When the lies end.
    pub(super) lies_until: Duration,
}

impl Plan {
    pub(super) fn new(seed: u64) -> Plan {
        let mut random = Rng::with_seed(seed);
        let cast = match random.u32(0..10) {
            0..4 => Cast::Alone,
            4..8 => Cast::HostileFirst,
            _ => Cast::HonestFirst,
        };
        let is_alone = cast == Cast::Alone;
        let topics = random.u64(1..=2);
        let begin = match random.u32(0..2) {
            0 => Duration::ZERO,
            _ => random.u32(3_000..8_000) * MS,
        };
        let lies_until = begin + LIES_TIME;
        let has_lies = random.u32(0..16) > 0;
        let mut spans = schedule(&mut random, (begin, lies_until), STRATEGY_TIME);
        if let Some(first) = spans.first_mut().filter(|span| span.from.is_zero())
            && random.u32(0..3) == 0
        {
            // A topic's facts are asked for once only, at the start.
            first.strategy = first.strategy.and("topic", random.u64(..));
        }
        // why: with a generator of its own it changes no other part of a plan
        let mut more = Rng::with_seed(seed ^ SCHEDULE_SALT);
        if let Some(first) = spans.first_mut().filter(|span| span.from.is_zero())
            && more.u32(0..3) == 0
        {
            // why: another lie may be noticed at once, and the schedule with it
            let beside = if more.bool() {
                first.strategy.clone()
            } else {
                Strategy::default()
            };
            first.strategy = beside.and("schedule", more.u64(..));
        }
        if let Some(span) = spans.last_mut()
            && more.u32(0..4) == 0
        {
            span.strategy = span.strategy.and("lag", more.u64(..));
        }
        spans.retain(|_| has_lies);
        Plan {
            seed,
            cast,
            api: if random.bool() { Api::V9 } else { Api::V10 },
            topics,
            registered: !is_alone || random.bool(),
            limits: FeeLimits::draw(is_alone, topics, &mut random),
            spans,
            lies_until,
        }
    }

    /// Whether the worker's list has an honest node.
    pub(super) fn has_honest(&self) -> bool {
        self.cast != Cast::Alone
    }

    /// Whether the plan has a lie with this name.
    pub(super) fn tells(&self, name: &str) -> bool {
        let mut lies = self.spans.iter().flat_map(|span| span.strategy.lies());
        lies.any(|lie| lie.name() == name)
    }

    /// A short description.
    pub(super) fn describe(&self) -> String {
        let who = match self.cast {
            Cast::Alone => "alone",
            Cast::HostileFirst => "hostile, honest",
            Cast::HonestFirst => "honest, hostile",
        };
        let names: Vec<String> = self.spans.iter().map(|s| s.strategy.name()).collect();
        let lies = match names.is_empty() {
            true => "no lies".to_owned(),
            false => names.join(", then "),
        };
        format!("{who}: {lies}")
    }
}

impl FeeLimits {
    /// The worker's defaults: 0.01 ALLO a transaction, 0.02 ALLO a day for each topic. A worker
    /// with a hostile node alone often has limits of a few payloads instead, which the lies reach.
    fn draw(is_alone: bool, topics: u64, random: &mut Rng) -> FeeLimits {
        if is_alone && random.bool() {
            return FeeLimits {
                transaction_uallo: 6_000_000,
                day_uallo: 30_000_000,
                are_defaults: false,
            };
        }
        FeeLimits {
            transaction_uallo: ALLO_UALLO / 100,
            day_uallo: u128::from(topics) * 2 * ALLO_UALLO / 100,
            are_defaults: true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::play::lies::Lie;

    #[test]
    fn the_same_seed_gives_the_same_plan() {
        for seed in 0..20 {
            let plan = |seed| format!("{:?}", Plan::new(seed));
            assert_eq!(plan(seed), plan(seed));
            assert_ne!(plan(seed), plan(seed + 1));
        }
    }

    #[test]
    fn plans_have_every_cast_and_every_lie_and_some_have_no_lies() {
        let plans: Vec<Plan> = (0..200).map(Plan::new).collect();
        for cast in [Cast::Alone, Cast::HostileFirst, Cast::HonestFirst] {
            assert!(plans.iter().filter(|plan| plan.cast == cast).count() > 20);
        }
        for name in Lie::names() {
            assert!(
                plans.iter().filter(|plan| plan.tells(name)).count() > 8,
                "{name}"
            );
        }
        assert!(plans.iter().any(|plan| plan.spans.is_empty()));
        let ends = |plan: &Plan| {
            plan.spans
                .last()
                .is_none_or(|span| span.to == plan.lies_until)
        };
        assert!(plans.iter().all(ends));
        let tight = plans.iter().filter(|plan| !plan.limits.are_defaults);
        assert!(tight.clone().count() > 20 && tight.clone().all(|plan| !plan.has_honest()));
    }
}
