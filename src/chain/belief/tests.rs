//! Heights that honest nodes name, and the lies that must not change what is believed.

use super::*;
use crate::backoff::Jitter;
use crate::chain::endpoints::is_behind;

const S: Duration = Duration::from_secs(1);
const A: EndpointId = EndpointId(0);
const B: EndpointId = EndpointId(1);
const FAR: u64 = 1_000_000_000;

/// What is believed of a chain that makes a block every five seconds from block 1,000 on, after
/// its first 200 seconds.
fn settled(endpoints: usize, start: Instant) -> (Belief, Instant) {
    let mut belief = Belief::new(endpoints);
    for second in 0..200 {
        let now = start + S * second;
        belief.hear(A, height(start, now), now);
        belief.hear_alone(height(start, now), now);
    }
    (belief, start + 200 * S)
}

/// The height of that chain.
fn height(start: Instant, now: Instant) -> Height {
    Height(1_000 + now.saturating_duration_since(start).as_secs() / 5)
}

#[test]
fn one_height_that_cannot_be_changes_nothing() {
    let start = Instant::now();
    for lie in [Height(1_200), Height(FAR), Height(Height::MAX.0 - 1)] {
        for endpoints in [1, 2] {
            let (mut belief, now) = settled(endpoints, start);
            assert_eq!(belief.hear(A, lie, now), Judgement::Unconfirmed);
            assert_eq!(belief.clock().highest(), Some(Height(1_039)));
            let next = now + S;
            assert_eq!(belief.hear(A, Height(1_040), next), Judgement::Believed);
            assert_eq!(belief.clock().floor(next), Some(Height(1_040)));
            assert!(!belief.asks_others(next), "nothing is in doubt any more");
        }
    }
}

#[test]
fn a_leap_is_believed_once_a_second_endpoint_names_it() {
    let (mut belief, now) = settled(2, Instant::now());
    assert_eq!(belief.hear(A, Height(5_000), now), Judgement::Unconfirmed);
    assert!(belief.asks_others(now));
    assert!(!belief.asks_others(now), "one caller asks");
    assert_eq!(belief.hear(B, Height(4_999), now), Judgement::Believed);
    assert_eq!(belief.hear(A, Height(5_000), now), Judgement::Believed);
    assert_eq!(belief.clock().highest(), Some(Height(5_000)));
}

#[test]
fn a_leap_that_another_endpoint_contradicts_is_refuted() {
    let (mut belief, now) = settled(2, Instant::now());
    assert_eq!(belief.hear(A, Height(FAR), now), Judgement::Unconfirmed);
    assert_eq!(belief.hear(B, Height(1_040), now), Judgement::Believed);
    for second in 0..600 {
        let now = now + S * second;
        let climbing = Height(FAR + u64::from(second) / 5);
        assert_eq!(belief.hear(A, climbing, now), Judgement::Refuted);
        belief.hear(B, Height(1_040 + u64::from(second) / 5), now);
    }
}

#[test]
fn a_possible_height_above_the_pace_is_confirmed_first() {
    let (settled, now) = settled(2, Instant::now());
    let now = now + 30 * S;
    let doubted = |height| {
        let mut belief = settled.clone();
        let judged = belief.hear(A, Height(height), now);
        assert_eq!(judged, Judgement::Unconfirmed);
        assert!(belief.asks_others(now));
        belief
    };
    let mut lie = doubted(1_054);
    assert_eq!(lie.hear(B, Height(1_046), now), Judgement::Believed);
    assert_eq!(lie.hear(A, Height(1_054), now), Judgement::Refuted);
    assert_eq!(lie.clock().highest(), Some(Height(1_046)));
    let mut truth = doubted(1_054);
    assert_eq!(truth.hear(B, Height(1_053), now), Judgement::Believed);
    assert_eq!(truth.hear(A, Height(1_054), now), Judgement::Believed);
    let mut alone = doubted(1_054);
    alone.hear_alone(Height(1_054), now);
    assert_eq!(alone.hear(A, Height(1_054), now), Judgement::Believed);
    let mut paced = settled.clone();
    assert_eq!(paced.hear(A, Height(1_049), now), Judgement::Believed);
}

#[test]
fn a_first_height_of_a_single_endpoint_that_is_too_high_is_forgotten_soon() {
    let start = Instant::now();
    let mut belief = Belief::new(1);
    for tick in 0..100_u64 {
        let now = start + Duration::from_millis(tick * 400);
        let truth = 100 + tick;
        let lies = tick < 20;
        belief.hear(A, Height(if lies { truth * 6 } else { truth }), now);
        let is_right = belief.clock().highest() == Some(Height(truth));
        assert!(is_right || tick < 20 + 30, "{tick}: {:?}", belief.clock());
    }
}

#[test]
fn a_single_endpoint_is_believed_after_a_leap_that_goes_on() {
    let (mut belief, now) = settled(1, Instant::now());
    let hear =
        |belief: &mut Belief, second: u32, height| belief.hear(A, Height(height), now + S * second);
    assert_eq!(hear(&mut belief, 0, 9_000), Judgement::Unconfirmed);
    assert_eq!(hear(&mut belief, 5, 9_001), Judgement::Unconfirmed);
    assert_eq!(hear(&mut belief, 10, 9_002), Judgement::Believed);
    // A chain that has halted meanwhile does not move.
    let (mut belief, _) = settled(1, Instant::now());
    for second in 0..60 {
        assert_eq!(hear(&mut belief, second, 9_000), Judgement::Unconfirmed);
    }
    assert_eq!(hear(&mut belief, 61, 9_000), Judgement::Believed);
}

#[test]
fn after_the_machine_was_suspended_the_height_may_have_grown() {
    let (mut belief, now) = settled(1, Instant::now());
    belief.slept(3_600 * S);
    assert_eq!(
        belief.hear(A, Height(1_040 + 720), now),
        Judgement::Believed
    );
    assert_eq!(belief.hear(A, Height(FAR), now), Judgement::Unconfirmed);
    let (mut belief, now) = settled(1, Instant::now());
    let after_an_outage = now + 3_600 * S;
    assert_eq!(
        belief.hear(A, Height(1_760), after_an_outage),
        Judgement::Believed
    );
}

#[test]
fn a_quick_chain_is_believed_from_the_start() {
    let start = Instant::now();
    for (block_ms, poll_ms) in [(50, 5_000), (50, 130), (200, 1_000), (1_000, 60_000)] {
        let mut belief = Belief::new(1);
        for poll in 0..200 {
            let since = Duration::from_millis(poll_ms * poll);
            let height = Height(10 + poll_ms * poll / block_ms);
            let judged = belief.hear(A, height, start + since);
            assert_eq!(judged, Judgement::Believed, "{block_ms} {poll_ms} {poll}");
        }
    }
}

#[test]
fn a_load_balancer_a_halt_and_a_new_pace_raise_no_doubt() {
    let start = Instant::now();
    let mut jitter = Jitter::new(7);
    let mut belief = Belief::new(2);
    let mut doubts = 0;
    belief.hear(A, Height(1_000), start);
    belief.hear_alone(Height(1_000), start);
    for second in 0..8_000_u64 {
        let now = start + S * u32::try_from(second).unwrap();
        // Blocks of 5 s, an hour's halt, blocks of 2 s.
        let blocks = match second {
            0..2_000 => second / 5,
            2_000..5_600 => 400,
            _ => 400 + (second - 5_600) / 2,
        };
        let height = Height(1_000 + blocks).0 - jitter.number() % 4;
        let judged = belief.hear(A, Height(height.max(1_000)), now);
        doubts += u32::from(judged != Judgement::Believed);
    }
    assert_eq!(doubts, 0);
    assert!(belief.clock().highest() >= Some(Height(1_000 + 400 + 1_195)));
}

#[test]
fn behind_one_address_a_late_node_after_a_rest_does_not_make_the_others_a_leap() {
    for rest in [60, 300, 1_800] {
        let (mut belief, now) = settled(1, Instant::now());
        let truth = 1_040 + u64::from(rest) / 5;
        let now = now + rest * S;
        assert_eq!(belief.hear(A, Height(truth - 16), now), Judgement::Believed);
        let judged = belief.hear(A, Height(truth), now + S);
        assert_eq!(judged, Judgement::Believed, "{rest}");
        assert_eq!(belief.hear(A, Height(FAR), now + S), Judgement::Unconfirmed);
    }
}

#[test]
fn a_late_second_endpoint_does_not_replace_the_first_nor_the_other_way_round() {
    let start = Instant::now();
    for (first, second) in [(1_016, 1_000), (1_000, 1_016)] {
        let mut belief = Belief::new(2);
        for tick in 0..20_u64 {
            let now = start + S * u32::try_from(tick).unwrap();
            belief.hear(A, Height(first + tick / 5), now);
            belief.hear(B, Height(second + tick / 5), now);
        }
        assert_eq!(belief.clock().highest(), Some(Height(1_016 + 3)));
    }
}

#[test]
fn of_two_first_heights_the_one_that_moves_is_believed() {
    let start = Instant::now();
    for still in [Height(1), Height(FAR)] {
        for (honest, other) in [(A, B), (B, A)] {
            let mut belief = Belief::new(2);
            for second in 0..=15 {
                let now = start + S * second;
                belief.hear(other, still, now);
                belief.hear(honest, height(start, now), now);
            }
            let now = start + 20 * S;
            let judged = belief.hear(honest, height(start, now), now);
            assert_eq!(judged, Judgement::Believed, "{still} {honest:?}");
            assert_eq!(belief.clock().highest(), Some(height(start, now)));
            if still == Height(FAR) {
                assert_eq!(belief.hear(other, still, now), Judgement::Refuted);
            }
        }
    }
}

#[test]
fn a_height_that_stands_still_loses_to_one_that_moves() {
    let start = Instant::now();
    for endpoints in [1, 2] {
        let mut belief = Belief::new(endpoints);
        belief.hear(A, Height(FAR), start);
        belief.hear_alone(Height(FAR), start);
        assert_eq!(belief.clock().highest(), Some(Height(FAR)));
        let other = EndpointId(endpoints - 1);
        let returns = (0..).map(|second| start + S * second).find(|now| {
            belief.hear(A, Height(FAR), *now);
            belief.hear(other, height(start, *now), *now);
            belief.clock().highest() == Some(height(start, *now))
        });
        assert!(
            returns.is_some_and(|at| at <= start + 60 * S),
            "{returns:?}"
        );
    }
}

/// What is believed after 200 seconds of a chain that makes five blocks in a second.
fn settled_quick(start: Instant) -> (Belief, Instant) {
    let mut belief = Belief::new(2);
    for block in 0..1_000 {
        let now = start + S * block / 5;
        for id in [A, B] {
            belief.hear(id, Height(1_000 + u64::from(block)), now);
        }
    }
    (belief, start + 200 * S)
}

#[test]
fn a_lower_height_that_two_endpoints_name_is_believed_after_a_minute() {
    // after how many seconds the height falls, if A and B name these blocks from then on
    let falls = |a: fn(u64) -> u64, b: fn(u64) -> u64| {
        let (mut belief, reset_at) = settled_quick(Instant::now());
        (0..200_u32).find(|second| {
            let now = reset_at + S * *second;
            for (id, block) in [(A, a), (B, b)] {
                belief.hear(id, Height(block(u64::from(*second) * 5)), now);
            }
            belief.clock().highest() < Some(Height(1_900))
        })
    };
    let both = falls(|block| 700 + block, |block| 699 + block);
    assert!(
        both.is_some_and(|second| (60..=75).contains(&second)),
        "{both:?}"
    );
    for (name, b) in [
        ("stands still", (|_| 700) as fn(u64) -> u64),
        ("is far from it", |block| 1_200 + block),
        ("keeps to the highest one", |block| 2_000 + block),
        ("is gone", |_| 5),
    ] {
        let lone = falls(|block| 700 + block, b);
        assert_eq!(lone, None, "the other one {name}");
    }
}

#[test]
fn what_only_a_distrusted_endpoint_named_is_forgotten() {
    let (mut belief, now) = settled(2, Instant::now());
    belief.hear(B, Height(1_039), now);
    belief.distrust(A);
    assert_eq!(
        belief.clock().highest(),
        Some(Height(1_039)),
        "B names it too"
    );
    belief.hear(A, Height(1_045), now + 30 * S);
    belief.distrust(A);
    assert_eq!(belief.clock().highest(), None);
    assert!(belief.clock().is_measured(), "the pace stays");
    let (mut alone, _) = settled(1, Instant::now());
    alone.distrust(A);
    assert_eq!(alone.clock().highest(), Some(Height(1_039)));
}

/// How a liar chooses the heights that it names.
#[derive(Clone, Copy, Debug)]
enum Lie {
    /// Mostly the truth, and sometimes a number far above it.
    Sometimes,
    Anything,
    Highest,
    StillAbove,
    StillBelow,
    /// A chain of its own, far above.
    ChainAbove,
    /// Up by thousands with each answer.
    Climbing,
    /// The truth for a while, then a chain of its own.
    Later,
}

const LIES: [Lie; 8] = [
    Lie::Sometimes,
    Lie::Anything,
    Lie::Highest,
    Lie::StillAbove,
    Lie::StillBelow,
    Lie::ChainAbove,
    Lie::Climbing,
    Lie::Later,
];

impl Lie {
    fn height(self, truth: u64, asked: u64, random: u64, own: u64) -> u64 {
        match self {
            Lie::Sometimes if !random.is_multiple_of(8) => truth,
            Lie::Sometimes | Lie::Anything => random >> (1 + random % 45),
            Lie::Highest => Height::MAX.0 - 1_000 * own,
            Lie::StillAbove => FAR * own,
            Lie::StillBelow => 17 * own,
            Lie::ChainAbove => truth + 5_000 * own,
            Lie::Climbing => truth + 3_000 * asked * own,
            Lie::Later if asked < 100 => truth,
            Lie::Later => truth + 700 * own,
        }
    }
}

/// One honest endpoint in a list of liars that do not lie together, asked as the client does.
struct List {
    liars: Vec<Option<Lie>>,
    asked: Vec<u64>,
    left_until: Vec<Instant>,
    belief: Belief,
    jitter: Jitter,
}

impl List {
    fn ask(&mut self, place: usize, truth: u64, now: Instant) -> bool {
        let random = self.jitter.number();
        self.asked[place] += 1;
        let asked = self.asked[place];
        let lag = random % 2;
        let height = self.liars[place].map_or(truth - lag, |lie| {
            lie.height(truth, asked, random, place as u64 + 1)
        });
        let judged = self
            .belief
            .hear(EndpointId(place), Height(height.min(Height::MAX.0)), now);
        let floor = self.belief.clock().floor(now).unwrap_or_default();
        if judged == Judgement::Refuted {
            self.left_until[place] = now + 600 * S;
            self.belief.distrust(EndpointId(place));
        } else if is_behind(Height(height), floor) {
            self.left_until[place] = now + 30 * S;
        }
        judged == Judgement::Believed
    }

    fn poll(&mut self, truth: u64, now: Instant) {
        let places = 0..self.liars.len();
        let mut usable: Vec<usize> = places.collect();
        // Of endpoints that were all left, the one whose pause ends first is asked.
        usable.sort_by_key(|place| self.left_until[*place].max(now));
        let (current, others) = usable.split_first().unwrap();
        self.ask(*current, truth, now);
        if self.belief.asks_others(now) {
            for place in others {
                self.ask(*place, truth, now);
            }
        }
    }
}

#[test]
fn with_one_honest_endpoint_the_belief_returns_to_its_height() {
    for seed in 0..400 {
        let mut jitter = Jitter::new(seed);
        let count = 2 + usize::try_from(jitter.number() % 3).unwrap();
        let honest = usize::try_from(jitter.number()).unwrap_or(0) % count;
        let mut lie = |place| {
            let random = usize::try_from(jitter.number() >> 33).unwrap();
            (place != honest).then(|| LIES[random % LIES.len()])
        };
        let liars: Vec<_> = (0..count).map(&mut lie).collect();
        let start = Instant::now();
        let mut list = List {
            asked: vec![0; count],
            left_until: vec![start; count],
            belief: Belief::new(count),
            jitter: Jitter::new(seed),
            liars,
        };
        let mut off = 0;
        for second in 0..1_200_u64 {
            let now = start + S * u32::try_from(second).unwrap();
            let truth = 100_000 + second / 5;
            list.poll(truth, now);
            let believed = list.belief.clock().highest();
            let is_right = believed.is_some_and(|height| height.0.abs_diff(truth) <= 4);
            off = if is_right { 0 } else { off + 1 };
            assert!(
                off <= 90,
                "seed {seed}, second {second}: {believed:?}, {:?}",
                list.liars
            );
        }
    }
}

#[test]
fn timeouts_are_counted_from_the_lower_of_two_heights_that_differ_little() {
    let (mut belief, now) = settled(2, Instant::now());
    let block = 5 * S;
    assert!(belief.wants_comparison(A, now));
    belief.hear(B, Height(1_037), now);
    belief.hear(A, Height(1_040), now + S);
    assert!(!belief.wants_comparison(A, now + S));
    assert_eq!(belief.clock().highest(), Some(Height(1_040)));
    assert_eq!(belief.sure_height(now + S), Some(Height(1_037)));
    // It is extended by the pace, for a while.
    belief.hear(A, Height(1_043), now + 3 * block);
    assert_eq!(belief.sure_height(now + 3 * block), Some(Height(1_040)));
    belief.hear(A, Height(1_060), now + 20 * block);
    assert_eq!(belief.sure_height(now + 20 * block), Some(Height(1_060)));
    assert!(belief.wants_comparison(A, now + 20 * block));
}

#[test]
fn a_node_that_stands_still_or_is_far_behind_lowers_no_timeout() {
    for (height, stood) in [(1_030, 0), (1_038, 20)] {
        let (mut belief, now) = settled(2, Instant::now());
        belief.hear(B, Height(height), now);
        let later = now + S * stood;
        belief.hear(B, Height(height), later);
        let highest = Height(1_040 + u64::from(stood) / 5);
        belief.hear(A, highest, later);
        assert_eq!(belief.sure_height(later), Some(highest), "{height}");
    }
    let (mut alone, now) = settled(1, Instant::now());
    alone.hear(A, Height(1_041), now + S);
    assert_eq!(alone.sure_height(now + S), Some(Height(1_041)));
    assert!(!alone.wants_comparison(A, now + 100 * S));
}

#[test]
fn a_lead_of_an_endpoint_asked_beside_makes_no_honest_answer_old() {
    for lead in 1..=APART_BLOCKS {
        let start = Instant::now();
        let (mut belief, mut now) = settled(2, start);
        for _ in 0..30 {
            now += 5 * S;
            let truth = height(start, now);
            belief.hear(A, truth, now);
            let judged = belief.hear_beside(B, truth.plus(lead), now);
            assert_eq!(judged, Judgement::Believed);
            assert_eq!(belief.clock().floor(now), Some(truth), "{lead}");
            assert_eq!(belief.sure_height(now), Some(truth));
        }
        // once the one in use stands still, the other one counts
        let later = now + 60 * S;
        belief.hear_beside(B, height(start, later), later);
        assert_eq!(belief.clock().highest(), Some(height(start, later)));
    }
    let (mut belief, now) = settled(2, Instant::now());
    let judged = belief.hear_beside(B, Height(FAR), now);
    assert_eq!(judged, Judgement::Unconfirmed, "no chain gets there");
}

#[test]
fn the_lead_of_an_endpoint_that_is_left_is_forgotten() {
    let start = Instant::now();
    for lead in 1..=APART_BLOCKS {
        let (mut belief, now) = settled(2, start);
        let truth = height(start, now);
        belief.hear(A, truth.plus(lead), now);
        belief.hear_beside(B, truth, now);
        assert_eq!(belief.clock().floor(now), Some(truth.plus(lead)));
        belief.left(B, now);
        assert_eq!(belief.clock().floor(now), Some(truth.plus(lead)), "not B's");
        belief.left(A, now);
        assert_eq!(belief.clock().floor(now), Some(truth), "{lead}");
        assert!(belief.clock().is_measured());
    }
    let (mut belief, now) = settled(2, start);
    belief.hear(B, Height(900), now);
    belief.left(A, now);
    let highest = belief.clock().highest();
    assert_eq!(highest, Some(Height(1_039)), "B is far behind");
}
