//! Judges a run. The judge knows the schedule of faults, the times of the blocks and what the chain
//! saw; of the worker only whether and how its process runs.
//!
//! A window is *servable* if there was no fault for [`super::limits::margin`] before its last
//! block: after any earlier fault, the worker then had the time to recover. Conditions that last
//! for a whole run (separate mempools, a late index or none, an endpoint of another chain beside a
//! correct one) do not count as faults: the worker has to work in spite of them.

use std::collections::BTreeSet;
use std::time::Duration;

use super::limits::{SERVABLE_PERCENT_MIN, memory_kib_max, requests_max, requests_per_second_max};
use super::plan::Plan;
use crate::campaign;
use crate::campaign::place::{Exit, STOP_TIME_MAX};
use crate::campaign::result::Verdict;
use crate::chain::report::{Report, WindowReport};
use crate::worker::Memory;

/// What happened in a run.
#[derive(Debug)]
pub(super) struct Evidence {
    pub(super) report: Report,
    /// When each block was made.
    pub(super) moments: Vec<(u64, Duration)>,
    /// When the worker was first started.
    pub(super) started: Duration,
    /// When the worker was killed, and when it was started again.
    pub(super) kills: Vec<(Duration, Duration)>,
    /// When the last fault was over.
    pub(super) quiet_from: Duration,
    /// When the run was over.
    pub(super) ended: Duration,
    /// The worker's threads at the end.
    pub(super) threads: BTreeSet<String>,
    /// The worker's memory at the beginning and at the end of the quiet phase.
    pub(super) memory: (Memory, Memory),
    /// The exit code and the time from SIGTERM to the end; `None` if the worker was not running or
    /// did not stop.
    pub(super) exit: Option<Exit>,
}

impl Evidence {
    fn moment(&self, height: u64) -> Option<Duration> {
        campaign::moment(&self.moments, height)
    }

    /// The spans of time with a fault.
    pub(super) fn faults(&self, plan: &Plan) -> Vec<(Duration, Duration)> {
        let mut faults: Vec<_> = plan.spans.iter().map(span_of).collect();
        faults.extend(&self.kills);
        faults.push((Duration::ZERO, self.started));
        if let Some(upgrade) = plan.upgrade {
            // From the last block of the old version to the first of the new one.
            let from = self.moment(upgrade.height - 1).unwrap_or_default();
            let to = self.moment(upgrade.height).unwrap_or(self.ended);
            faults.push((from, to));
        }
        faults
    }
}

fn span_of(span: &super::plan::Span) -> (Duration, Duration) {
    (span.from, span.to + span.kind.lingers)
}

/// Whether there was no fault for `margin` before `end`.
fn is_quiet_before(faults: &[(Duration, Duration)], end: Duration, margin: Duration) -> bool {
    end >= margin
        && faults
            .iter()
            .all(|(from, to)| *to <= end - margin || *from >= end)
}

pub(super) fn judge(plan: &Plan, evidence: &Evidence) -> Verdict {
    let mut verdict = Verdict::default();
    judge_windows(plan, evidence, &mut verdict);
    judge_quiet(plan, evidence, &mut verdict.failures);
    judge_fees(plan, &evidence.report, &mut verdict.failures);
    judge_process(plan, evidence, &mut verdict.failures);
    judge_appetite(plan, evidence, &mut verdict.failures);
    verdict
}

fn judge_windows(plan: &Plan, evidence: &Evidence, verdict: &mut Verdict) {
    let (faults, margin) = (evidence.faults(plan), plan.margin());
    for topic in &evidence.report.topics {
        for window in topic.windows.iter().filter(|window| window.closed) {
            verdict.windows += 1;
            let served = window.payload.is_some();
            verdict.served += usize::from(served);
            let Some(end) = evidence.moment(window.end) else {
                continue;
            };
            if !is_quiet_before(&faults, end, margin) {
                continue;
            }
            verdict.asked += 1;
            verdict.served_of_asked += usize::from(served);
            if !served {
                let text = not_served(topic.topic, window, end, &faults, margin);
                verdict.failures.push(text);
            }
        }
    }
    if verdict.asked * 100 < verdict.windows * SERVABLE_PERCENT_MIN {
        verdict.failures.push(format!(
            "only {} of {} windows were servable, which are too few: an error in the plan",
            verdict.asked, verdict.windows
        ));
    }
}

fn not_served(
    topic: u64,
    window: &WindowReport,
    end: Duration,
    faults: &[(Duration, Duration)],
    margin: Duration,
) -> String {
    let before = faults.iter().map(|(_, to)| *to).filter(|to| *to <= end);
    format!(
        "topic {topic}, nonce {}: servable but not served; its last block {} was made at {} ms, \
         the last fault before it ended at {} ms, the margin is {} ms",
        window.nonce,
        window.end,
        end.as_millis(),
        before.max().unwrap_or_default().as_millis(),
        margin.as_millis()
    )
}

/// A topic's first window that opened after the faults.
pub(super) fn first_quiet_window(
    report: &Report,
    topic: u64,
    quiet_height: u64,
) -> Option<&WindowReport> {
    let mut windows = report.windows(topic).iter();
    windows.find(|window| window.opened > quiet_height)
}

/// Every topic must be served in its first whole window after the faults.
fn judge_quiet(plan: &Plan, evidence: &Evidence, failures: &mut Vec<String>) {
    let quiet_height = evidence
        .moments
        .iter()
        .take_while(|(_, at)| *at < evidence.quiet_from)
        .last()
        .map_or(0, |(height, _)| *height);
    for topic in 1..=plan.topics {
        match first_quiet_window(&evidence.report, topic, quiet_height) {
            Some(window) if window.payload.is_some() => {}
            Some(window) => failures.push(format!(
                "topic {topic}, nonce {}: the first whole window after the faults is not served",
                window.nonce
            )),
            None => failures.push(format!(
                "topic {topic}: no whole window after the faults: an error in the plan"
            )),
        }
    }
}

fn judge_fees(plan: &Plan, report: &Report, failures: &mut Vec<String>) {
    if report.paid_twice > 0 {
        failures.push(format!("paid_twice is {}", report.paid_twice));
    }
    let explained: BTreeSet<&str> = plan
        .spans
        .iter()
        .filter_map(|span| span.kind.explains)
        .collect();
    for (code, count) in &report.fee_lost {
        if !explained.contains(code.as_str()) {
            failures.push(format!(
                "fees were lost {count} times with {code}, which no fault of the plan explains"
            ));
        }
    }
}

/// No thread may have ended, and the process must stop when asked.
fn judge_process(plan: &Plan, evidence: &Evidence, failures: &mut Vec<String>) {
    let topics = (1..=plan.topics).map(|id| format!("topic-{id}"));
    let fixed = ["allora-worker", "broadcaster", "signals"].map(str::to_owned);
    for name in topics.chain(fixed) {
        if !evidence.threads.contains(&name) {
            let there = &evidence.threads;
            failures.push(format!(
                "the thread {name} has ended; the threads are {there:?}"
            ));
        }
    }
    match evidence.exit {
        Some((0, time)) if time <= STOP_TIME_MAX => {}
        Some((code, time)) => failures.push(format!(
            "after SIGTERM the worker stopped with exit code {code} in {} ms",
            time.as_millis()
        )),
        None => {
            failures.push("the worker stopped by itself, or did not stop after SIGTERM".to_owned())
        }
    }
}

/// The number of requests must be limited, and memory must not grow.
fn judge_appetite(plan: &Plan, evidence: &Evidence, failures: &mut Vec<String>) {
    let geometry = plan.geometry();
    let (topics, length) = (plan.topics, evidence.ended);
    let most = requests_max(topics, geometry.block, geometry.epoch, length);
    let asked = evidence.report.requests_per_minute_max;
    if asked > most {
        failures.push(format!(
            "{asked} requests within a minute, the limit is {most}"
        ));
    }
    let most = requests_per_second_max(topics);
    let asked = evidence.report.requests_per_second_max;
    if asked > most {
        failures.push(format!(
            "{asked} requests within a second, the limit is {most}"
        ));
    }
    let (before, after) = evidence.memory;
    let kib_max = memory_kib_max(before.now_kib);
    if after.now_kib > kib_max {
        failures.push(format!(
            "the memory grew from {} to {} KiB in the quiet phase",
            before.now_kib, after.now_kib
        ));
    }
}

#[cfg(test)]
mod tests;
