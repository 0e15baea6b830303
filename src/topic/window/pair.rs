//! Two machines with one worker against a chain: random delays, losses, pauses, kills and endpoints
//! that are late, by `Memory`'s own steps. What is promised: while heights are true, no nonce is paid
//! for twice.

use super::*;
use crate::topic::nonce::Sent;
use crate::values::decimal::Decimal;
use crate::values::payload::Payload;
use crate::values::standby::{BLOCKS_MIN, Role};

const BLOCK: Duration = Duration::from_secs(5);
const NONCE: u64 = 100;
/// The blocks of a transaction, as the broadcaster limits them.
const TIMEOUT_BLOCKS: u64 = 6;
/// An endpoint is at most this late.
const LATE_MAX: u64 = 3;

struct PoolTx {
    from: Role,
    sequence: usize,
    timeout: u64,
}

/// The chain: its height, its mempools, and the blocks that took a fee for the nonce.
struct SharedChain {
    height: u64,
    pool: Vec<PoolTx>,
    paid: Vec<(Role, u64)>,
}

impl SharedChain {
    /// Makes a block, which includes each transaction by chance, or loses it.
    fn make_block(&mut self, chance: &mut Jitter) {
        self.height += 1;
        let pool = std::mem::take(&mut self.pool);
        for tx in pool {
            match chance.number() % 8 {
                _ if tx.timeout < self.height => {}
                _ if tx.sequence != self.sequence(tx.from, self.height) => {}
                0..4 => self.paid.push((tx.from, self.height)),
                4 => {}
                _ => self.pool.push(tx),
            }
        }
    }

    /// The account's sequence at this height.
    fn sequence(&self, of: Role, height: u64) -> usize {
        let is_used = |(from, at): &&(Role, u64)| *from == of && *at <= height;
        self.paid.iter().filter(is_used).count()
    }

    fn is_served_at(&self, height: u64) -> bool {
        self.paid.first().is_some_and(|(_, at)| *at <= height)
    }
}

/// A transaction of a machine, from its signature on.
struct InHand {
    /// It is sent after this many steps.
    held_for: u64,
    sequence: usize,
    timeout: u64,
}

struct Machine {
    role: Role,
    standby: Standby,
    memory: Memory,
    flight: Option<InHand>,
    /// The highest height that it knows.
    height: u64,
    /// When an answer last had it.
    reached_at: Instant,
    /// The first height that it knew.
    first: u64,
    /// The account's next sequence.
    sequence: usize,
    paused_for: u64,
}

impl Machine {
    fn new(standby: Standby, world: &SharedChain, now: Instant) -> Machine {
        let height = world.height - 1;
        Machine {
            role: standby.role,
            standby,
            memory: Memory::new(now, Jitter::new(1)).sharing(Some(standby)),
            flight: None,
            height,
            reached_at: now,
            first: height,
            sequence: world.sequence(standby.role, height),
            paused_for: 0,
        }
    }

    fn knows(&mut self, height: u64, now: Instant) {
        if height >= self.height {
            (self.height, self.reached_at) = (height, now);
        }
    }

    fn pace(&self, now: Instant) -> Pace {
        Pace {
            now,
            height: Height(self.height),
            block_time: BLOCK,
            quick: Some(BLOCK),
            cautious: BLOCK,
            height_age: Duration::ZERO,
            seen_at: self.reached_at,
            reached_at: self.reached_at,
            next_block: (self.reached_at + BLOCK, self.reached_at + BLOCK),
            expected: None,
            look_every: BLOCK,
        }
    }

    fn step(&mut self, world: &mut SharedChain, end: u64, now: Instant, chance: &mut Jitter) {
        match chance.number() % 512 {
            0 => *self = Machine::new(self.standby, world, now),
            1..5 => self.paused_for = chance.number() % 60,
            _ => {}
        }
        if self.paused_for > 0 {
            self.paused_for -= 1;
            return;
        }
        let answered_at = world.height - chance.number() % (LATE_MAX + 1);
        if self.flight.is_some() {
            return self.follow(world, answered_at, now);
        }
        self.carry_out(world, end, answered_at, now, chance);
    }

    fn carry_out(
        &mut self,
        world: &SharedChain,
        end: u64,
        answered_at: u64,
        now: Instant,
        chance: &mut Jitter,
    ) {
        let pace = self.pace(now);
        let step = self.memory.next(&pace);
        if matches!(step, Step::Look | Step::AskServed(..)) {
            self.knows(answered_at, now);
        }
        let pace = self.pace(now);
        match step {
            Step::Look => {
                let is_open = (NONCE..end).contains(&answered_at);
                let open = is_open.then_some((NONCE, end));
                let next = if answered_at < NONCE { 0 } else { 1_000 };
                let status = WindowStatus::serving(open, Some((NONCE + next, end + next)));
                self.memory.saw(status, Height(answered_at), &pace);
            }
            // why: only an answer from the highest height known counts
            Step::AskServed(_, from) if answered_at >= from.0.max(self.height) => {
                let is_served = world.is_served_at(answered_at);
                let height = (!is_served).then_some(Height(answered_at));
                let open = self.memory.nonce.as_mut().unwrap();
                let sent = open.served_is_known(height);
                if is_served {
                    self.memory.finish();
                } else if sent.is_some() {
                    self.memory.nonce_failed(&pace, String::new());
                }
            }
            Step::Infer(_) => {
                let payload = Payload::from_value(Decimal::parse("1.5").unwrap());
                let open = self.memory.nonce.as_mut().unwrap();
                open.made_ready(payload, now, None);
            }
            Step::Submit(_) => self.sign(world, chance),
            Step::Over(_) => {
                self.memory.finish();
            }
            Step::AskServed(..) | Step::Sleep(_) | Step::Register => {}
        }
    }

    /// Signs as the broadcaster does: until the machine's last block; after a start from the second
    /// block on (R10), and with a sequence that moved only once "served?" is answered again (R5).
    fn sign(&mut self, world: &SharedChain, chance: &mut Jitter) {
        let sequence = world.sequence(self.role, self.height);
        let open = self.memory.nonce.as_mut().unwrap();
        let last = open.last_block.0;
        let is_held = self.first >= NONCE && self.height == self.first;
        if self.height >= last || is_held {
            return;
        }
        if self.sequence != sequence {
            self.sequence = sequence;
            open.ask_served_from = Some(Height(self.height));
            return;
        }
        self.flight = Some(InHand {
            held_for: chance.number() % 30,
            sequence,
            timeout: last.min(self.height + TIMEOUT_BLOCKS),
        });
    }

    /// Sends what is signed, once, and waits until it is in a block or has expired.
    fn follow(&mut self, world: &mut SharedChain, answered_at: u64, now: Instant) {
        let flight = self.flight.as_mut().unwrap();
        if flight.held_for > 0 {
            flight.held_for -= 1;
            if flight.held_for == 0 {
                world.pool.push(PoolTx {
                    from: self.role,
                    sequence: flight.sequence,
                    timeout: flight.timeout,
                });
            }
            return;
        }
        let (sequence, timeout) = (flight.sequence, flight.timeout);
        self.knows(answered_at, now);
        let consumed = world.sequence(self.role, answered_at) > sequence;
        if consumed || answered_at >= timeout {
            let mut sent = Sent::used_at(Height(answered_at));
            sent.settled.consumed = consumed;
            self.flight = None;
            self.sequence = world.sequence(self.role, answered_at);
            if let Some(open) = &mut self.memory.nonce {
                open.settled(sent);
            }
        }
    }
}

/// Who paid for the nonce of one window.
fn play(seed: u64) -> Vec<Role> {
    let chance = &mut Jitter::new(seed);
    let blocks = 1 + chance.number() % 20;
    let after_blocks = match chance.number() % 3 {
        0 => None,
        _ => Some(BLOCKS_MIN + chance.number() % 12),
    };
    let mut now = Instant::now();
    let mut world = SharedChain {
        height: NONCE - 2 * TIMEOUT_BLOCKS,
        pool: Vec::new(),
        paid: Vec::new(),
    };
    // why: with the number set, the length that a node names decides nothing
    let named = match after_blocks {
        Some(_) => 1 + chance.number() % 20,
        None => blocks,
    };
    let ends = [NONCE + blocks, NONCE + named];
    let mut machines = [Role::Primary, Role::Standby]
        .map(|role| Machine::new(Standby { role, after_blocks }, &world, now));
    while world.height < NONCE + blocks.max(named) + TIMEOUT_BLOCKS {
        for _ in 0..8 {
            for (machine, end) in machines.iter_mut().zip(ends) {
                machine.step(&mut world, end, now, chance);
            }
            now += BLOCK / 8;
        }
        world.make_block(chance);
    }
    world.paid.into_iter().map(|(from, _)| from).collect()
}

#[test]
fn no_nonce_is_paid_for_twice_whatever_two_machines_meet() {
    let name = |name| std::env::var(name).ok().map(|text| text.parse().unwrap());
    let runs = name("PAIR_MODEL_RUNS").unwrap_or(20_000);
    let first = name("PAIR_MODEL_SEED");
    let seeds = first.map_or(0..runs, |seed| seed..seed + 1);
    let mut served = [0, 0];
    for seed in seeds {
        let paid = play(seed);
        assert!(
            paid.len() <= 1,
            "paid by {paid:?}; to repeat: PAIR_MODEL_SEED={seed} cargo test --lib window::pair"
        );
        match paid.first() {
            Some(Role::Primary) => served[0] += 1,
            Some(Role::Standby) => served[1] += 1,
            None => {}
        }
    }
    // why: a model in which one of them never serves proves nothing
    let least = runs / 50;
    assert!(
        first.is_some() || served.iter().all(|count| *count > least),
        "{served:?}"
    );
}
