//! Drives the ledger through random interleavings of sends, answers, losses, blocks and endpoints
//! against a model of a chain that knows the truth: which copies of which bytes still exist
//! anywhere. Two promises are checked at every step: no two transactions for the same job that
//! may still be included carry different numbers, and no job takes effect twice.
//!
//! `SEQUENCE_MODEL_SEED=7 cargo test sequence::model` repeats one run; `SEQUENCE_MODEL_RUNS=…`
//! sets how many are made.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::*;

const NODES: usize = 2;
const TOPICS: u64 = 4;
const EPOCH_BLOCKS: u64 = 16;
const WINDOW_BLOCKS: u64 = 10;
const STEPS_PER_RUN: u32 = 4_000;

/// A hash made from a counter.
fn hash(id: u64) -> TxHash {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&id.to_be_bytes());
    TxHash(bytes)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Tx {
    id: TxHash,
    job: Job,
    sequence: Sequence,
    timeout: Height,
    /// A fee of 0 is too low while the model says that prices rose.
    fee: u64,
}

#[derive(Default)]
struct ModelNode {
    lag_blocks: u64,
    mempool: BTreeMap<Sequence, Tx>,
    cache: BTreeSet<TxHash>,
}

/// The state of the chain and of everything on its way there.
struct World {
    rng: Jitter,
    height: Height,
    /// The committed sequence after each block, from block 0.
    committed: Vec<Sequence>,
    nodes: [ModelNode; NODES],
    /// Requests that the client gave up on but that may still arrive.
    in_the_air: Vec<(usize, Tx)>,
    served: BTreeMap<Job, Height>,
    paid_twice: u64,
    price: u64,
    gossip: bool,
    foreign: bool,
}

impl World {
    fn chance(&mut self, percent: u64) -> bool {
        self.rng.number() % 100 < percent
    }

    fn at(&self, node: usize) -> Height {
        Height(self.height.0.saturating_sub(self.nodes[node].lag_blocks))
    }

    fn committed_at(&self, height: Height) -> Sequence {
        self.committed[usize::try_from(height.0).unwrap()]
    }

    fn truth(&self) -> Sequence {
        self.committed_at(self.height)
    }

    fn expected(&self, node: usize) -> Sequence {
        let mut expected = self.committed_at(self.at(node));
        while self.nodes[node].mempool.contains_key(&expected) {
            expected = expected.next();
        }
        expected
    }

    fn check_tx(&mut self, node: usize, tx: Tx) -> Verdict {
        if self.chance(3) {
            return Verdict::Full;
        }
        if self.nodes[node].cache.contains(&tx.id) {
            return Verdict::Cached;
        }
        if tx.timeout < self.at(node) {
            return Verdict::Refused;
        }
        let expected = self.expected(node);
        if expected != tx.sequence {
            return Verdict::Expects(expected);
        }
        if tx.fee < self.price {
            return Verdict::Refused;
        }
        self.nodes[node].mempool.insert(tx.sequence, tx);
        self.nodes[node].cache.insert(tx.id);
        Verdict::Accepted
    }

    fn block(&mut self) {
        let proposer = usize::try_from(self.rng.number()).unwrap_or(0) % NODES;
        self.height = self.height.plus(1);
        let mut next = *self.committed.last().unwrap();
        if self.foreign && self.chance(5) {
            next = next.next();
        }
        let mempool = self.nodes[proposer].mempool.clone();
        let empty = self.chance(15);
        for tx in mempool.values().filter(|_| !empty) {
            if tx.sequence != next || tx.timeout < self.height || self.chance(4) {
                continue;
            }
            next = next.next();
            if self.chance(5) {
                continue; // the message fails, the fee is gone
            }
            let earlier = self.served.insert(tx.job, self.height);
            self.paid_twice += u64::from(earlier.is_some());
        }
        self.committed.push(next);
        for node in &mut self.nodes {
            node.mempool
                .retain(|s, tx| *s >= next && tx.timeout > self.height);
        }
    }

    fn mishap(&mut self) {
        let node = usize::try_from(self.rng.number() % 2).unwrap();
        match self.rng.number() % 8 {
            0 => self.nodes[node].mempool.clear(),
            1 => self.nodes[node] = ModelNode::default(),
            2 => self.nodes[node].lag_blocks = self.rng.number() % 3,
            3 => self.price = self.rng.number() % 3,
            4 => self.nodes[node].cache.clear(),
            5 if self.gossip => self.nodes[1 - node]
                .mempool
                .clone()
                .values()
                .for_each(|tx| {
                    self.check_tx(node, *tx);
                }),
            _ => {
                for (node, tx) in std::mem::take(&mut self.in_the_air) {
                    if self.chance(50) {
                        self.check_tx(node, tx);
                    }
                }
            }
        }
    }

    /// Every copy of a transaction for `job` that may still get into a block.
    fn alive(&self, job: Job) -> BTreeSet<Sequence> {
        let pools = self.nodes.iter().flat_map(|n| n.mempool.values());
        let all = pools.chain(self.in_the_air.iter().map(|(_, tx)| tx));
        let may =
            |tx: &&Tx| tx.job == job && tx.timeout > self.height && tx.sequence >= self.truth();
        all.filter(may).map(|tx| tx.sequence).collect()
    }
}

#[derive(Clone, Copy, PartialEq)]
enum ModelStage {
    /// "Served?" has to be asked at this height or later.
    Ask(Height),
    Free,
    Flying,
    Done,
}

/// A sender that does what the ledger says and chooses everything else at random.
struct Sender {
    ledger: Ledger,
    known: Height,
    endpoint: usize,
    stages: BTreeMap<Job, ModelStage>,
    txs: BTreeMap<TxHash, Tx>,
    now: Instant,
    sendings: u64,
}

impl Sender {
    fn at(&self) -> Moment {
        Moment {
            height: self.known,
            endpoint: self.endpoint,
            now: self.now,
        }
    }

    fn step(&mut self, world: &mut World) {
        self.now += Duration::from_millis(world.rng.number() % 700);
        if world.chance(2) {
            self.endpoint = 1 - self.endpoint;
        }
        if let Due::Now(_, signed) = self.ledger.due(self.at()) {
            let tx = self.txs[&signed.hash];
            return self.send(world, tx);
        }
        if self.ledger.needs_account() || world.chance(30) {
            return self.read_account(world);
        }
        let topic = TopicId(world.rng.number() % TOPICS + 1);
        let start = self.known.0 / EPOCH_BLOCKS * EPOCH_BLOCKS + topic.0 % 3;
        if start == 0 || self.known.0 < start || self.known.0 + 1 > start + WINDOW_BLOCKS {
            return self.read_account(world);
        }
        let job = Job::Payload {
            topic,
            nonce: Nonce(start),
        };
        match *self.stages.entry(job).or_insert(ModelStage::Ask(Height(0))) {
            ModelStage::Ask(from) => self.ask_served(world, job, from),
            ModelStage::Free => self.sign(world, job, Height(start + WINDOW_BLOCKS)),
            ModelStage::Flying | ModelStage::Done => {}
        }
    }

    fn fresh(&mut self, height: Height) -> bool {
        let fresh = height >= self.known;
        self.known = self.known.max(height);
        fresh
    }

    fn read_account(&mut self, world: &World) {
        let height = world.at(self.endpoint);
        if !self.fresh(height) {
            return;
        }
        for settled in self
            .ledger
            .account_read(world.committed_at(height), height)
            .settled
        {
            self.stages
                .insert(settled.job, ModelStage::Ask(settled.height));
        }
    }

    fn ask_served(&mut self, world: &World, job: Job, from: Height) {
        let height = world.at(self.endpoint);
        if self.fresh(height) && height >= from {
            let served = world.served.get(&job).is_some_and(|at| *at <= height);
            self.stages.insert(
                job,
                if served {
                    ModelStage::Done
                } else {
                    ModelStage::Free
                },
            );
        }
    }

    fn sign(&mut self, world: &mut World, job: Job, last_block: Height) {
        let Ok(sequence) = self.ledger.number_for(job, self.at()) else {
            return;
        };
        let timeout = last_block.min(self.known.plus(6));
        self.put(world, job, sequence, timeout);
    }

    fn put(&mut self, world: &mut World, job: Job, sequence: Sequence, timeout: Height) {
        let id = hash(self.txs.len() as u64);
        let tx = Tx {
            id,
            job,
            sequence,
            timeout,
            fee: world.rng.number() % 3,
        };
        self.txs.insert(id, tx);
        let signed = SignedTx {
            hash: id,
            bytes: Vec::new(),
            timeout_height: timeout,
        };
        self.ledger.signed(job, sequence, signed, self.known);
        self.stages.insert(job, ModelStage::Flying);
        self.send(world, tx);
        let alive = world.alive(job);
        assert!(
            alive.len() <= 1,
            "{job:?} may be included with the numbers {alive:?}"
        );
    }

    fn send(&mut self, world: &mut World, tx: Tx) {
        self.sendings += 1;
        let at = self.at();
        let (node, known) = (at.endpoint, at.height);
        let verdict = match world.rng.number() % 100 {
            0..5 => Verdict::NeverLeft,
            5..10 => Verdict::Unknown,
            10..16 => {
                world.in_the_air.push((node, tx));
                Verdict::Unknown
            }
            16..24 => {
                world.check_tx(node, tx);
                Verdict::Unknown
            }
            _ => world.check_tx(node, tx),
        };
        let standing = self.ledger.answered(tx.id, verdict, at);
        if standing == Standing::Dead {
            let moved = matches!(verdict, Verdict::Expects(e) if e > tx.sequence);
            let from = known.plus(u64::from(moved));
            self.stages.insert(tx.job, ModelStage::Ask(from));
        } else if verdict == Verdict::Refused && self.ledger.may_sign_again(tx.job) {
            let timeout = tx.timeout.min(known.plus(6));
            if tx.timeout > known && self.ledger.alive(tx.job) == Some(tx.sequence) {
                self.put(world, tx.job, tx.sequence, timeout);
            }
        }
    }
}

struct Run {
    windows: usize,
    served: usize,
    sendings: u64,
}

fn run(seed: u64) -> Run {
    let mut rng = Jitter::new(seed);
    let (gossip, foreign) = (
        rng.number().is_multiple_of(2),
        rng.number().is_multiple_of(3),
    );
    let mut world = World {
        rng,
        height: Height(0),
        committed: vec![Sequence(5)],
        nodes: Default::default(),
        in_the_air: Vec::new(),
        served: BTreeMap::new(),
        paid_twice: 0,
        price: 0,
        gossip,
        foreign,
    };
    let mut sender = Sender {
        ledger: Ledger::new(Jitter::new(seed)),
        known: Height(0),
        endpoint: 0,
        stages: BTreeMap::new(),
        txs: BTreeMap::new(),
        now: Instant::now(),
        sendings: 0,
    };
    for _ in 0..STEPS_PER_RUN {
        match world.rng.number() % 100 {
            0..12 => world.block(),
            12..16 => world.mishap(),
            _ => sender.step(&mut world),
        }
        assert_eq!(world.paid_twice, 0, "a job took effect twice");
    }
    Run {
        windows: sender.stages.len(),
        served: world.served.len(),
        sendings: sender.sendings,
    }
}

#[test]
fn no_job_is_ever_alive_under_two_numbers() {
    let number = |name| {
        std::env::var(name)
            .ok()
            .and_then(|text| text.parse::<u64>().ok())
    };
    let seeds = match number("SEQUENCE_MODEL_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("SEQUENCE_MODEL_RUNS").unwrap_or(500),
    };
    let (mut windows, mut served, mut sendings) = (0, 0, 0);
    for seed in seeds {
        let end = std::panic::catch_unwind(|| run(seed));
        let Ok(end) = end else {
            panic!("repeat with: SEQUENCE_MODEL_SEED={seed} cargo test sequence::model")
        };
        windows += end.windows;
        served += end.served;
        sendings += end.sendings;
    }
    println!("windows={windows} served={served} sendings={sendings}");
    // A ledger that never sends anything would keep every promise above and be of no use.
    assert!(
        served * 10 > windows * 7,
        "only {served} of {windows} windows were served"
    );
}
