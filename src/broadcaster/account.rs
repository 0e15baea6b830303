//! Reading the account: one request per block settles everything below the committed sequence, for
//! all topics. This file decides when it is read and passes on what follows from the answer; what
//! an answer settles is decided in [`crate::broadcaster::sequence`].

use std::time::{Duration, Instant};

use log::{debug, error, info, warn};

use super::prepare::TIMEOUT_BLOCKS;
use super::{ACCOUNT_OVERDUE_BLOCKS, Broadcaster, Fresh, say};
use crate::backoff;
use crate::broadcaster::order::{Offer, SendTrouble, Word};
use crate::broadcaster::send::{Did, Trial};
use crate::broadcaster::sequence::{Hold, Moment, Settled};
use crate::chain::answers::Account;
use crate::chain::clock::ChainClock;
use crate::chain::endpoints::EndpointId;
use crate::chain::opinion::SecondOpinion;
use crate::http::{REQUEST_TIME_MAX, REQUEST_TIME_MIN};
use crate::values::units::{AccountNumber, Height, Sequence};

/// The shortest time between two reads of the account.
const ACCOUNT_EVERY_MIN: Duration = Duration::from_millis(200);
/// The time between two reads that await a block before the block time is measured.
const ACCOUNT_EVERY_UNMEASURED: Duration = Duration::from_millis(500);
/// The longest time between two reads while no block comes.
const ACCOUNT_EVERY_HALTED: Duration = Duration::from_secs(10);
/// First and longest delay after a read that failed.
const ACCOUNT_RETRY: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(10));
/// The same delay in blocks at most: everything in flight depends on this one answer, and windows
/// are measured in blocks.
const ACCOUNT_RETRY_BLOCKS_MAX: u32 = 2;

/// The blocks after which a node that passes transactions on has got one into a block; one that was
/// accepted later may expire before its turn comes.
const INCLUDED_BLOCKS_MAX: u64 = 3;

/// The least time between two lines about transactions of other processes.
const FOREIGN_EVERY: Duration = Duration::from_secs(3600);

/// Counts transactions of other processes with this key, between the lines that report them.
#[derive(Debug, Default)]
struct ForeignCount {
    unreported: u64,
    reported_at: Option<Instant>,
}

impl ForeignCount {
    /// Adds transactions. Gives the line to log, if one is due: the first one at once, a count each
    /// [`FOREIGN_EVERY`] after it.
    fn add(&mut self, count: u64, now: Instant) -> Option<String> {
        self.unreported = self.unreported.saturating_add(count);
        let before = self.reported_at;
        let is_early = before.is_some_and(|at| now.saturating_duration_since(at) < FOREIGN_EVERY);
        if self.unreported == 0 || is_early {
            return None;
        }
        self.reported_at = Some(now);
        let count = std::mem::take(&mut self.unreported);
        Some(match before {
            None => format!(
                "{count} transaction(s) of this account were not sent by this process; if another \
                 one runs with the same key, stop it: two of them pay twice. After each one, \
                 nothing is sent for some blocks; more of them are counted in one line per hour"
            ),
            Some(_) => format!(
                "{count} more transaction(s) of this account were not sent by this process; another \
                 one runs with the same key: stop it"
            ),
        })
    }
}

/// What is known of the account apart from its sequence, and when it is read.
#[derive(Debug, Default)]
pub(super) struct AccountState {
    pub(super) number: Option<AccountNumber>,
    read_at: Option<Instant>,
    /// The endpoint that it was read from last.
    pub(super) read_from: Option<EndpointId>,
    /// Reads in a row that failed.
    failures: u32,
    /// Not read before this moment.
    not_before: Option<Instant>,
    /// Why the last read failed.
    pub(super) trouble: Option<SendTrouble>,
    /// About an account that is not known.
    opinion: SecondOpinion,
    foreign: ForeignCount,
}

impl Broadcaster {
    /// When the account has to be read, if at all.
    pub(super) fn account_due(&self, held: Option<Hold>, at: Moment) -> Option<Instant> {
        let now = at.now;
        let clock = self.chain.lcd.clock();
        let pace = pace(&clock, now);
        let after = |every: Duration| self.account.read_at.map_or(now, |at| at + every);
        let after_block = |above: Height| {
            if at.height > above {
                return now;
            }
            let expected = clock.time_of(above.plus(1));
            let expected = expected.filter(|_| clock.is_measured());
            // Half a pace later than expected: a read just before the block has to be repeated.
            let expected = expected.map_or(now, |at| at + pace / 2);
            expected.max(after(pace)).max(now)
        };
        let committed = self.ledger.committed();
        let read_at = committed.map_or(Height(0), |(_, height)| height);
        let wanted = match held {
            Some(Hold::Account) => now,
            Some(Hold::Block(above)) => after_block(above),
            _ if self.ledger.in_flight() == 0 => return None,
            _ if self.ledger.needs_account() => now,
            Some(Hold::First) => after_block(read_at),
            _ => {
                let regular = after(self.settings.tx_check_every);
                after_block(read_at.max(self.ledger.oldest_sending()?)).max(regular)
            }
        };
        Some(wanted.max(self.account.not_before.unwrap_or(now)))
    }

    /// Whether the account has to be read although submissions may be sent: for as long as a long
    /// queue lasts, nothing else tells the height, from which windows and transactions expire, and
    /// nothing else settles what is in flight.
    pub(super) fn account_is_overdue(&self, now: Instant) -> bool {
        let Some(read_at) = self.account.read_at else {
            return false;
        };
        let clock = self.chain.lcd.clock();
        let every = (clock.block_time() * ACCOUNT_OVERDUE_BLOCKS).max(pace(&clock, now));
        let is_needed = self.ledger.in_flight() > 0 && !self.queue.is_empty();
        let may_ask = self.account.not_before.is_none_or(|until| now >= until);
        is_needed && may_ask && now >= read_at + every
    }

    /// Requests one thing that the next transaction needs, if it is unknown or old. If that fails,
    /// this and the remaining things are requested when they are needed.
    pub(super) fn make_fresh(&mut self, fresh: Fresh, now: Instant) {
        let (is_known, next) = match fresh {
            Fresh::Heights => {
                self.chain.lcd.compare_heights();
                (true, Some(Fresh::Account))
            }
            Fresh::Account => {
                let may_ask = self.account.not_before.is_none_or(|at| now >= at);
                // why: another process with the key may have used the next sequence, which nothing
                // in flight would show
                let block_time = self.chain.lcd.clock().block_time();
                let is_old = self.account.read_at.is_none_or(|at| now >= at + block_time);
                let is_outdated = self.ledger.in_flight() == 0 && is_old;
                let is_outdated = is_outdated || self.ledger.committed().is_none();
                if is_outdated && may_ask {
                    // why: a transaction needs the answer only if there was none before
                    let is_known = self.ledger.committed().is_some();
                    self.read_account(if is_known {
                        REQUEST_TIME_MIN
                    } else {
                        REQUEST_TIME_MAX
                    });
                }
                (self.ledger.committed().is_some(), Some(Fresh::Price))
            }
            Fresh::Price => (self.purse.freshen_price(), Some(Fresh::Params)),
            Fresh::Params => {
                let api = self.chain.api_last_known();
                let is_known = api.is_some_and(|api| self.purse.freshen_params(api));
                (is_known, Some(Fresh::Balance))
            }
            Fresh::Balance => (self.purse.freshen_balance(), Some(Fresh::Grant)),
            Fresh::Grant => {
                self.freshen_grant(now);
                (true, None)
            }
        };
        self.freshen = next.filter(|_| is_known);
    }

    /// Reads the account within `limit`. The times that follow from it count from its end: a read that
    /// got no answer leaves as much time to send as any other.
    pub(super) fn read_account(&mut self, limit: Duration) {
        let lcd = self.chain.lcd.within(limit);
        let result = self.chain.heard(lcd.account(&self.chain.sender));
        let now = Instant::now();
        self.account.read_at = Some(now);
        self.account.trouble = result.as_ref().err().map(|error| error.clone().into());
        match result {
            // What waits stays in the queue: one lost answer makes no topic ask its questions again.
            Err(_) => self.account_failed(now),
            Ok(answer) if !answer.fresh => {
                // A load balancer may ask another node next time, so this is not a failure.
                let soon = self.chain.lcd.clock().block_time() / 5;
                self.account.not_before = Some(now + soon.max(ACCOUNT_EVERY_MIN));
                debug!("account: the node is behind the highest height known, asking again");
            }
            Ok(answer) if self.is_other_chains(answer.value.as_ref(), answer.endpoint) => {
                debug!("account: asking again, after the endpoint's chain id");
            }
            Ok(answer) => match answer.value.zip(answer.height) {
                Some((account, height)) => {
                    self.account.read_from = Some(answer.endpoint);
                    self.account_answers();
                    self.account.opinion = SecondOpinion::default();
                    self.take_account(&account, height);
                }
                None if self.account_contradicted(answer.endpoint) => {
                    debug!("account: asking again, another endpoint knows it");
                }
                None => {
                    self.account_failed(now);
                    let trouble = self.purse.unknown_account();
                    self.return_all(&trouble);
                }
            },
        }
    }

    /// Whether this may be the account on another chain. If so, the endpoint's chain id is asked before
    /// the account is read again; at most once a minute, so that a wrong answer stops nothing.
    fn is_other_chains(&self, account: Option<&Account>, said: EndpointId) -> bool {
        let committed = self.ledger.committed();
        let is_new = is_new_account(
            self.account.number,
            committed.map(|(sequence, _)| sequence),
            account,
        );
        is_new && self.chain.lcd.doubt_account(said)
    }

    /// Whether another endpoint knows the account, which `said` does not.
    fn account_contradicted(&mut self, said: EndpointId) -> bool {
        let (lcd, address) = (&self.chain.lcd, &self.chain.sender);
        let no = format!("there is no account {address}");
        self.account.opinion.differs(Instant::now(), || {
            lcd.contradicted(
                said,
                &no,
                |lcd| lcd.account(address),
                |answer| answer.value.is_some(),
            )
        })
    }

    /// Tells the ledger the highest height known, which falls if it is not believed any more (R9).
    pub(super) fn note_height(&mut self, height: Height) {
        for given_up in self.ledger.height_is(height) {
            warn!(
                "{}: its transaction (sequence {}) expires at a height that the chain does not \
                 have for long; the next one takes its sequence",
                given_up.job, given_up.sequence
            );
            self.deliver(given_up);
        }
    }

    pub(super) fn account_answers(&mut self) {
        self.account.failures = 0;
        self.account.not_before = None;
    }

    fn account_failed(&mut self, now: Instant) {
        self.account.failures = self.account.failures.saturating_add(1);
        let (base, longest) = ACCOUNT_RETRY;
        let block_time = self.chain.lcd.clock().cautious_block_time(now);
        let cap = (block_time * ACCOUNT_RETRY_BLOCKS_MAX).clamp(base, longest);
        let delay = backoff::delay(self.account.failures, base, cap, &mut self.jitter);
        self.account.not_before = Some(now + delay.max(ACCOUNT_EVERY_MIN));
    }

    pub(super) fn take_account(&mut self, account: &Account, height: Height) {
        self.account.number = Some(account.number);
        self.note_height(height);
        let is_first = self.ledger.committed().is_none();
        let reading = self.ledger.account_read(account.sequence, height);
        if is_first || reading.foreign > 0 {
            self.chain.others_may_have_sent(height);
        }
        if reading.foreign > 0 {
            self.purse.doubt_balance();
        }
        self.report_foreign(reading.foreign, height);
        if reading.settled.iter().any(|settled| settled.consumed) {
            self.chain.own_sequence_is_used(height);
        }
        for settled in reading.settled {
            self.blame_taker(&settled, account.sequence);
            self.deliver(settled);
        }
        let checks = self.settings.tx_check_retries;
        for (job, sequence) in self.ledger.unsettled_after(checks) {
            warn!(
                "{job}: its transaction (sequence {sequence}) is in no block after {checks} checks; \
                 waiting for it, nothing is signed anew"
            );
        }
    }

    /// Logs that another process used the key. Soon after the start that was an earlier run, whose
    /// transactions may be included until they expire.
    fn report_foreign(&mut self, count: u64, height: Height) {
        let first = self.chain.first_height().unwrap_or_default();
        let is_earlier_run = height <= first.plus(TIMEOUT_BLOCKS);
        if count > 0 && is_earlier_run {
            return info!("{count} transaction(s) from before this start were included in a block");
        }
        if count > 0 {
            self.chain.others_have_sent(height);
            debug!("{count} transaction(s) of another process up to block {height}");
        }
        if let Some(line) = self.account.foreign.add(count, Instant::now()) {
            warn!("{line}");
        }
    }

    /// Leaves the endpoint that accepted a transaction which expired, or did not take it, although it was
    /// next in line and blocks could have included it: the next endpoint may pass transactions on.
    fn blame_taker(&self, settled: &Settled, next: Sequence) {
        let mut flying = self.flying.iter();
        let flying = flying.find(|flying| flying.draft.job == settled.job);
        let Some(trial) = flying.and_then(|flying| flying.trial) else {
            return;
        };
        if !is_in_vain(settled, trial, next) {
            return;
        }
        let (lcd, job) = (&self.chain.lcd, settled.job);
        let did = match trial.did {
            Did::Accepted => "accepted a transaction",
            Did::Full => "had no room in its mempool",
            Did::NotAccept => {
                let why = format!("did not accept a transaction for {job} until it expired");
                // why: the transaction may have been wrong, or the answers lost on the way
                return lcd.set_aside_with_height(trial.endpoint, &why);
            }
        };
        let why = format!("{did} for {job}, but it got into no block before it expired");
        lcd.use_another(trial.endpoint, &why);
    }

    fn deliver(&mut self, settled: Settled) {
        self.purse.settle(settled.job, settled.consumed);
        let Some(flying) = self.take_flying(settled.job) else {
            return error!("{}: settled without a submission", settled.job);
        };
        let (fee, gas_limit) = (flying.draft.fee, flying.draft.gas_limit);
        let offer = Offer { fee, gas_limit };
        let is_taken = |trial: &Trial| trial.did != Did::NotAccept;
        let refusal = flying
            .refusal
            .filter(|_| !flying.trial.as_ref().is_some_and(is_taken));
        say(
            &flying.submission,
            Word::Settled(Box::new(settled), offer, refusal),
        );
    }
}

/// Whether a transaction that a node was sent had to get into a block: the account has not used its
/// sequence, which is the `next` one, after enough blocks. A timeout that the window's end or the
/// lower height of another endpoint shortens leaves fewer, and blames nobody.
fn is_in_vain(settled: &Settled, trial: Trial, next: Sequence) -> bool {
    let is_next = !settled.consumed && settled.sequence == next;
    is_next && trial.at.plus(INCLUDED_BLOCKS_MAX) < trial.timeout_height.min(settled.height)
}

/// Whether an account contradicts what was read of it before: no chain removes an account, changes
/// its number or lowers its sequence.
fn is_new_account(
    number: Option<AccountNumber>,
    sequence: Option<Sequence>,
    account: Option<&Account>,
) -> bool {
    let Some(account) = account else {
        return number.is_some();
    };
    number.is_some_and(|number| number != account.number)
        || sequence.is_some_and(|sequence| account.sequence < sequence)
}

/// The time between two reads that await a block; it grows while no block comes.
fn pace(clock: &ChainClock, now: Instant) -> Duration {
    let measured = clock.is_measured().then(|| clock.block_time() / 5);
    let pace = measured.unwrap_or(ACCOUNT_EVERY_UNMEASURED);
    let halted = clock.height_age(now).unwrap_or_default() / 8;
    pace.max(ACCOUNT_EVERY_MIN)
        .max(halted.min(ACCOUNT_EVERY_HALTED))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broadcaster::sequence::Job;
    use crate::values::units::TopicId;

    #[test]
    fn transactions_of_other_processes_are_reported_once_and_then_counted_once_an_hour() {
        let start = Instant::now();
        let mut foreign = ForeignCount::default();
        let mut line = |count, minutes: u32| {
            let line = foreign.add(count, start + Duration::from_secs(60) * minutes)?;
            let (number, _) = line.split_once(" transaction(s)")?;
            Some(number.to_owned())
        };
        assert_eq!(line(0, 0), None);
        assert_eq!(line(1, 10).as_deref(), Some("1"));
        assert_eq!(line(2, 11), None);
        assert_eq!(line(1, 69), None);
        assert_eq!(
            line(0, 70).as_deref(),
            Some("3 more"),
            "without another one"
        );
        assert_eq!(line(0, 500), None);
        assert_eq!(
            line(1, 501).as_deref(),
            Some("1 more"),
            "at once after a rest"
        );
        assert_eq!(line(1, 502), None);
    }

    #[test]
    fn an_account_that_is_gone_renumbered_or_further_back_may_be_another_chains() {
        let account = |number, sequence| Account {
            number: AccountNumber(number),
            sequence: Sequence(sequence),
        };
        let is_new = |it| {
            is_new_account(
                Some(AccountNumber(3)),
                Some(Sequence(5)),
                Option::as_ref(&it),
            )
        };
        for same in [account(3, 5), account(3, 6), account(3, u64::MAX)] {
            assert!(!is_new(Some(same)));
        }
        for new in [
            None,
            Some(account(3, 4)),
            Some(account(2, 5)),
            Some(account(0, 0)),
        ] {
            assert!(is_new(new), "{new:?}");
        }
        assert!(!is_new_account(None, None, None), "not known before either");
        assert!(!is_new_account(None, None, Some(&account(9, 0))));
    }

    #[test]
    fn an_endpoint_is_blamed_only_for_what_had_to_get_into_a_block() {
        let settled = |consumed, height| Settled {
            job: Job::Registration { topic: TopicId(1) },
            sequence: Sequence(5),
            height: Height(height),
            consumed,
            hashes: Vec::new(),
        };
        let until = |timeout_height| Trial {
            endpoint: EndpointId(0),
            at: Height(100),
            timeout_height: Height(timeout_height),
            did: Did::Accepted,
        };
        let (taken, expires) = (until(106), 107);
        assert!(is_in_vain(&settled(false, expires), taken, Sequence(5)));
        assert!(!is_in_vain(&settled(true, expires), taken, Sequence(6)));
        // another one before it got into no block: this one had no chance
        assert!(!is_in_vain(&settled(false, expires), taken, Sequence(4)));
        // it was accepted shortly before it expired
        assert!(!is_in_vain(&settled(false, 102), taken, Sequence(5)));
        // another endpoint's lower height shortened its time
        assert!(!is_in_vain(&settled(false, 107), until(102), Sequence(5)));
    }
}
