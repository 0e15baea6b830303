//! The faults of a run: bursts of a few overlapping faults, with pauses between them. Many pauses
//! are long enough for a window to be servable.

use std::time::Duration;

use fastrand::Rng;

use super::super::kind::{Group, Kind};
use super::{MS, Plan, Span, between};
use crate::api::routes::{BROADCAST, SIMULATE};
use crate::play::faults::MODEL;

/// Shortest and longest burst.
const BURST: (Duration, Duration) = (Duration::from_millis(1_000), Duration::from_millis(3_500));
/// Shortest and longest of the short pauses.
const SHORT_PAUSE: (Duration, Duration) =
    (Duration::from_millis(300), Duration::from_millis(2_000));
/// How much longer than the margin a long pause is, at least and at most.
const LONG_PAUSE: (Duration, Duration) = (Duration::from_millis(500), Duration::from_millis(3_000));
/// Blocks before the first window opens; then the topics take turns.
const FIRST_OPENING_BLOCKS: u64 = 3;
/// Longest time between the start of a burst and the next opening.
const EARLY_MAX: Duration = Duration::from_millis(700);
/// Time by which the worker knows the chain that it works on.
const KNOWN_BY: Duration = Duration::from_secs(15);
/// The routes of faults of answers, with their weights; the empty route stands for all.
const ROUTES: [(&str, u32); 11] = [
    ("", 40),
    (BROADCAST, 20),
    (SIMULATE, 14),
    ("account_info", 14),
    ("worker_submission_window_status", 8),
    ("inferer_score_ema", 6),
    ("gas_price", 2),
    ("/params", 2),
    ("by_denom", 2),
    ("txs/{}", 2),
    ("node_info", 2),
];

/// Kinds in shuffled order, which are dealt one by one, so that each comes up soon.
struct Deck {
    kinds: Vec<Kind>,
    left: Vec<Kind>,
}

impl Deck {
    fn new(group: Group) -> Deck {
        let mut kinds: Vec<Kind> = Kind::of_group(group).collect();
        let more = |kind: Kind| std::iter::repeat_n(kind, kind.weight - 1);
        kinds.extend(Kind::of_group(group).flat_map(more));
        let left = Vec::new();
        Deck { kinds, left }
    }

    fn deal(&mut self, random: &mut Rng) -> Option<Kind> {
        if self.left.is_empty() {
            self.left.clone_from(&self.kinds);
            random.shuffle(&mut self.left);
        }
        self.left.pop()
    }
}

/// A long pause follows after this number of short ones, so that enough windows are servable.
const SHORT_IN_A_ROW_MAX: u32 = 2;

/// All bursts of a run.
pub(super) fn draw(plan: &Plan, random: &mut Rng) -> Vec<Span> {
    let geometry = plan.geometry();
    let margin = geometry.margin(geometry.hang, geometry.pause);
    let mut answers = Deck::new(Group::Answers);
    let mut broadcasts = Deck::new(Group::Broadcasts);
    let mut model = Deck::new(Group::Model);
    let mut chain = Deck::new(Group::Chain);
    let mut spans = Vec::new();
    let mut short_in_a_row = 0;
    let mut at = between(random, Duration::ZERO, 1_000 * MS);
    loop {
        if random.u32(0..4) > 0 {
            at = before_opening(plan, at, random);
        }
        let until = at + between(random, BURST.0, BURST.1);
        if until > plan.faults_until {
            return spans;
        }
        let mut kinds: Vec<Kind> = Vec::new();
        for _ in 0..random.u32(1..=3) {
            kinds.extend(answers.deal(random));
        }
        kinds.extend(broadcasts.deal(random));
        if random.bool() {
            kinds.extend(broadcasts.deal(random));
        }
        if random.u32(0..10) < 8 {
            kinds.extend(model.deal(random));
        }
        kinds.extend(chain.deal(random));
        if random.bool() {
            kinds.extend(chain.deal(random));
        }
        kinds.sort_unstable();
        kinds.dedup();
        spans.extend(
            kinds
                .into_iter()
                .map(|kind| span(plan, kind, at, until, random)),
        );
        let short = short_in_a_row < SHORT_IN_A_ROW_MAX && random.u32(0..10) < 6;
        short_in_a_row = if short { short_in_a_row + 1 } else { 0 };
        let (least, most) = if short {
            SHORT_PAUSE
        } else {
            (margin + LONG_PAUSE.0, margin + LONG_PAUSE.1)
        };
        at = until + between(random, least, most);
    }
}

/// A time shortly before the next window opens, which is when most requests are made. Assumes that
/// no fault delays the chain.
fn before_opening(plan: &Plan, at: Duration, random: &mut Rng) -> Duration {
    let geometry = plan.geometry();
    let block_ms = geometry.block.as_millis().max(1);
    let lead = u128::from(FIRST_OPENING_BLOCKS) * block_ms;
    let every = (u128::from(geometry.epoch) * block_ms / u128::from(plan.topics.max(1))).max(1);
    let passed = at.as_millis().saturating_sub(lead).div_ceil(every);
    let opening = u64::try_from(lead + passed * every).unwrap_or(u64::MAX);
    let early = between(random, Duration::ZERO, EARLY_MAX);
    Duration::from_millis(opening).saturating_sub(early).max(at)
}

/// A fault of a burst, which lasts for all of the burst or a part of it.
fn span(plan: &Plan, kind: Kind, from: Duration, until: Duration, random: &mut Rng) -> Span {
    let length = until - from;
    // Faults that few requests meet last for the whole burst.
    let rare = matches!(kind.group, Group::Model | Group::Broadcasts);
    let (from, to) = match rare || random.bool() {
        true => (from, until),
        false => (
            from + between(random, Duration::ZERO, length / 3),
            until - between(random, Duration::ZERO, length / 3),
        ),
    };
    let route = match kind.group {
        Group::Model => MODEL,
        Group::Answers => route(random),
        Group::Broadcasts => BROADCAST,
        Group::Chain | Group::Run => "",
    };
    let node = match (plan.nodes, random.u32(0..10)) {
        (2, 0..3) => Some(0),
        (2, 3..5) => Some(1),
        _ => None,
    };
    let first_is_other = node == Some(0) && plan.wrong_node.is_none() && from > KNOWN_BY;
    // Until the worker has seen its chain's id, it takes the first one it sees; and with only one
    // endpoint it cannot notice a wrong one.
    let anywhere = kind.is_identity && first_is_other;
    let route = if anywhere { "" } else { route };
    Span {
        kind,
        from,
        to,
        route,
        node,
        topic: random.u64(1..=plan.topics),
        per_mille: match route {
            // If no request succeeds, nothing else can go wrong.
            "" => [700, 400, 200][random.usize(0..3)],
            _ => [1000, 1000, 600][random.usize(0..3)],
        },
        number: random.u64(..),
    }
}

fn route(random: &mut Rng) -> &'static str {
    let all: u32 = ROUTES.iter().map(|(_, weight)| weight).sum();
    let mut left = random.u32(0..all);
    for (route, weight) in ROUTES {
        match left.checked_sub(weight) {
            Some(less) => left = less,
            None => return route,
        }
    }
    ""
}
