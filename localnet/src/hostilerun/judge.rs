//! Judges a run: what was signed, what was served, and what became of the process. The judge knows
//! the chain, when a node lied and all bytes that nodes received; of the worker only its log, its
//! memory and its end.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::plan::{BLOCK, EPOCH_BLOCKS, Plan};
use super::signed::{Signed, cost_uallo};
use crate::campaign;
use crate::campaign::place::{Exit, STOP_TIME_MAX};
use crate::campaign::result::Verdict;
use crate::chain::report::{Report, WindowReport};
use crate::faultrun::limits::{requests_max, requests_per_second_max};
use crate::worker::Memory;

/// No transaction is valid for more blocks (the worker's `TIMEOUT_BLOCKS`).
const TIMEOUT_BLOCKS: u64 = 6;
/// What the worker needs from its start until it can serve a window that opens.
const START_TIME: Duration = Duration::from_secs(2);
/// What the worker needs to leave a node that has begun to lie: a window is not asked for if a
/// strategy begins this shortly before its last block.
const SWITCH_TIME: Duration = Duration::from_secs(3);
/// What a worker without an honest node needs to serve again after the lies: the longest pause of
/// an endpoint (its `BACK_OFF_MAX`, 30 s) and two windows.
pub(super) const RECOVERY_TIME: Duration = Duration::from_secs(30 + 2 * 6);
/// The shortest block time that a worker believes (its `BLOCK_TIME_MIN`).
const BLOCK_TIME_MIN: Duration = Duration::from_millis(50);
/// Payloads of a topic beyond those for the windows that the time allows: the one that is open when
/// the time begins, and the one at its end.
const PAYLOADS_MORE: u64 = 2;
/// Transactions for one nonce that may all be charged (the worker's limit of the same name).
const SEQUENCES_PER_NONCE_MAX: usize = 4;
/// The highest fee of a transaction at the chain's price.
const USUAL_FEE_UALLO: u128 = 4_000_000;
/// Most bytes of log a minute.
const LOG_BYTES_PER_MINUTE_MAX: u64 = 1_000_000;
/// Longest line of the log: several texts of other people, of 300 characters each.
const LOG_LINE_CHARS_MAX: usize = 2_000;
/// Highest resident memory, in KiB.
const MEMORY_KIB_MAX: u64 = 32 * 1024;

/// What happened in a run.
#[derive(Clone, Debug)]
pub(super) struct Evidence {
    pub(super) report: Report,
    /// When each block was made.
    pub(super) moments: Vec<(u64, Duration)>,
    /// When the worker was started.
    pub(super) started: Duration,
    /// When the run was over.
    pub(super) ended: Duration,
    /// What the worker signed, or which bytes it sent that are no transaction.
    pub(super) signed: Result<Vec<Signed>, String>,
    /// The log, or its end if it is very long.
    pub(super) log: String,
    pub(super) log_bytes: u64,
    pub(super) memory: Memory,
    /// `None` if the worker was not running at the end or did not stop.
    pub(super) exit: Option<Exit>,
}

impl Evidence {
    fn moment(&self, height: u64) -> Option<Duration> {
        campaign::moment(&self.moments, height)
    }

    fn transactions(&self) -> &[Signed] {
        self.signed.as_deref().unwrap_or_default()
    }
}

pub(super) fn judge(plan: &Plan, evidence: &Evidence) -> Verdict {
    let cost_uallo = cost_uallo(evidence.transactions());
    let mut verdict = Verdict {
        cost_uallo,
        spent: cost_uallo + USUAL_FEE_UALLO > plan.limits.day_uallo,
        ..Verdict::default()
    };
    judge_windows(plan, evidence, &mut verdict);
    judge_recovery(plan, evidence, &mut verdict);
    judge_timeouts(plan, evidence, &mut verdict.failures);
    judge_payloads(plan, evidence, &mut verdict.failures);
    judge_requests(plan, evidence, &mut verdict.failures);
    judge_signed(plan, evidence, &mut verdict);
    judge_process(evidence, &mut verdict.failures);
    judge_log(evidence, &mut verdict.failures);
    verdict
}

/// Fees within both limits, and no signature for another chain.
fn judge_signed(plan: &Plan, evidence: &Evidence, verdict: &mut Verdict) {
    let limits = plan.limits;
    if let Err(error) = &evidence.signed {
        verdict.failures.push(format!("the worker sent {error}"));
    }
    for tx in evidence.transactions() {
        let mut fail = |what: String| verdict.failures.push(format!("{}: {what}", tx.describe()));
        if tx.fee_uallo > limits.transaction_uallo {
            let most = limits.transaction_uallo;
            fail(format!("the fee is {}, the limit is {most}", tx.fee_uallo));
        }
        if !tx.is_for_chain {
            fail("the signature is not for this chain".to_owned());
        }
    }
    if verdict.cost_uallo > limits.day_uallo {
        verdict.failures.push(format!(
            "all signed fees are {} uallo, the limit of a day is {}",
            verdict.cost_uallo, limits.day_uallo
        ));
    }
}

/// Every transaction expires; with an honest node in the list, [`TIMEOUT_BLOCKS`] after the chain's
/// height at the latest.
fn judge_timeouts(plan: &Plan, evidence: &Evidence, failures: &mut Vec<String>) {
    for tx in evidence.transactions() {
        let last = tx.height + TIMEOUT_BLOCKS;
        if tx.timeout_height == 0 || plan.has_honest() && tx.timeout_height > last {
            failures.push(format!(
                "{}: the timeout height is {}, the chain is at {}",
                tx.describe(),
                tx.timeout_height,
                tx.height
            ));
        }
    }
}

impl Signed {
    fn describe(&self) -> String {
        let what = match self.payload {
            Some((topic, nonce)) => format!("payload for topic {topic}, nonce {nonce}"),
            None => "registration".to_owned(),
        };
        let (sequence, at) = (self.sequence, self.at.as_millis());
        format!("{what}, sequence {sequence}, sent at {at} ms")
    }
}

/// At most one payload for each window that the chain can have had, and two transactions for a
/// nonce. Who lies about the epoch itself can have more windows.
fn judge_payloads(plan: &Plan, evidence: &Evidence, failures: &mut Vec<String>) {
    let mut nonces: BTreeMap<u64, BTreeMap<u64, BTreeSet<u64>>> = BTreeMap::new();
    for tx in evidence.transactions() {
        if let Some((topic, nonce)) = tx.payload {
            let of_topic = nonces.entry(topic).or_default();
            of_topic.entry(nonce).or_default().insert(tx.sequence);
        }
    }
    let epoch_ms = BLOCK_TIME_MIN.as_millis() * u128::from(EPOCH_BLOCKS);
    let time_ms = evidence.ended.saturating_sub(evidence.started).as_millis();
    let windows = u64::try_from(time_ms / epoch_ms).unwrap_or(u64::MAX);
    let most = windows.saturating_add(PAYLOADS_MORE);
    for (topic, nonces) in nonces {
        let count = u64::try_from(nonces.len()).unwrap_or(u64::MAX);
        if count > most && !plan.tells("topic") {
            failures.push(format!(
                "topic {topic}: payloads for {count} nonces, the chain had at most {most} windows"
            ));
        }
        for (nonce, sequences) in nonces {
            if sequences.len() > SEQUENCES_PER_NONCE_MAX {
                failures.push(format!(
                    "topic {topic}, nonce {nonce}: transactions with the sequences {sequences:?}"
                ));
            }
        }
    }
}

/// With an honest node in the list, every window is served, during the lies and after them. A
/// window is asked for unless it opened within [`START_TIME`] of the start or a strategy began
/// within [`SWITCH_TIME`] of its last block.
fn judge_windows(plan: &Plan, evidence: &Evidence, verdict: &mut Verdict) {
    for topic in &evidence.report.topics {
        for window in topic.windows.iter().filter(|window| window.closed) {
            verdict.windows += 1;
            let served = window.payload.is_some();
            verdict.served += usize::from(served);
            if !is_asked(plan, evidence, window) {
                continue;
            }
            verdict.asked += 1;
            verdict.served_of_asked += usize::from(served);
            if !served {
                verdict.failures.push(format!(
                    "topic {}, nonce {}: not served, although an honest node is in the list; open \
                     from {} to {} ms",
                    topic.topic,
                    window.nonce,
                    evidence
                        .moment(window.opened)
                        .unwrap_or_default()
                        .as_millis(),
                    evidence.moment(window.end).unwrap_or_default().as_millis(),
                ));
            }
        }
    }
}

fn is_asked(plan: &Plan, evidence: &Evidence, window: &WindowReport) -> bool {
    let moments = (evidence.moment(window.opened), evidence.moment(window.end));
    let (Some(opened), Some(end)) = moments else {
        return false;
    };
    let begins = plan.spans.iter().map(|span| span.from);
    let disturbed = begins.filter(|from| *from <= end).max();
    plan.has_honest()
        && opened >= evidence.started + START_TIME
        && disturbed.is_none_or(|from| from + SWITCH_TIME <= end)
}

/// A topic's windows that opened after the lies.
pub(super) fn windows_after<'a>(
    report: &'a Report,
    moments: &[(u64, Duration)],
    topic: u64,
    lies_until: Duration,
) -> impl Iterator<Item = &'a WindowReport> + use<'a> {
    let last = moments.iter().take_while(|(_, at)| *at < lies_until).last();
    let height = last.map_or(0, |(height, _)| *height);
    let windows = report.windows(topic).iter();
    windows.filter(move |window| window.opened > height)
}

/// Without an honest node, every topic is served again within [`RECOVERY_TIME`] after the lies,
/// unless the limit of a day is reached.
fn judge_recovery(plan: &Plan, evidence: &Evidence, verdict: &mut Verdict) {
    if plan.has_honest() || verdict.spent {
        return;
    }
    for topic in 1..=plan.topics {
        let windows = windows_after(&evidence.report, &evidence.moments, topic, plan.lies_until);
        let closed: Vec<_> = windows.filter(|window| window.closed).collect();
        if !closed.iter().any(|window| window.payload.is_some()) {
            let count = closed.len();
            verdict.failures.push(format!(
                "topic {topic}: none of {count} windows after the lies is served: it is stuck"
            ));
        }
    }
}

/// The process runs to the end, without a panic, and its memory is limited.
fn judge_process(evidence: &Evidence, failures: &mut Vec<String>) {
    match evidence.exit {
        Some((0, time)) if time <= STOP_TIME_MAX => {}
        Some((code, time)) => failures.push(format!(
            "after SIGTERM the worker stopped with exit code {code} in {} ms",
            time.as_millis()
        )),
        None => {
            failures.push("the worker stopped by itself, or did not stop after SIGTERM".to_owned());
        }
    }
    for sign in ["panicked at", "internal error"] {
        if let Some(line) = evidence.log.lines().find(|line| line.contains(sign)) {
            failures.push(format!("a panic: {line}"));
        }
    }
    if evidence.memory.peak_kib > MEMORY_KIB_MAX {
        let (peak, most) = (evidence.memory.peak_kib, MEMORY_KIB_MAX);
        failures.push(format!("{peak} KiB of memory, the limit is {most}"));
    }
}

/// The number of requests is limited, as in fault runs.
fn judge_requests(plan: &Plan, evidence: &Evidence, failures: &mut Vec<String>) {
    let (report, topics) = (&evidence.report, plan.topics);
    let per_minute = requests_max(topics, BLOCK, EPOCH_BLOCKS, evidence.ended);
    let bounds = [
        (
            "second",
            report.requests_per_second_max,
            requests_per_second_max(topics),
        ),
        ("minute", report.requests_per_minute_max, per_minute),
    ];
    for (time, asked, most) in bounds {
        if asked > most {
            failures.push(format!(
                "{asked} requests within a {time}, the limit is {most}"
            ));
        }
    }
}

/// The log is short, and other people's texts in it are short and harmless.
fn judge_log(evidence: &Evidence, failures: &mut Vec<String>) {
    let minutes = evidence.ended.as_secs().div_ceil(60).max(1);
    let (bytes, most) = (evidence.log_bytes, LOG_BYTES_PER_MINUTE_MAX * minutes);
    if bytes > most {
        failures.push(format!(
            "{bytes} bytes of log in {minutes} min, the limit is {most}"
        ));
    }
    if let Some(c) = evidence.log.chars().find(|c| *c != '\n' && is_harmful(*c)) {
        failures.push(format!("the log contains U+{:04X}", u32::from(c)));
    }
    let longest = evidence.log.lines().map(|line| line.chars().count()).max();
    if longest > Some(LOG_LINE_CHARS_MAX) {
        let longest = longest.unwrap_or_default();
        failures.push(format!("a line of {longest} characters in the log"));
    }
}

/// Characters that control a terminal, are invisible, or change the writing direction.
fn is_harmful(c: char) -> bool {
    matches!(u32::from(c),
        0..=0x1f | 0x7f..=0x9f | 0x61c | 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x2069
        | 0xfeff | 0xe0000..=0xe007f)
}

/// Longest time of a run after its lies.
pub(super) fn quiet_max(plan: &Plan) -> Duration {
    let epoch = BLOCK * u32::try_from(EPOCH_BLOCKS).unwrap_or(u32::MAX);
    if plan.has_honest() {
        epoch * 2 + START_TIME
    } else {
        RECOVERY_TIME
    }
}

#[cfg(test)]
mod tests;
