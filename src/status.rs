//! The board: what the worker is doing, for metrics, health, the JSON status and the service
//! manager. Threads report to it, each time for a short moment under one lock; a reader takes a
//! copy, so that no sender waits for a reader. Nothing here decides anything.

pub mod beats;
pub mod histogram;
pub mod history;
pub mod introduction;
pub mod miss;
pub mod news;
pub mod outcome;
pub mod standing;
pub mod waiting;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use crate::status::beats::Beats;
use crate::status::histogram::{DelayHistogram, DurationHistogram};
use crate::status::history::{Ended, History};
use crate::status::news::News;
use crate::status::outcome::Outcome;
use crate::status::standing::{NetworkValue, TopicStanding};
use crate::threads::lock;
use crate::values::amount;
use crate::values::budget::Budget;
use crate::values::fee::GasPrice;
use crate::values::funding::windows_in_four_weeks;
use crate::values::standing::{NetworkInference, Score};
use crate::values::topic::{Window, WindowStatus};
use crate::values::units::{Height, TopicId, Uallo};

/// The format of `/status.json`: grows when a key is removed or changes its meaning, not when one is
/// added.
pub const FORMAT: u64 = 1;

/// What all threads report to.
#[derive(Debug)]
pub struct Board {
    /// Detects threads that hang.
    pub beats: Beats,
    /// When the process started.
    pub started: Instant,
    pub started_at: SystemTime,
    report: Mutex<BoardReport>,
    news: News,
}

/// A copy of everything that was reported.
#[derive(Clone, Debug, Default)]
pub struct BoardReport {
    /// Every configured topic from the start.
    pub topics: BTreeMap<TopicId, TopicReport>,
    /// The gas price last read.
    pub gas_price: Option<GasPrice>,
    /// The account's balance when it was last read, less what was paid since.
    pub balance: Option<Uallo>,
    /// The balance of the account that grants the fees, when it was last read.
    pub granter_balance: Option<Uallo>,
    /// The fees of all signed transactions, of several with one sequence the largest: no more can
    /// have been paid.
    pub fees_offered: Uallo,
    /// Those of them that a transaction index has confirmed.
    pub fees_confirmed: Uallo,
    /// The fees of the last 24 hours and their limit.
    pub budget: Option<Budget>,
    /// Answers of the chain whose meaning the worker does not know.
    pub unknown_answers: u64,
}

/// What was reported about a topic.
#[derive(Clone, Debug, Default)]
pub struct TopicReport {
    /// The last poll that gave a status.
    pub polled: Option<Polled>,
    /// When the last poll was answered, with a status or with an error.
    pub answered: Option<Instant>,
    /// The longest time between two polls, failed ones aside, while the topic's thread moves.
    pub poll_gap_max: Option<Duration>,
    /// According to the last poll the topic does not exist.
    pub absent: bool,
    /// Since when every poll has failed.
    pub failing_since: Option<Instant>,
    /// Blocks left of the window when a node last accepted a payload.
    pub blocks_left_at_send: Option<u64>,
    /// Payloads of this standby that a node accepted, because the primary had not served the nonce.
    pub takeovers: u64,
    /// How long the model took to answer or to fail.
    pub model_durations: DurationHistogram,
    pub model_failures: u64,
    /// Blocks from a nonce to the block with its payload, where that is known.
    pub inclusion_delays: DelayHistogram,
    /// How many nonces ended with each of [`Outcome::NAMES`].
    pub counts: BTreeMap<&'static str, u64>,
    /// How many of the missed ones had each of [`Miss::REASONS`](miss::Miss::REASONS).
    pub misses: BTreeMap<&'static str, u64>,
    /// Windows that ended unserved on the day before the process could serve any.
    pub unserved_before_start: u64,
    pub history: History,
    pub standing: TopicStanding,
    /// The last nonce whose payload was included and counts.
    pub last_success: Option<Arc<Ended>>,
}

/// What fees are paid from, and how much of it was used.
#[derive(Clone, Copy, Debug)]
pub struct Money {
    /// The balance that pays the fees, when it was last read.
    pub payer_balance: Option<Uallo>,
    /// Whether it is that of the account that grants them.
    pub is_granted: bool,
    /// The fees signed within the last 24 hours.
    pub signed_24h: Uallo,
    pub fee_per_day_max: Option<Uallo>,
}

/// A topic's status, and when it was read.
#[derive(Clone, Copy, Debug)]
pub struct Polled {
    pub at: SystemTime,
    pub status: WindowStatus,
    /// Whether the topic takes labelled values.
    pub labelled: bool,
    /// The time from one window to the next.
    pub epoch_blocks: Option<u64>,
}

#[cfg(test)]
impl Polled {
    /// Of a topic that takes one number, with a window each 20 blocks.
    pub(crate) fn sample(status: WindowStatus) -> Polled {
        Polled {
            at: SystemTime::now(),
            status,
            labelled: false,
            epoch_blocks: Some(20),
        }
    }
}

impl Default for Board {
    fn default() -> Board {
        Board {
            beats: Beats::default(),
            started: Instant::now(),
            started_at: SystemTime::now(),
            report: Mutex::default(),
            news: News::default(),
        }
    }
}

impl Board {
    /// Nothing is reported yet; `news` hears of each nonce that ends.
    pub fn telling(news: News) -> Board {
        let board = Board::default();
        Board { news, ..board }
    }

    /// The worker serves this topic, and polls it at least once in `poll_gap_max`.
    pub fn serves(&self, topic: TopicId, poll_gap_max: Duration) {
        self.change(topic, |report| report.poll_gap_max = Some(poll_gap_max));
    }

    /// A poll gave the topic's status.
    pub fn polled(&self, topic: TopicId, polled: Polled) {
        self.change(topic, |report| {
            report.polled = Some(polled);
            report.answered = Some(Instant::now());
            report.absent = false;
            report.failing_since = None;
        });
    }

    /// A poll was answered: there is no such topic.
    pub fn absent(&self, topic: TopicId) {
        self.change(topic, |report| {
            report.absent = true;
            report.answered = Some(Instant::now());
            report.failing_since = None;
        });
    }

    /// A poll failed.
    pub fn poll_failed(&self, topic: TopicId) {
        self.change(topic, |report| {
            report.failing_since.get_or_insert_with(Instant::now);
        });
    }

    /// The model was asked.
    pub fn model_asked(&self, topic: TopicId, took: Duration, failed: bool) {
        self.change(topic, |report| {
            report.model_durations.0.observe(took.as_secs_f64());
            report.model_failures += u64::from(failed);
        });
    }

    /// A node accepted a payload, this many blocks before the end of its window.
    pub fn accepted(&self, topic: TopicId, blocks_left: u64) {
        self.change(topic, |report| {
            report.blocks_left_at_send = Some(blocks_left);
        });
    }

    /// A standby serves what the primary has not served.
    pub fn took_over(&self, topic: TopicId) {
        self.change(topic, |report| report.takeovers += 1);
    }

    /// `count` nonces have ended in this way; the last of them is shown.
    pub fn ended(&self, topic: TopicId, ended: Arc<Ended>, count: u64) {
        self.news.ended(topic, &ended, count);
        let mut board = lock(&self.report);
        let topics = board.topics.len();
        let report = board.topics.entry(topic).or_default();
        report.count_more(&ended.outcome, count);
        if let Outcome::Included(inclusion) = &ended.outcome {
            report.last_success = Some(Arc::clone(&ended));
            if let Ok(found) = &inclusion.found {
                let blocks = u32::try_from(found.delay_blocks(ended.nonce)).unwrap_or(u32::MAX);
                report.inclusion_delays.0.observe(f64::from(blocks));
            }
        }
        report.history.push(ended, topics);
    }

    /// The worker has this score.
    pub fn score(&self, topic: TopicId, score: Score) {
        let mut board = lock(&self.report);
        let topics = board.topics.len();
        let report = board.topics.entry(topic).or_default();
        report.standing.has_score(score, topics);
    }

    /// The lowest score in the topic's active set.
    pub fn lowest_score(&self, topic: TopicId, lowest: Score) {
        self.change(topic, |report| report.standing.lowest = Some(lowest));
    }

    /// What the network made of the inferences for a nonce.
    pub fn network_inference(&self, topic: TopicId, heard: &NetworkInference) {
        let value = NetworkValue::of(heard);
        self.change(topic, |report| report.standing.network = Some(value));
    }

    /// A nonce ended in this way, which is counted and not shown.
    pub fn ended_unshown(&self, topic: TopicId, outcome: &Outcome) {
        self.change(topic, |report| report.count_more(outcome, 1));
    }

    /// As many windows ended unserved on the day before the process could serve any.
    pub fn unserved_before_start(&self, topic: TopicId, count: u64) {
        self.change(topic, |report| report.unserved_before_start = count);
    }

    pub fn gas_price(&self, price: GasPrice) {
        lock(&self.report).gas_price = Some(price);
    }

    /// The account that grants the fees has this balance.
    pub fn granter_balance(&self, balance: Uallo) {
        lock(&self.report).granter_balance = Some(balance);
    }

    /// The account has this balance; the purse of the broadcaster keeps the books.
    pub fn balance(&self, balance: Uallo) {
        lock(&self.report).balance = Some(balance);
    }

    /// A transaction was signed: the fees grow by `more`, and this is the budget now.
    pub fn offered(&self, more: Uallo, budget: Budget) {
        let mut report = lock(&self.report);
        report.fees_offered = Uallo(report.fees_offered.0.saturating_add(more.0));
        report.budget = Some(budget);
    }

    /// According to the index, a block took this fee.
    pub fn confirmed(&self, fee: Uallo) {
        let mut report = lock(&self.report);
        report.fees_confirmed = Uallo(report.fees_confirmed.0.saturating_add(fee.0));
    }

    /// How many windows the topics open in four weeks, once the epochs of all of them are known.
    pub fn windows_in_four_weeks(&self, block_time: Duration) -> Option<u128> {
        let report = lock(&self.report);
        let epochs = report
            .topics
            .values()
            .map(|topic| topic.polled?.epoch_blocks);
        let epochs: Option<Vec<u64>> = epochs.collect();
        Some(windows_in_four_weeks(epochs?.into_iter(), block_time)).filter(|count| *count > 0)
    }

    /// The chain gave an answer whose meaning is not known.
    pub fn unknown_answer(&self) {
        lock(&self.report).unknown_answers += 1;
    }

    /// What fees are paid from, as of `now`.
    pub fn money(&self, now: Instant) -> Money {
        let report = lock(&self.report);
        let budget = report.budget.as_ref();
        Money {
            payer_balance: report.granter_balance.or(report.balance),
            is_granted: report.granter_balance.is_some(),
            signed_24h: budget.map_or(Uallo(0), |budget| budget.signed(now)),
            fee_per_day_max: budget.map(Budget::limit),
        }
    }

    /// A copy of everything.
    pub fn report(&self) -> BoardReport {
        lock(&self.report).clone()
    }

    fn change(&self, topic: TopicId, change: impl FnOnce(&mut TopicReport)) {
        change(lock(&self.report).topics.entry(topic).or_default());
    }
}

impl BoardReport {
    /// One line with the outcomes of all topics, the fees, and the unknown answers if there were
    /// any.
    pub fn summary(&self) -> String {
        let outcomes = Outcome::NAMES.map(|name| {
            let count: u64 = self.topics.values().map(|topic| topic.count(name)).sum();
            format!("{count} {}", name.replace('_', " "))
        });
        let unknown = match self.unknown_answers {
            0 => String::new(),
            count => format!("; {count} answers of a kind that is not known, see above"),
        };
        let [offered, confirmed] = amount::apart(self.fees_offered, self.fees_confirmed);
        format!(
            "{}; fees offered {offered}, confirmed {confirmed}{unknown}",
            outcomes.join(", ")
        )
    }
}

impl TopicReport {
    fn count_more(&mut self, outcome: &Outcome, count: u64) {
        let add = |counts: &mut BTreeMap<&'static str, u64>, name| {
            let before = counts.entry(name).or_default();
            *before = before.saturating_add(count);
        };
        add(&mut self.counts, outcome.name());
        if let Some(reason) = outcome.miss_reason() {
            add(&mut self.misses, reason);
        }
    }

    /// How many nonces ended with the outcome of this name.
    pub fn count(&self, outcome: &str) -> u64 {
        self.counts.get(outcome).copied().unwrap_or_default()
    }

    /// How many nonces were missed for this reason.
    pub fn missed_for(&self, reason: &str) -> u64 {
        self.misses.get(reason).copied().unwrap_or_default()
    }

    /// The window that is open at this height, according to the last poll.
    pub fn open_at(&self, height: Height) -> Option<Window> {
        let status = &self.polled.as_ref()?.status;
        let mut windows = [status.open, status.next].into_iter().flatten();
        let is_open = |window: &Window| window.nonce.height() <= height && height < window.end;
        windows.rfind(is_open)
    }

    /// The height that opens the next window, according to the last poll.
    pub fn next_window(&self, height: Height) -> Option<Height> {
        let next = self.polled.as_ref()?.status.next?.nonce.height();
        Some(next).filter(|next| *next > height)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::outcome::{Inclusion, Unfound};
    use crate::values::units::Nonce;

    const TOPIC: TopicId = TopicId(1);

    fn end(board: &Board, topic: TopicId, nonce: u64, outcome: Outcome) {
        let (nonce, at) = (Nonce(nonce), SystemTime::UNIX_EPOCH);
        board.ended(
            topic,
            Arc::new(Ended {
                nonce,
                outcome,
                at,
                in_row: 0,
            }),
            1,
        );
    }

    fn window(nonce: u64, end: u64) -> Option<Window> {
        Some(Window {
            nonce: Nonce(nonce),
            end: Height(end),
        })
    }

    fn status(open: Option<Window>, next: Option<Window>) -> WindowStatus {
        WindowStatus {
            open,
            next,
            is_registered: true,
            is_whitelisted: true,
            is_topic_active: true,
        }
    }

    #[test]
    fn a_window_is_open_from_its_nonce_to_before_its_end() {
        let board = Board::default();
        let windows = status(window(100, 110), window(120, 130));
        board.polled(TOPIC, Polled::sample(windows));
        let report = board.report().topics[&TOPIC].clone();
        let open = |height: u64| report.open_at(Height(height)).map(|window| window.nonce.0);
        assert_eq!(open(99), None);
        assert_eq!(open(100), Some(100));
        assert_eq!(open(109), Some(100));
        assert_eq!(open(110), None, "its last block is there");
        assert_eq!(open(120), Some(120), "it has opened since the last poll");
        assert_eq!(report.next_window(Height(119)), Some(Height(120)));
        assert_eq!(report.next_window(Height(120)), None);
    }

    #[test]
    fn the_windows_of_four_weeks_are_known_once_all_topics_are() {
        let (board, second) = (Board::default(), Duration::from_secs(1));
        board.serves(TOPIC, second);
        assert_eq!(board.windows_in_four_weeks(second), None);
        board.polled(TOPIC, Polled::sample(status(None, None)));
        assert_eq!(board.windows_in_four_weeks(second), Some(4_320 * 28));
        board.serves(TopicId(2), second);
        assert_eq!(board.windows_in_four_weeks(second), None);
    }

    #[test]
    fn polls_that_fail_count_from_the_first_one() {
        let board = Board::default();
        board.poll_failed(TOPIC);
        let since = board.report().topics[&TOPIC].failing_since;
        board.poll_failed(TOPIC);
        assert!(since.is_some());
        assert_eq!(board.report().topics[&TOPIC].failing_since, since);
        board.polled(TOPIC, Polled::sample(status(None, None)));
        assert_eq!(board.report().topics[&TOPIC].failing_since, None);
    }

    #[test]
    fn only_what_is_included_and_counts_is_a_success() {
        let board = Board::default();
        let unseen = Inclusion {
            found: Err(Unfound::NoIndex),
            by: Height(9),
            sent: None,
        };
        end(&board, TOPIC, 7, Outcome::Included(unseen.clone()));
        end(&board, TOPIC, 8, Outcome::NotAdmitted(unseen));
        let report = board.report().topics[&TOPIC].clone();
        assert_eq!(report.last_success.as_ref().unwrap().nonce, Nonce(7));
        let last = report.history.last().unwrap();
        assert_eq!(last.outcome.name(), "not_admitted");
        assert_eq!(report.count("included"), 1);
        assert_eq!(report.count("not_admitted"), 1);
        assert_eq!(report.count("missed"), 0);
    }

    #[test]
    fn the_summary_adds_up_topics_and_fees() {
        let board = Board::default();
        end(&board, TopicId(1), 7, Outcome::AlreadySubmitted);
        end(&board, TopicId(2), 7, Outcome::AlreadySubmitted);
        end(&board, TopicId(2), 8, Outcome::Missed(String::new().into()));
        board.offered(Uallo(9), Budget::new(Uallo(100)));
        board.offered(Uallo(5), Budget::new(Uallo(100)));
        board.confirmed(Uallo(7));
        board.confirmed(Uallo(5));
        assert_eq!(
            board.report().summary(),
            "0 included, 0 not admitted, 2 already submitted, 1 missed, 0 refused, 0 skipped, 0 \
             disputed; fees offered 0.000000000000000014 ALLO, confirmed 0.000000000000000012 ALLO"
        );
        board.unknown_answer();
        let summary = board.report().summary();
        assert!(summary.contains("; 1 answers of a kind"), "{summary}");
    }
}
