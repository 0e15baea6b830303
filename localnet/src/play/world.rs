//! The state of a simulation behind one lock: chain, faults, model and counters, and the services
//! that answer requests from it.

mod traffic;

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use serde_json::json;

use crate::api::routes::{self, BROADCAST, FIND_TX, Twist};
use crate::chain::included::Included;
use crate::chain::report::{Report, count};
use crate::chain::{Chain, Indexing};
use crate::play::faults::{Fault, MODEL};
use crate::play::key::Key;
use crate::play::lies::Asked;
use crate::play::model::Model;
use crate::play::rules::{Arrival, Rules};
use crate::play::trace::{Exchange, SentTx, Trace};
use crate::server::answer::{Answer, Request};
use crate::server::{Play, Service};

use self::traffic::Traffic;

/// Longest wait before conditions are checked again.
pub(super) const LOOK_AGAIN: Duration = Duration::from_secs(60);
/// Number of blocks whose times are kept.
const MOMENTS_MAX: usize = 100_000;
/// Number of model paths that are counted separately.
const MODEL_PATHS_MAX: usize = 256;

/// How far a node's restart has come, during an upgrade.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gateway {
    Up,
    /// The gateway answers, but its back end is not up yet.
    HalfUp,
}

/// The state of a simulation.
#[derive(Debug)]
pub struct World {
    pub chain: Chain,
    /// Which answers go wrong.
    pub rules: Rules,
    pub model: Model,
    /// Time between blocks; with `None`, blocks are made only on demand.
    pub block_time: Option<Duration>,
    pub gateway: Gateway,
    /// Whether the simulation has ended.
    pub over: bool,
    /// When each block was made, since the start.
    pub moments: VecDeque<(u64, Duration)>,
    /// Delay of every answer of the chain.
    pub delay: Duration,
    /// Delay of every answer of the model.
    pub model_delay: Duration,
    /// All requests, if they are recorded.
    pub trace: Option<Trace>,
    /// The key that the nodes demand.
    pub key: Option<Key>,
    /// Chooses nodes for a load balancer.
    random: fastrand::Rng,
    traffic: Traffic,
    started: Instant,
}

impl World {
    #[must_use]
    pub fn new(chain: Chain, seed: u64, block_time: Option<Duration>) -> World {
        World {
            chain,
            rules: Rules::new(seed),
            model: Model::new(seed),
            block_time,
            gateway: Gateway::Up,
            over: false,
            moments: VecDeque::new(),
            delay: Duration::ZERO,
            model_delay: Duration::ZERO,
            trace: None,
            key: None,
            random: fastrand::Rng::with_seed(seed),
            traffic: Traffic::default(),
            started: Instant::now(),
        }
    }

    /// The observations so far.
    #[must_use]
    pub fn report(&self) -> Report {
        let traffic = &self.traffic;
        Report {
            requests: traffic.requests.clone(),
            requests_total: traffic.total,
            connections: traffic.connections,
            requests_per_minute_max: traffic.per_minute_max,
            requests_per_second_max: traffic.per_second_max,
            answer_bytes: traffic.answer_bytes,
            bytes_received: traffic.bytes_received,
            bytes_sent: traffic.bytes_sent,
            model_requests: traffic.model_requests.clone(),
            faults: traffic.faults.clone(),
            faults_by_route: traffic.faults_by_route.clone(),
            ..self.chain.report.clone()
        }
    }

    /// Makes the next block, if possible, and records its time.
    pub fn make_block(&mut self) -> Option<u64> {
        let height = self.chain.make_block(SystemTime::now())?;
        if self.moments.len() == MOMENTS_MAX {
            self.moments.pop_front();
        }
        self.moments.push_back((height, self.elapsed()));
        Some(height)
    }

    fn any_node(&mut self) -> usize {
        self.random.usize(0..self.chain.nodes.len())
    }

    fn decide(&mut self, route: &str, node: Option<usize>) -> Option<Fault> {
        let (height, elapsed) = (self.chain.state.height, self.elapsed());
        let fault = self.rules.decide(Arrival {
            route,
            node,
            height,
            elapsed,
        })?;
        let kind = match node {
            Some(_) => fault.kind(),
            None => format!("model_{}", fault.kind()).into(),
        };
        match &fault {
            Fault::Lies(strategy) => {
                let lies = strategy.lies().iter().filter(|lie| lie.affects(route));
                lies.for_each(|lie| count(&mut self.traffic.faults, lie.name()));
            }
            _ => count(&mut self.traffic.faults, &kind),
        }
        count(&mut self.traffic.faults_by_route, route);
        Some(fault)
    }

    fn asked<'a>(&self, request: &'a Request, route: &'a str) -> Asked<'a> {
        Asked {
            request,
            route,
            height: self.chain.state.height,
            elapsed: self.elapsed(),
        }
    }

    /// Counts a fault other than those of single answers.
    pub fn note_fault(&mut self, kind: &str) {
        count(&mut self.traffic.faults, kind);
    }

    /// Time since the start.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    fn answer_chain(&mut self, node: usize, request: &Request) -> Play {
        if request.path == "/localnet/report" {
            // Requests for the report are not a worker's.
            return Answer::ok(&json!(self.report()), None).into();
        }
        let route = request.route();
        self.traffic.note(&route, Instant::now());
        let fault = self.decide(&route, Some(node));
        let at = self.elapsed();
        let mut play = match fault {
            Some(fault) => {
                let asked = self.asked(request, &route);
                fault.play(asked, |twist| self.correct_answer(node, request, twist))
            }
            None => {
                let answer = self.correct_answer(node, request, Twist::default());
                self.note_conditions(node, &route, request, &answer);
                answer.into()
            }
        };
        self.traffic.answer_bytes += u64::try_from(play.answer.body.len()).unwrap_or(0);
        play.delay += self.delay;
        let (api, height) = (self.chain.state.api, self.chain.state.height);
        if let Some(trace) = &mut self.trace {
            trace.note_received(request, at, node, height);
            let is_broadcast = route == BROADCAST;
            trace.note_chain(Exchange {
                at,
                answered: at + play.delay,
                broadcast: is_broadcast
                    .then(|| SentTx::of(request, &play.answer, api))
                    .flatten(),
                route,
            });
        }
        play
    }

    /// Counts how lasting conditions changed an answer.
    fn note_conditions(&mut self, node: usize, route: &str, request: &Request, answer: &Answer) {
        let alone = self.chain.nodes.len() > 1 && !self.chain.nodes[node].gossips;
        if alone && route == BROADCAST && answer.status == 200 {
            self.note_fault("separate_mempools");
        }
        let hash = request.segments().pop().unwrap_or_default();
        let hidden = route == FIND_TX && self.chain.find_tx(hash, u64::MAX).is_some();
        match (self.chain.indexing, answer.status) {
            (Indexing::Off, _) if route == FIND_TX => self.note_fault("index_off"),
            (Indexing::Late(_), 404) if hidden => self.note_fault("index_late"),
            _ => {}
        }
    }

    fn correct_answer(&mut self, node: usize, request: &Request, twist: Twist) -> Answer {
        match self.gateway {
            Gateway::Up => routes::answer(&mut self.chain, node, request, twist),
            Gateway::HalfUp => routes::half_up(request, crate::chain::message::Api::V10),
        }
    }

    fn answer_model(&mut self, request: &Request) -> Play {
        let counted = &mut self.traffic.model_requests;
        if counted.len() < MODEL_PATHS_MAX || counted.contains_key(&request.path) {
            count(counted, &request.path);
        }
        let route = format!("{MODEL}{}", request.path);
        let at = self.elapsed();
        let mut play = match self.decide(&route, None) {
            Some(fault) => {
                let asked = self.asked(request, &route);
                fault.play(asked, |_| self.model.answer(&request.path))
            }
            None => self.model.answer(&request.path).into(),
        };
        play.delay += self.model_delay;
        if let Some(trace) = &mut self.trace {
            trace.note_model(Exchange {
                at,
                answered: at + play.delay,
                route: request.path.clone(),
                broadcast: None,
            });
        }
        play
    }
}

/// The world behind its lock, with a condition variable for everyone who waits for a change.
#[derive(Debug)]
pub struct Shared {
    world: Mutex<World>,
    bell: Condvar,
}

impl Shared {
    #[must_use]
    pub fn new(world: World) -> Arc<Shared> {
        Arc::new(Shared {
            world: Mutex::new(world),
            bell: Condvar::new(),
        })
    }

    pub fn lock(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes everyone who waits for a change.
    pub fn ring(&self) {
        self.bell.notify_all();
    }

    /// Waits for a change, at most for `time`.
    pub fn wait<'a>(&self, guard: MutexGuard<'a, World>, time: Duration) -> MutexGuard<'a, World> {
        self.bell
            .wait_timeout(guard, time)
            .unwrap_or_else(PoisonError::into_inner)
            .0
    }
}

/// The LCD of one node.
pub struct Lcd {
    pub shared: Arc<Shared>,
    /// The index of the node.
    pub node: usize,
    /// Passes each request to any node instead.
    pub balances: bool,
}

impl Service for Lcd {
    fn connected(&self) {
        self.shared.lock().traffic.connections += 1;
    }

    fn transferred(&self, received: usize, sent: usize) {
        let traffic = &mut self.shared.lock().traffic;
        traffic.bytes_received += u64::try_from(received).unwrap_or(0);
        traffic.bytes_sent += u64::try_from(sent).unwrap_or(0);
        self.shared.ring();
    }

    fn answer(&self, request: &Request) -> Play {
        let mut world = self.shared.lock();
        let node = if self.balances {
            world.any_node()
        } else {
            self.node
        };
        let admitted = world.key.as_ref().map(|key| key.admit(request));
        let play = match admitted {
            Some(Err(refused)) => refused.into(),
            Some(Ok(request)) => world.answer_chain(node, &request),
            None => world.answer_chain(node, request),
        };
        drop(world);
        self.shared.ring();
        play
    }
}

/// The sample model's endpoint.
pub struct ModelEndpoint {
    pub shared: Arc<Shared>,
}

impl Service for ModelEndpoint {
    fn answer(&self, request: &Request) -> Play {
        let play = self.shared.lock().answer_model(request);
        self.shared.ring();
        play
    }
}

/// Describes a block in a line of text; `None` if the block is empty.
#[must_use]
pub fn block_line(chain: &Chain, height: u64) -> Option<String> {
    let mut parts: Vec<String> = Vec::new();
    for included in chain.included_at(height) {
        parts.push(describe(included));
    }
    for topic in &chain.report.topics {
        let id = topic.topic;
        for window in topic.windows.iter().rev().take(2) {
            if window.end == height {
                let served = if window.payload.is_some() {
                    "served"
                } else {
                    "not served"
                };
                parts.push(format!(
                    "topic {id} closes nonce {}, {served}",
                    window.nonce
                ));
            }
            if window.opened == height {
                parts.push(format!(
                    "topic {id} opens nonce {height} until {}",
                    window.end
                ));
            }
        }
    }
    (!parts.is_empty()).then(|| format!("block {height}: {}", parts.join("; ")))
}

fn describe(included: &Included) -> String {
    let what = included.tx.as_ref().map_or_else(
        || "undecodable transaction".to_owned(),
        |tx| {
            let names: Vec<String> = tx
                .messages
                .iter()
                .map(|(_, message)| match message.payload_key() {
                    Some((topic, nonce, _)) => format!("payload topic {topic} nonce {nonce}"),
                    None => message.name().to_owned(),
                })
                .collect();
            names.join(" + ")
        },
    );
    if included.code == 0 {
        format!("{what}: ok, gas {}", included.gas_used)
    } else {
        format!(
            "{what}: {} {} {}",
            included.codespace, included.code, included.raw_log
        )
    }
}
