//! One run: plays a plan on a chain with a worker and passes the evidence to the judge.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use super::judge::{self, Evidence};
use super::plan::{BLOCK, Cast, EPOCH_BLOCKS, HOSTILE, Plan, WINDOW_BLOCKS};
use super::signed::signed;
use crate::campaign::Outcome;
use crate::campaign::place::{self, Place};
use crate::campaign::result::Finished;
use crate::play::handle::Localnet;
use crate::play::options::{FUNDS_UALLO, NodeOptions, Options};
use crate::worker::Memory;

/// Plays a plan to its end and judges it. Returns `None` if `wanted` becomes false.
///
/// # Errors
/// When the run cannot be made, for lack of a folder, a port or a worker.
pub(super) fn run(
    plan: Plan,
    worker: &Path,
    wanted: &AtomicBool,
    keep: bool,
) -> Outcome<Finished<Plan>> {
    let place = Place::new(worker, &format!("allora-hostile-{}-", plan.seed))?;
    let localnet = Localnet::start(&options(&plan, &place.address))?;
    if plan.registered {
        (1..=plan.topics).for_each(|topic| localnet.register(topic, &place.address));
    }
    write_config(&place, &plan, &localnet)?;
    localnet.lie(HOSTILE, &plan.spans);
    let mut process = place.start()?;
    let started = localnet.elapsed();
    let is_wanted = || wanted.load(Ordering::Relaxed);
    localnet.pass_until(plan.lies_until, is_wanted);
    let until = plan.lies_until + judge::quiet_max(&plan);
    while is_wanted() && localnet.elapsed() < until && !is_over(&plan, &localnet) {
        localnet.pass_until(localnet.elapsed() + BLOCK, is_wanted);
    }
    if !is_wanted() {
        return Ok(None);
    }
    let memory = process.memory().unwrap_or_default();
    let ended = localnet.elapsed();
    let exit = place::stop(&mut process, &localnet)?;
    let evidence = Evidence {
        exit,
        memory,
        started,
        ended,
        ..evidence(&place, &localnet)
    };
    finish(plan, place, evidence, keep).map(Some)
}

/// The options of a plan's chain: the hostile node, and the honest one that makes the blocks.
fn options(plan: &Plan, address: &str) -> Options {
    let node = |proposes| NodeOptions {
        proposes,
        ..NodeOptions::default()
    };
    let options = Options {
        nodes: match plan.has_honest() {
            true => vec![node(false), node(true)],
            false => vec![node(true)],
        },
        api: plan.api,
        block_time: Some(BLOCK),
        trace: true,
        seed: plan.seed,
        ..Options::default()
    };
    options
        .with_topics(plan.topics, EPOCH_BLOCKS, WINDOW_BLOCKS)
        .with_account(address, FUNDS_UALLO)
}

fn write_config(place: &Place, plan: &Plan, localnet: &Localnet) -> io::Result<()> {
    let nodes = match plan.cast {
        Cast::Alone => vec![HOSTILE],
        Cast::HostileFirst => vec![HOSTILE, 1],
        Cast::HonestFirst => vec![1, HOSTILE],
    };
    let urls: Vec<_> = nodes
        .into_iter()
        .map(|node| localnet.node_url(node))
        .collect();
    let models: Vec<_> = (1..=plan.topics)
        .map(|topic| localnet.model_url(topic))
        .collect();
    let mut config = place::config(&urls, &models)?;
    // As in normal operation: requests are not logged.
    config["debug"] = json!(false);
    if !plan.limits.are_defaults {
        config["max_fee_uallo"] = json!(plan.limits.transaction_uallo.to_string());
        config["max_fee_per_day_uallo"] = json!(plan.limits.day_uallo.to_string());
    }
    place.write_config(&config)
}

/// Whether each topic has a window that opened after the lies and is served; with an honest node
/// its first one is over, served or not.
fn is_over(plan: &Plan, localnet: &Localnet) -> bool {
    let (report, moments) = (localnet.report(), localnet.moments());
    (1..=plan.topics).all(|topic| {
        let mut windows = judge::windows_after(&report, &moments, topic, plan.lies_until);
        windows.any(|window| window.closed && (plan.has_honest() || window.payload.is_some()))
    })
}

/// What the chain and the log say.
fn evidence(place: &Place, localnet: &Localnet) -> Evidence {
    let (chain_id, account) = localnet.with_chain(|chain| {
        let account = chain.state.accounts.get(&place.address);
        (chain.chain_id.clone(), account.cloned().unwrap_or_default())
    });
    let (log, log_bytes) = place.log();
    Evidence {
        report: localnet.report(),
        moments: localnet.moments(),
        signed: signed(&localnet.trace().received, &chain_id, &account),
        log,
        log_bytes,
        started: Default::default(),
        ended: Default::default(),
        memory: Memory::default(),
        exit: None,
    }
}

fn finish(plan: Plan, place: Place, evidence: Evidence, keep: bool) -> io::Result<Finished<Plan>> {
    let verdict = judge::judge(&plan, &evidence);
    let (mut folder, mut log) = (None, String::new());
    if keep || !verdict.failures.is_empty() {
        log = place::tail(&evidence.log);
        place.add("report.json", serde_json::to_vec_pretty(&evidence.report)?)?;
        place.add("plan.txt", format!("{plan:#?}\n"))?;
        place.add("signed.txt", format!("{:#?}\n", evidence.signed))?;
        place.add("blocks.txt", format!("{:?}\n", evidence.moments))?;
        folder = Some(place.keep());
    }
    Ok(Finished {
        plan,
        verdict,
        report: evidence.report,
        kills: 0,
        memory: (Memory::default(), evidence.memory),
        log_bytes: evidence.log_bytes,
        folder,
        log,
    })
}
