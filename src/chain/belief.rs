//! Decides which heights are believed. Every height is one node's claim: a lie, a node that is
//! stuck, or a load balancer's odd machine must neither make honest answers count as old nor move
//! a `timeout_height`. No I/O, `now` is passed in.
//!
//! Heights of one endpoint that follow each other at a possible pace form a `Track`. The rules:
//!
//! - A height up to the ceiling, which is what the elapsed time allows above the highest one
//!   believed, is believed at once. One above the measured pace is confirmed by another endpoint
//!   first, if one answers.
//! - A leap above it needs a second endpoint that names the same, or a track that moves steadily
//!   while nobody reaches the highest height any more.
//! - The first height of all is compared with another endpoint's, if one answers. If they differ,
//!   the one that moves is believed. If both move, the higher one while the other may just be late,
//!   else the lower one: a timeout that is too low costs time, one that is too high may cost money.
//! - A height that stands still loses to a lower one that moves. One up to `FORGET_AFTER` below it may
//!   be a late node's, unless two endpoints name it and it has moved for a minute: the chain was reset.
//! - A lead of a few blocks is no reason to prefer an endpoint: one that is asked beside the one in use
//!   raises nothing by it, and when the one in use is left, its lead is forgotten.
//! - Timeouts are counted from the lower of two heights that differ little: see
//!   [`Belief::sure_height`].
//!
//! Two endpoints that both move, each like a chain, cannot be told apart by heights. What decides
//! then is whether payloads get into blocks; the sender reports that.

use std::time::{Duration, Instant};

use crate::chain::clock::watch::BlockWatch;
use crate::chain::clock::{BLOCK_TIME_MIN, ChainClock, DRIFT_PARTS, FORGET_AFTER};
use crate::chain::endpoints::EndpointId;
use crate::values::units::Height;

/// Healthy nodes are up to this many blocks apart (protocol.md section 3.1), with one to spare.
pub const APART_BLOCKS: u64 = 4;

/// Blocks may come this many times as quickly as measured.
const QUICKER: u32 = 2;

/// A track of two moves after each other is steady: one move may be a coincidence.
const STEADY_MOVES: usize = 2;

/// How long different first heights are compared at most: three blocks; and if one of them has moved
/// `QUICK_MOVES` times, which may be a quick chain: longer than a block of a usual one.
const CONTEST_MAX: Duration = Duration::from_secs(15);
const CONTEST_QUICK: Duration = Duration::from_secs(8);
const QUICK_MOVES: u32 = 8;

/// A leap that is repeated for this long while nobody reaches the highest height is believed though
/// it does not move: the chain went on during an outage, and halts now.
const LEAP_STANDS: Duration = Duration::from_secs(60);

/// Two endpoints that name about the same lower height for this long, which moves, are not both late.
const RESET_LASTS: Duration = Duration::from_secs(60);

/// A highest height that is older than this, and than [`STILL_BLOCKS`], stands still.
const STILL_MIN: Duration = Duration::from_secs(10);
const STILL_BLOCKS: u32 = 6;

/// A node may be this many blocks late and still answer.
const LATE_BLOCKS_MAX: u64 = 60;

/// A track says nothing about an endpoint that was last heard longer ago than this.
const LIVE: Duration = Duration::from_secs(60);

/// For how many blocks another endpoint's height is extended by the pace, and how many it may have
/// stood still.
const COMPARED_BLOCKS: u32 = 12;
const MOVES_WITHIN_BLOCKS: u32 = 3;

/// How many tracks are kept per endpoint: behind one address may be several nodes.
const TRACKS_MAX: usize = 3;

/// First and longest time between two questions to other endpoints; it grows while the heights
/// stay in doubt.
const ASK_OTHERS_EVERY: (Duration, Duration) =
    (Duration::from_millis(250), Duration::from_secs(60));

/// Whether a height is so little above the highest one that a node which names it may be right, and
/// the others late.
pub fn is_little_ahead(height: Height, highest: Height) -> bool {
    height <= highest.plus(LATE_BLOCKS_MAX)
}

/// What a height is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// It can be: the answer counts if it is not from below the floor.
    Believed,
    /// Nothing confirms it so far: the answer does not count.
    Unconfirmed,
    /// Another endpoint contradicts it.
    Refuted,
}

/// Heights of one endpoint of which each follows from the one before.
#[derive(Clone, Copy, Debug)]
struct Track {
    endpoint: EndpointId,
    height: Height,
    /// When the first height was named.
    from: Instant,
    /// When `height` was first named.
    since: Instant,
    heard_at: Instant,
    /// The last moves, the newest first.
    moves: [Option<Instant>; STEADY_MOVES],
    moves_count: u32,
}

/// Everything that is believed about heights, and the claims it follows from.
#[derive(Clone, Debug)]
pub struct Belief {
    watch: BlockWatch,
    tracks: Vec<Track>,
    endpoints: usize,
    /// Since when nothing is believed although a height was named, or a leap is unconfirmed.
    doubt_since: Option<Instant>,
    others_asked: Option<Instant>,
    /// The last height that was possible but above the pace, and is unconfirmed.
    above_pace: Option<(EndpointId, Height)>,
    /// The sighting that was furthest ahead of the pace, from which the pace is extended: the highest
    /// height may be a late node's. With the block time of that moment.
    ahead: Option<(Height, Instant, Duration)>,
    /// Time that passed since the highest height was seen, of which `Instant` knows nothing.
    slept: Duration,
}

impl Belief {
    /// Nothing is known of any of these `endpoints`.
    pub fn new(endpoints: usize) -> Belief {
        Belief {
            watch: BlockWatch::default(),
            tracks: Vec::new(),
            endpoints,
            doubt_since: None,
            others_asked: None,
            above_pace: None,
            ahead: None,
            slept: Duration::ZERO,
        }
    }

    /// The height and pace that are believed.
    pub fn clock(&self) -> ChainClock {
        self.watch.clock()
    }

    /// The height that a `timeout_height` is counted from: the highest one, unless an endpoint that
    /// was heard shortly before is up to `APART_BLOCKS` below it. Which of the two is right is not
    /// known, and a timeout that is too low costs less than one that is too high.
    pub fn sure_height(&self, now: Instant) -> Option<Height> {
        let clock = self.clock();
        let highest = clock.highest()?;
        let block_time = clock.block_time();
        let lowest = self.tracks.iter().filter_map(|track| {
            let unheard = now.saturating_duration_since(track.heard_at);
            let stood = track.heard_at.saturating_duration_since(track.since);
            let blocks = unheard.as_nanos() / block_time.as_nanos().max(1);
            let height = track.height.plus(u64::try_from(blocks).ok()?);
            let counts =
                unheard < block_time * COMPARED_BLOCKS && stood < block_time * MOVES_WITHIN_BLOCKS;
            (counts && height.plus(APART_BLOCKS) >= highest).then_some(height)
        });
        Some(lowest.min().map_or(highest, |height| height.min(highest)))
    }

    /// Whether no endpoint but this one was heard for half of the time that a comparison counts.
    pub fn wants_comparison(&self, id: EndpointId, now: Instant) -> bool {
        let is_recent = |track: &Track| {
            let unheard = now.saturating_duration_since(track.heard_at);
            track.endpoint != id && unheard < self.clock().block_time() * COMPARED_BLOCKS / 2
        };
        self.endpoints > 1 && !self.tracks.iter().any(is_recent)
    }

    /// Notes that the machine was suspended: the height may have grown during this time as well.
    pub fn slept(&mut self, time: Duration) {
        self.slept = self.slept.saturating_add(time);
    }

    /// Takes the height of an answer that arrived at `now`.
    pub fn hear(&mut self, id: EndpointId, height: Height, now: Instant) -> Judgement {
        let track = self.follow(id, height, now);
        let Some(highest) = self.clock().highest() else {
            return self.judge_first(track, now);
        };
        if height > self.ceiling(now) {
            if self.above_pace == Some((id, height)) {
                // why: another endpoint has named a lower one meanwhile, as was asked of it
                self.doubt_since = None;
                return Judgement::Refuted;
            }
            return self.judge_leap(track, now);
        }
        if height < highest && self.loses_to(&track, now) {
            self.believe_anew(height, now);
            return Judgement::Believed;
        }
        self.judge_possible(track, now)
    }

    /// Takes the height of an endpoint that was asked beside the one in use. What the pace allows is
    /// believed, and raises nothing while another endpoint keeps to the highest height: its answers
    /// would count as old for a lead that may be invented.
    pub fn hear_beside(&mut self, id: EndpointId, height: Height, now: Instant) -> Judgement {
        let clock = self.clock();
        let age = clock.height_age(now).unwrap_or_default();
        let is_paced = clock
            .highest()
            .is_some_and(|highest| highest < height && height <= self.at_pace(highest, age));
        let is_kept = |track: &Track| track.endpoint != id && self.is_near_highest(track, now);
        if is_paced && !self.stands_still(now) && self.tracks.iter().any(is_kept) {
            self.follow(id, height, now);
            return Judgement::Believed;
        }
        self.hear(id, height, now)
    }

    /// An endpoint is left for what it says: the highest height is that of the others again, if they
    /// are a few blocks below it.
    pub fn left(&mut self, id: EndpointId, now: Instant) {
        let is_near = |track: &&Track| {
            let unheard = now.saturating_duration_since(track.heard_at);
            track.endpoint != id && unheard < LIVE && self.is_near_highest(track, now)
        };
        let others = self.tracks.iter().filter(is_near);
        let highest_other = others.map(|track| track.height).max();
        if let Some(height) = highest_other.filter(|height| Some(*height) < self.clock().highest())
        {
            self.believe_anew(height, now);
        }
    }

    /// No other endpoint names a height: the first one, or a possible one, is believed, as with a
    /// single endpoint.
    pub fn hear_alone(&mut self, height: Height, now: Instant) {
        if self.clock().highest().is_none() {
            self.believe_anew(height, now);
        } else if height <= self.ceiling(now) {
            self.believe(height, now);
        }
    }

    /// Whether another endpoint should be asked for its height, because heights are in doubt or the
    /// highest one stands still. True only once in a while: the caller asks.
    pub fn asks_others(&mut self, now: Instant) -> bool {
        let still_since = self.clock().seen_at().filter(|_| self.stands_still(now));
        let Some(since) = self
            .doubt_since
            .or(still_since)
            .filter(|_| self.endpoints > 1)
        else {
            return false;
        };
        let (first, most) = ASK_OTHERS_EVERY;
        let every = (now.saturating_duration_since(since) / 8).clamp(first, most);
        let is_recent = |at: Instant| now.saturating_duration_since(at) < every;
        if self.others_asked.is_some_and(is_recent) {
            return false;
        }
        self.others_asked = Some(now);
        true
    }

    /// An endpoint is not believed any more: its heights are forgotten, and so is the highest one
    /// unless another endpoint comes near it.
    pub fn distrust(&mut self, id: EndpointId) {
        let of_it = |track: &Track| track.endpoint == id;
        let Some(highest) = self.clock().highest().filter(|_| self.endpoints > 1) else {
            return self.tracks.retain(|track| !of_it(track));
        };
        let is_near = |track: &&Track| track.height.plus(APART_BLOCKS) >= highest;
        let named: Vec<bool> = self.tracks.iter().filter(is_near).map(of_it).collect();
        self.tracks.retain(|track| !of_it(track));
        if named.contains(&true) && !named.contains(&false) {
            self.watch.forget();
            self.ahead = None;
        }
    }

    /// Adds the height to the track that it follows from, or begins one.
    fn follow(&mut self, id: EndpointId, height: Height, now: Instant) -> Track {
        let follows = |track: &Track| {
            let since = now.saturating_duration_since(track.since) + self.slept;
            let most = track.height.plus(self.blocks_in(since));
            track.endpoint == id && height.plus(APART_BLOCKS) >= track.height && height <= most
        };
        if let Some(place) = self.tracks.iter().position(follows) {
            let track = &mut self.tracks[place];
            track.heard_at = now;
            if height > track.height {
                track.moves = [Some(now), track.moves[0]];
                track.moves_count = track.moves_count.saturating_add(1);
                (track.height, track.since) = (height, now);
            }
            return *track;
        }
        let of_it = |track: &&Track| track.endpoint == id;
        if self.tracks.iter().filter(of_it).count() >= TRACKS_MAX {
            let of_it = self
                .tracks
                .iter()
                .enumerate()
                .filter(|(_, t)| t.endpoint == id);
            let oldest = of_it.min_by_key(|(_, track)| track.heard_at);
            let oldest = oldest.map(|(place, _)| place);
            oldest.map(|place| self.tracks.swap_remove(place));
        }
        let track = Track {
            endpoint: id,
            height,
            from: now,
            since: now,
            heard_at: now,
            moves: [None; STEADY_MOVES],
            moves_count: 0,
        };
        self.tracks.push(track);
        track
    }

    /// The most blocks in this time.
    fn blocks_in(&self, time: Duration) -> u64 {
        let clock = self.clock();
        let measured = clock.quick_block_time();
        let usual = measured.or(clock.is_measured().then(|| clock.block_time()));
        let quickest = usual.unwrap_or(BLOCK_TIME_MIN).max(BLOCK_TIME_MIN) / QUICKER;
        let blocks = time.as_nanos() / quickest.as_nanos().max(1);
        u64::try_from(blocks)
            .unwrap_or(u64::MAX)
            .saturating_add(APART_BLOCKS)
    }

    /// The highest height that is believed at once.
    fn ceiling(&self, now: Instant) -> Height {
        let clock = self.clock();
        let age = clock.height_age(now).unwrap_or_default() + self.slept;
        let highest = clock.highest().unwrap_or_default();
        let by_pace = self.by_pace(now).unwrap_or_default();
        let by_pace = by_pace
            .min(highest.plus(LATE_BLOCKS_MAX))
            .plus(APART_BLOCKS);
        highest.plus(self.blocks_in(age)).max(by_pace)
    }

    /// The height that follows from the pace.
    fn by_pace(&self, now: Instant) -> Option<Height> {
        let (height, at, block_time) = self.ahead?;
        let since = now.saturating_duration_since(at).as_nanos();
        let blocks = since / block_time.as_nanos().max(1);
        Some(height.plus(u64::try_from(blocks).unwrap_or(u64::MAX)))
    }

    fn stands_still(&self, now: Instant) -> bool {
        let clock = self.clock();
        let still = STILL_MIN.max(clock.block_time() * STILL_BLOCKS);
        clock.is_measured() && clock.height_age(now).is_some_and(|age| age >= still)
            || clock
                .height_age(now)
                .is_some_and(|age| age >= STILL_MIN * 3)
    }

    /// Whether the highest height, which stands still, gives way to this lower track, which moves.
    /// A node that is only late reaches it by itself in time.
    fn loses_to(&self, track: &Track, now: Instant) -> bool {
        let clock = self.clock();
        let highest = clock.highest().unwrap_or_default();
        let within = FORGET_AFTER.as_nanos() / clock.block_time().as_nanos().max(1);
        let within = u64::try_from(within).unwrap_or(u64::MAX);
        // why: of a single endpoint no other one is late, and the pace may be a lie as well
        let most = if self.endpoints > 1 && !self.is_reset(track, now) {
            u64::MAX
        } else {
            LATE_BLOCKS_MAX
        };
        let is_late = track.height.plus(within.min(most)) >= highest;
        let stands = self.stands_still(now) && track.is_steady_since(clock.seen_at());
        let lasts = now.saturating_duration_since(track.from) >= CONTEST_MAX;
        let moves = track.is_steady() && lasts && !self.is_kept(now);
        !is_late && (stands || moves)
    }

    /// Whether another endpoint names about the same height, and both have moved for `RESET_LASTS`
    /// since any reached the highest one.
    fn is_reset(&self, track: &Track, now: Instant) -> bool {
        let reached_at = self.clock().reached_at();
        let lasts = |of: &Track| {
            // why: an endpoint that was late before the highest height fell silent proves nothing by that
            let since = now.saturating_duration_since(of.from.max(reached_at.unwrap_or(of.from)));
            of.is_steady_since(reached_at) && since >= RESET_LASTS
        };
        let mut others = self.tracks.iter();
        lasts(track) && others.any(|other| lasts(other) && self.is_about_as_high(track, other, now))
    }

    /// Judges a height up to the ceiling. One above the measured pace is confirmed by another
    /// endpoint first: a `timeout_height` that follows from it may be too high.
    fn judge_possible(&mut self, track: Track, now: Instant) -> Judgement {
        let clock = self.clock();
        let highest = clock.highest().unwrap_or_default();
        let age = clock.height_age(now).unwrap_or_default() + self.slept;
        let is_paced = !clock.is_measured() || track.height <= self.at_pace(highest, age);
        let since = |other: &Track| now.saturating_duration_since(other.heard_at);
        let names = |other: &Track| track.height <= self.at_pace(other.height, since(other));
        let others = || {
            let is_other = |other: &&Track| other.endpoint != track.endpoint;
            self.tracks.iter().filter(is_other)
        };
        let is_named = others().any(|other| since(other) < LIVE && names(other));
        let is_alone = self.endpoints <= 1;
        if is_alone || is_paced || is_named || track.is_steady_since(clock.reached_at()) {
            self.believe(track.height, now);
            return Judgement::Believed;
        }
        let contradicts =
            |other: &Track| other.heard_at >= track.since && self.is_near_highest(other, now);
        if others().any(contradicts) {
            self.doubt_since = None;
            return Judgement::Refuted;
        }
        self.above_pace = Some((track.endpoint, track.height));
        self.doubt_since.get_or_insert(now);
        Judgement::Unconfirmed
    }

    /// The most that the measured pace makes of a height in this time.
    fn at_pace(&self, height: Height, time: Duration) -> Height {
        let blocks = time.as_nanos() / self.clock().block_time().as_nanos().max(1);
        let blocks = u64::try_from(blocks + blocks / u128::from(DRIFT_PARTS));
        height.plus(blocks.unwrap_or(u64::MAX)).plus(APART_BLOCKS)
    }

    fn judge_leap(&mut self, track: Track, now: Instant) -> Judgement {
        let (clock, is_kept) = (self.clock(), self.is_kept(now));
        let reached = clock.reached_at().is_some_and(|at| at > track.from);
        let lasts = now.saturating_duration_since(track.from);
        let stands = !reached && lasts >= LEAP_STANDS;
        if track.is_steady() && !is_kept && self.endpoints > 1 {
            return self.contest(track, now);
        }
        let moves = track.is_steady() && !reached;
        let is_named = !(reached && is_kept) && self.is_named_elsewhere(&track, now);
        if stands || moves || is_named {
            self.believe(track.height, now);
            return Judgement::Believed;
        }
        let contradicts = |other: &Track| {
            let is_newer = other.heard_at >= track.from;
            other.endpoint != track.endpoint && is_newer && self.is_near_highest(other, now)
        };
        if is_kept && self.tracks.iter().any(contradicts) {
            self.doubt_since = None;
            return Judgement::Refuted;
        }
        self.doubt_since.get_or_insert(now);
        Judgement::Unconfirmed
    }

    /// Whether a track that has moved is near the highest height. What no track keeps to is not
    /// defended against a height that moves.
    fn is_kept(&self, now: Instant) -> bool {
        let live = |track: &Track| now.saturating_duration_since(track.heard_at) < LIVE;
        let keeps = |track: &Track| {
            track.moves[0].is_some() && live(track) && self.is_near_highest(track, now)
        };
        self.tracks.iter().any(keeps)
    }

    fn is_near_highest(&self, track: &Track, now: Instant) -> bool {
        let highest = self.clock().highest().unwrap_or_default();
        track.height.plus(APART_BLOCKS) >= highest && track.height <= self.ceiling(now)
    }

    /// Judges a height while nothing is believed.
    fn judge_first(&mut self, track: Track, now: Instant) -> Judgement {
        if self.endpoints <= 1 || self.is_named_elsewhere(&track, now) {
            self.believe_anew(track.height, now);
            return Judgement::Believed;
        }
        self.contest(track, now)
    }

    /// Believes one of the tracks that differ, once it is decided which; judges this one.
    fn contest(&mut self, track: Track, now: Instant) -> Judgement {
        let since = *self.doubt_since.get_or_insert(now);
        let Some(winner) = self.winner(since, now) else {
            return Judgement::Unconfirmed;
        };
        self.believe_anew(winner.height, now);
        if winner.endpoint == track.endpoint && winner.height == track.height {
            Judgement::Believed
        } else {
            Judgement::Unconfirmed
        }
    }

    /// The track to believe, of several that differ; `None` while it is undecided.
    fn winner(&self, since: Instant, now: Instant) -> Option<Track> {
        let live = |track: &&Track| now.saturating_duration_since(track.heard_at) < LIVE;
        let live: Vec<&Track> = self.tracks.iter().filter(live).collect();
        let is_quick = live.iter().any(|track| track.moves_count >= QUICK_MOVES);
        let most = if is_quick { CONTEST_QUICK } else { CONTEST_MAX };
        let is_over = now.saturating_duration_since(since) >= most;
        // why: after so long a single move shows that a chain is behind it
        let moves = |t: &&Track| t.is_steady() || is_over && t.moves[0].is_some();
        let moving: Vec<&Track> = live.iter().copied().filter(moves).collect();
        let others_may_move = live
            .iter()
            .any(|t| moving.iter().all(|m| m.endpoint != t.endpoint));
        if others_may_move && !is_over || live.is_empty() {
            return None;
        }
        let candidates = if moving.is_empty() { live } else { moving };
        let lowest = candidates.iter().map(|track| track.height).min()?;
        let block_time = self.clock().block_time().as_nanos().max(1);
        let late = u64::try_from(FORGET_AFTER.as_nanos() / block_time).unwrap_or(u64::MAX);
        let near = candidates
            .iter()
            .filter(|track| track.height <= lowest.plus(late));
        near.max_by_key(|track| track.height).map(|track| **track)
    }

    /// Whether another endpoint names about the same height.
    fn is_named_elsewhere(&self, track: &Track, now: Instant) -> bool {
        let mut others = self.tracks.iter();
        others.any(|other| self.is_about_as_high(track, other, now))
    }

    /// Whether `other` is another endpoint's track of about the same height.
    fn is_about_as_high(&self, track: &Track, other: &Track, now: Instant) -> bool {
        let since = now.saturating_duration_since(other.heard_at);
        other.endpoint != track.endpoint
            && since < LIVE
            && track.height.plus(APART_BLOCKS) >= other.height
            && track.height <= other.height.plus(self.blocks_in(since))
    }

    fn believe(&mut self, height: Height, now: Instant) {
        let before = self.clock().highest();
        self.watch.observe(height, now);
        if self.clock().highest() != before {
            self.doubt_since = None;
            self.slept = Duration::ZERO;
            let clock = self.clock();
            if clock.highest() >= self.by_pace(now) {
                self.ahead = clock
                    .highest()
                    .map(|highest| (highest, now, clock.block_time()));
            }
        }
    }

    /// Believes a height whatever was believed before.
    fn believe_anew(&mut self, height: Height, now: Instant) {
        self.watch.forget();
        self.ahead = None;
        self.believe(height, now);
    }
}

impl Track {
    fn is_steady(&self) -> bool {
        self.moves.iter().all(Option::is_some)
    }

    /// Whether it has moved steadily after this moment.
    fn is_steady_since(&self, since: Option<Instant>) -> bool {
        self.moves
            .iter()
            .all(|at| at.is_some_and(|at| since.is_none_or(|since| at > since)))
    }
}

#[cfg(test)]
mod tests;
