//! The plan of a run: the chain and the schedule of faults. It follows from a seed.

mod burst;

use std::time::Duration;

use fastrand::Rng;

use super::kind::Kind;
use super::limits;
use crate::chain::Indexing;
use crate::chain::message::Api;
use crate::play::handle::Upgrade;

const START_HEIGHT: u64 = 100;
const MS: Duration = Duration::from_millis(1);

/// The speed of a run's blocks and the length of its windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// Windows of 4.5 s; a hanging request gets no answer for 1 s.
    Brisk,
    /// Windows of 8 s; a hanging request outlasts the worker's shortest time-out of 2 s.
    Usual,
    /// Windows of 20 s; a hanging request outlasts the worker's longest time-out of 8 s.
    Slow,
}

/// The numbers of a pace.
#[derive(Clone, Copy, Debug)]
pub(super) struct Geometry {
    pub(super) block: Duration,
    /// Blocks from nonce to nonce.
    pub(super) epoch: u64,
    /// Length of a window, in blocks.
    pub(super) window: u64,
    /// How long a hanging request gets no answer.
    pub(super) hang: Duration,
    /// What a server asks for with `Retry-After`.
    pub(super) pause: Duration,
    /// Length of the phase of faults.
    pub(super) faults: Duration,
}

impl Pace {
    pub(super) fn geometry(self) -> Geometry {
        let (block_ms, epoch, window, hang_ms, faults_ms) = match self {
            Pace::Brisk => (150, 38, 30, 1_000, 15_000),
            Pace::Usual => (200, 50, 40, 2_500, 36_000),
            Pace::Slow => (250, 100, 80, 12_000, 50_000),
        };
        Geometry {
            block: block_ms * MS,
            epoch,
            window,
            hang: hang_ms * MS,
            pause: Duration::from_secs(1),
            faults: faults_ms * MS,
        }
    }
}

impl Geometry {
    /// See [`limits::margin`].
    pub(super) fn margin(&self, hang: Duration, pause: Duration) -> Duration {
        limits::margin(self.block, self.window, hang, pause)
    }

    /// Longest time of the quiet phase, in which each topic has a whole window, even if it has
    /// just been activated again.
    pub(super) fn quiet_max(&self) -> Duration {
        let blocks = u32::try_from(self.epoch + self.window).unwrap_or(u32::MAX);
        self.block * blocks * 3 / 2 + Duration::from_secs(3)
    }
}

/// A fault from one time to another, both since the start of the simulation.
#[derive(Clone, Debug)]
pub(super) struct Span {
    pub(super) kind: Kind,
    pub(super) from: Duration,
    pub(super) to: Duration,
    /// Only requests whose route contains this.
    pub(super) route: &'static str,
    /// Only this node; `None` for all.
    pub(super) node: Option<usize>,
    /// The affected topic, for faults of one topic.
    pub(super) topic: u64,
    /// The chance, in thousandths.
    pub(super) per_mille: u32,
    /// A random number for the details.
    pub(super) number: u64,
}

/// A kill of the worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kill {
    /// Not before this time.
    pub(super) at: Duration,
    /// How long after the next accepted broadcast; `None`: exactly at `at`.
    pub(super) after_broadcast: Option<Duration>,
}

#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) seed: u64,
    pub(super) pace: Pace,
    pub(super) topics: u64,
    pub(super) api: Api,
    pub(super) upgrade: Option<Upgrade>,
    /// One node or two. The worker has all of them in its `api_url`.
    pub(super) nodes: usize,
    pub(super) gossips: bool,
    pub(super) indexing: Indexing,
    /// Whether the worker is registered from the start.
    pub(super) registered: bool,
    /// A node that always answers as one of another chain.
    pub(super) wrong_node: Option<usize>,
    pub(super) spans: Vec<Span>,
    pub(super) kills: Vec<Kill>,
    /// The earliest beginning of the quiet phase.
    pub(super) faults_until: Duration,
}

impl Plan {
    /// A run with faults. A `brief` run ends in 30 s.
    pub(super) fn of_faults(seed: u64, brief: bool) -> Plan {
        let mut random = Rng::with_seed(seed);
        let pace = match random.u32(0..8) {
            _ if brief => Pace::Brisk,
            0 => Pace::Slow,
            1 | 2 => Pace::Brisk,
            _ => Pace::Usual,
        };
        let mut plan = Plan::quiet(seed, pace, &mut random);
        plan.gossips = random.u32(0..10) < 4;
        plan.indexing = match random.u32(0..10) {
            0..3 => Indexing::Late(random.u64(2..=12)),
            3..5 => Indexing::Off,
            _ => Indexing::On,
        };
        plan.wrong_node = (plan.nodes == 2 && random.u32(0..4) == 0).then_some(1);
        if random.u32(0..100) < 65 {
            plan.api = Api::V9;
            plan.upgrade = Some(plan.draw_upgrade(&mut random));
        }
        plan.spans = burst::draw(&plan, &mut random);
        plan
    }

    /// A run without faults in which the worker is killed `kills` times.
    pub(super) fn of_kills(seed: u64, kills: usize) -> Plan {
        let mut random = Rng::with_seed(seed);
        let pace = if random.bool() {
            Pace::Brisk
        } else {
            Pace::Usual
        };
        let mut plan = Plan::quiet(seed, pace, &mut random);
        let epoch = plan.geometry().block * u32::try_from(plan.geometry().epoch).unwrap_or(50);
        let mut at = 500 * MS;
        for _ in 0..kills {
            // Half of the kills follow each other quickly, half leave time for a window in between.
            at += if random.bool() {
                between(&mut random, 50 * MS, 1_500 * MS)
            } else {
                between(&mut random, 1_500 * MS, epoch * 4 / 5)
            };
            // Half of the kills happen while a transaction is in flight: from before the answer
            // until after the block.
            let block = plan.geometry().block;
            let after_broadcast = random
                .bool()
                .then(|| between(&mut random, Duration::ZERO, block * 3 / 2));
            plan.kills.push(Kill {
                at,
                after_broadcast,
            });
        }
        plan.faults_until = at + 500 * MS;
        plan
    }

    fn quiet(seed: u64, pace: Pace, random: &mut Rng) -> Plan {
        Plan {
            seed,
            pace,
            topics: random.u64(3..=6),
            api: if random.bool() { Api::V9 } else { Api::V10 },
            upgrade: None,
            nodes: random.usize(1..=2),
            gossips: true,
            indexing: Indexing::On,
            registered: random.u32(0..3) == 0,
            wrong_node: None,
            spans: Vec::new(),
            kills: Vec::new(),
            faults_until: pace.geometry().faults,
        }
    }

    /// An upgrade during the phase of faults.
    fn draw_upgrade(&self, random: &mut Rng) -> Upgrade {
        let blocks = self.faults_until.as_millis() / self.geometry().block.as_millis();
        let blocks = u64::try_from(blocks).unwrap_or(100);
        Upgrade {
            height: START_HEIGHT + random.u64(blocks / 10..blocks * 8 / 10),
            frozen: between(random, 300 * MS, 1_500 * MS),
            down: between(random, 300 * MS, 1_500 * MS),
            half_up: between(random, 300 * MS, 1_000 * MS),
        }
    }

    pub(super) fn geometry(&self) -> Geometry {
        self.pace.geometry()
    }

    /// How long before a window's last block all faults must be over.
    pub(super) fn margin(&self) -> Duration {
        let geometry = self.geometry();
        let longest = |time: Duration, counts: fn(Kind) -> bool| {
            let counts = self.spans.iter().any(|span| counts(span.kind));
            if counts { time } else { Duration::ZERO }
        };
        let hang = longest(geometry.hang, |kind| kind.hangs);
        geometry.margin(hang, longest(geometry.pause, |kind| kind.pauses))
    }

    /// A short description.
    pub(super) fn describe(&self) -> String {
        let api = match self.upgrade {
            Some(_) => "v9 to v10",
            None => self.api.name(),
        };
        let nodes = match (self.nodes, self.gossips) {
            (1, _) => "1 node",
            (_, true) => "2 nodes",
            (_, false) => "2 nodes apart",
        };
        let pace = format!("{:?}", self.pace).to_lowercase();
        format!("{pace}, {api}, {nodes}, {} topics", self.topics)
    }
}

/// A random time between two others.
fn between(random: &mut Rng, from: Duration, to: Duration) -> Duration {
    let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    Duration::from_millis(random.u64(ms(from)..=ms(to).max(ms(from))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faultrun::kind::Group;

    #[test]
    fn the_same_seed_gives_the_same_plan() {
        for seed in 0..20 {
            let plan = |seed| format!("{:?}", Plan::of_faults(seed, false));
            assert_eq!(plan(seed), plan(seed));
            assert_ne!(plan(seed), plan(seed + 1));
        }
    }

    #[test]
    fn every_kind_is_drawn_and_ends_with_the_phase_of_faults() {
        let plans: Vec<Plan> = (0..200).map(|seed| Plan::of_faults(seed, false)).collect();
        let spans = || plans.iter().flat_map(|plan| &plan.spans);
        for kind in Kind::all().filter(|kind| kind.group != Group::Run) {
            let count = spans().filter(|span| span.kind == kind).count();
            assert!(count > 60, "{kind:?}: {count}");
        }
        for plan in &plans {
            for span in &plan.spans {
                assert!(
                    span.from < span.to && span.to <= plan.faults_until,
                    "{span:?}"
                );
            }
        }
        assert!(plans.iter().filter(|plan| plan.upgrade.is_some()).count() > 100);
        assert!(plans.iter().any(|plan| plan.indexing == Indexing::Off));
        assert!(plans.iter().any(|plan| plan.nodes == 2 && !plan.gossips));
    }

    #[test]
    fn the_margin_is_shorter_than_a_window() {
        for pace in [Pace::Brisk, Pace::Usual, Pace::Slow] {
            let geometry = pace.geometry();
            let window = geometry.block * u32::try_from(geometry.window).unwrap();
            assert!(geometry.margin(geometry.hang, geometry.pause) < window * 3 / 4);
        }
    }

    #[test]
    fn kills_are_ordered_by_time() {
        let plan = Plan::of_kills(3, 20);
        assert_eq!(plan.kills.len(), 20);
        assert!(plan.kills.is_sorted_by_key(|kill| kill.at));
        assert!(plan.spans.is_empty() && plan.gossips);
        assert!(plan.faults_until > plan.kills.last().unwrap().at);
        let aimed = plan.kills.iter().filter(|k| k.after_broadcast.is_some());
        assert!((1..20).contains(&aimed.count()));
    }
}
