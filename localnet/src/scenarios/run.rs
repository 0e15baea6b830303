//! Plays scenarios on one chain: those that disturb nobody at the same time, then the others.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::{Duration, Instant};

use super::judge::{Evidence, Verdict};
use super::models::Models;
use super::rest::Rest;
use super::scenario::{Scenario, Turn};
use super::scene::{Hand, Scene};
use super::test_chain::{Needs, TestChain};

/// Number of lines of a worker's log that are kept after a failure.
const LOG_LINES: usize = 40;

/// What all scenarios of a chain share.
pub(super) struct Stage<'a> {
    pub(super) worker: &'a Path,
    /// Where every wallet gets a folder.
    pub(super) folder: &'a Path,
    /// How many windows an ordinary scenario waits for.
    pub(super) windows: usize,
    pub(super) wanted: &'a AtomicBool,
    /// Time between blocks.
    pub(super) block_time: Duration,
}

/// A scenario that was played.
pub(super) struct Played {
    pub(super) scenario: &'static Scenario,
    pub(super) verdict: Verdict,
    pub(super) time: Duration,
    /// The end of the workers' logs, after a failure.
    pub(super) logs: String,
}

/// A scenario with its wallets, before the chain starts.
pub(super) struct Ready {
    scenario: &'static Scenario,
    hands: Vec<Hand>,
    topics: Vec<u64>,
}

/// Creates the wallets of scenarios and gives out the ids of topics.
pub(super) fn prepare(
    stage: &Stage<'_>,
    scenarios: &[&'static Scenario],
) -> io::Result<(Vec<Ready>, Needs)> {
    let mut needs = Needs::default();
    let mut all = Vec::new();
    for scenario in scenarios {
        let mut hands = Vec::new();
        for index in 0..scenario.wallets {
            let name = format!("{}-{index}", scenario.name.replace(' ', "-"));
            hands.push(Hand::new(stage.worker, stage.folder.join(name))?);
        }
        if scenario.funded {
            needs
                .funded
                .extend(hands.iter().map(|hand| hand.address.clone()));
        }
        let mut topics: Vec<u64> = Vec::new();
        for spec in scenario.topics {
            needs.topics.push(*spec);
            topics.extend(u64::try_from(needs.topics.len()));
        }
        needs.mempool_txs_max = scenario.mempool_txs_max.or(needs.mempool_txs_max);
        for (hand, score) in hands.iter().zip(scenario.scores) {
            needs.scores.push((topics[0], hand.address.clone(), *score));
        }
        all.push(Ready {
            scenario,
            hands,
            topics,
        });
    }
    Ok((all, needs))
}

/// Plays all scenarios; `report` receives each of them when it is over.
pub(super) fn play(
    stage: &Stage<'_>,
    chain: &dyn TestChain,
    models: &Models,
    ready: Vec<Ready>,
    report: &(dyn Fn(&Played) + Sync),
) -> Vec<Played> {
    let (together, alone): (Vec<Ready>, Vec<Ready>) = ready
        .into_iter()
        .partition(|ready| ready.scenario.turn == Turn::Together);
    let play_one = |ready: Ready| {
        let played = play_scenario(stage, chain, models, ready);
        report(&played);
        played
    };
    let play_one = &play_one;
    let mut all: Vec<Played> = thread::scope(|scope| {
        let threads: Vec<_> = together
            .into_iter()
            .map(|ready| (ready.scenario, scope.spawn(move || play_one(ready))))
            .collect();
        threads
            .into_iter()
            .map(|(scenario, thread)| thread.join().unwrap_or_else(|_| panicked(scenario)))
            .collect()
    });
    all.extend(alone.into_iter().map(play_one));
    all
}

/// A scenario whose thread panicked. The thread has already printed why.
fn panicked(scenario: &'static Scenario) -> Played {
    Played {
        scenario,
        verdict: Verdict {
            failures: vec!["the scenario panicked".to_owned()],
            ..Verdict::default()
        },
        time: Duration::ZERO,
        logs: String::new(),
    }
}

fn play_scenario(
    stage: &Stage<'_>,
    chain: &dyn TestChain,
    models: &Models,
    ready: Ready,
) -> Played {
    let start = Instant::now();
    let Ready {
        scenario,
        hands,
        topics,
    } = ready;
    let mut scene = Scene {
        chain,
        models,
        topics,
        hands,
        windows: stage.windows,
        expected: Default::default(),
        rest: Rest::new(),
        worker: stage.worker,
        wanted: stage.wanted,
        block_time: stage.block_time,
    };
    let mut failures = Vec::new();
    failures.extend((scenario.play)(&mut scene).err());
    failures.extend(scene.stop().err());
    let mut verdict = judge(&scene, scenario).unwrap_or_else(|error| Verdict {
        failures: vec![error.to_string()],
        ..Verdict::default()
    });
    failures.append(&mut verdict.failures);
    verdict.failures = failures;
    if verdict.failures.is_empty() && verdict.windows == 0 {
        verdict.failures.push("no window was played".to_owned());
    }
    let logs = if verdict.failures.is_empty() {
        String::new()
    } else {
        ends_of_logs(&scene)
    };
    Played {
        scenario,
        verdict,
        time: start.elapsed(),
        logs,
    }
}

/// Judges each wallet once, although several workers may have its key.
fn judge(scene: &Scene<'_>, scenario: &Scenario) -> io::Result<Verdict> {
    let mut by_address: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (index, hand) in scene.hands.iter().enumerate() {
        by_address.entry(&hand.address).or_default().push(index);
    }
    let mut verdict = Verdict::default();
    for (address, hands) in by_address {
        let landed = scene.chain.landed(address)?;
        let log: String = hands.iter().map(|hand| scene.hands[*hand].log()).collect();
        let expected = scene
            .expected
            .iter()
            .filter(|(hand, ..)| hands.contains(hand))
            .map(|(_, topic, nonce)| (*topic, *nonce))
            .collect();
        let evidence = Evidence {
            landed: &landed,
            sequence: scene.rest.sequence(&scene.chain.url(), address)?,
            log: &log,
            expected,
        };
        verdict.add(&evidence, scenario.allowed);
    }
    Ok(verdict)
}

fn ends_of_logs(scene: &Scene<'_>) -> String {
    let mut text = String::new();
    for (index, hand) in scene.hands.iter().enumerate() {
        let log = hand.log();
        let lines: Vec<&str> = log.lines().collect();
        let end = lines[lines.len().saturating_sub(LOG_LINES)..].join("\n");
        let _ = write!(text, "worker {index} ({}):\n{end}\n", hand.address);
    }
    text
}
