//! Reading the account: one question per block settles everything below the committed sequence,
//! for all topics. Here is when it is asked and what follows from the answer; what an answer
//! settles is for [`crate::broadcaster::sequence`] to say.

use std::time::{Duration, Instant};

use log::{debug, error, info, warn};

use super::send::TIMEOUT_BLOCKS;
use super::{Broadcaster, Fresh, say};
use crate::backoff;
use crate::broadcaster::order::{Trouble, Word};
use crate::broadcaster::sequence::{Hold, Settled};
use crate::chain::answers::Account;
use crate::chain::lcd::Answer;
use crate::values::units::Height;
use crate::values::units::TxHash;

/// The shortest time between two questions about the account.
const ACCOUNT_EVERY_MIN: Duration = Duration::from_millis(200);
/// The time between two such questions while a block is awaited whose pace is not measured yet.
const ACCOUNT_EVERY_UNMEASURED: Duration = Duration::from_millis(500);
/// The longest time between two of them while no block comes.
const ACCOUNT_EVERY_HALTED: Duration = Duration::from_secs(10);
/// First and longest delay after a question about the account that was not answered.
const ACCOUNT_RETRY: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(10));
/// Nor is it longer than so many blocks: everything in flight hangs on this one answer, and windows
/// are measured in blocks.
const ACCOUNT_RETRY_BLOCKS_MAX: u32 = 2;

impl Broadcaster {
    /// When the account has to be read, if at all.
    pub(super) fn account_due(
        &self,
        held: Option<Hold>,
        height: Height,
        now: Instant,
    ) -> Option<Instant> {
        let clock = self.chain.lcd.clock();
        // why: before the pace is measured a predicted block could be far too late
        let measured = clock.is_measured();
        let close = if measured {
            clock.block_time() / 5
        } else {
            ACCOUNT_EVERY_UNMEASURED
        };
        let halted = clock.height_age(now).unwrap_or_default() / 8;
        let close = close
            .max(ACCOUNT_EVERY_MIN)
            .max(halted.min(ACCOUNT_EVERY_HALTED));
        let not_before = self.account_not_before.unwrap_or(now);
        let after_block = |above: Height| {
            let expected = clock.time_of(above.plus(1)).filter(|_| measured);
            // why: asked a moment too early, it has to be asked again
            let expected = expected.map_or(now, |at| at + close / 2);
            let paced = self.account_read.map_or(now, |at| at + close);
            match height > above {
                true => now,
                false => expected.max(paced).max(now),
            }
        };
        let read_at = self
            .ledger
            .committed()
            .map_or(Height(0), |(_, height)| height);
        let wanted = match held {
            Some(Hold::Account) => now,
            Some(Hold::Block(above)) => after_block(above),
            _ if self.ledger.in_flight() == 0 => return None,
            _ if self.ledger.needs_account() => now,
            Some(Hold::First) => after_block(read_at),
            _ => {
                let every = self.settings.tx_check_every;
                let regular = self.account_read.map_or(now, |at| at + every);
                after_block(read_at.max(self.ledger.oldest_sending()?)).max(regular)
            }
        };
        Some(wanted.max(not_before))
    }

    /// Asks one thing that the next sending needs, if it is not known or not for sure any more. If
    /// it can't be learnt now, it and the rest are asked when they are needed.
    pub(super) fn make_fresh(&mut self, fresh: Fresh, now: Instant) {
        let api = self.chain.api_last_known();
        let (is_well, next) = match fresh {
            Fresh::Account => (self.know_account(now), Some(Fresh::Price)),
            Fresh::Price => (self.purse.freshen_price(&self.chain), Some(Fresh::Params)),
            Fresh::Params => {
                let known = api.is_some_and(|api| self.purse.freshen_params(&self.chain, api));
                (known, Some(Fresh::Balance))
            }
            Fresh::Balance => (self.purse.freshen_balance(&self.chain), None),
        };
        self.freshen = next.filter(|_| is_well);
    }

    /// Reads the account if it was never read.
    fn know_account(&mut self, now: Instant) -> bool {
        let may_ask = self.account_not_before.is_none_or(|at| now >= at);
        if self.ledger.committed().is_none() && may_ask {
            self.read_account(now);
        }
        self.ledger.committed().is_some()
    }

    pub(super) fn read_account(&mut self, now: Instant) {
        let answer = self
            .chain
            .heard(self.chain.lcd.account(&self.chain.address));
        self.account_read = Some(now);
        match answer {
            Ok(Answer {
                value: Some(account),
                height: Some(height),
                fresh: true,
                ..
            }) => {
                self.account_answers();
                self.take_account(&account, height);
            }
            Ok(Answer {
                value: None,
                fresh: true,
                ..
            }) => {
                self.account_failed(now);
                let trouble = self.purse.unknown_account(&self.chain);
                self.return_all(&trouble);
            }
            Ok(_) => {
                // why: a load balancer's other node may be asked next; that is no outage
                let soon = self.chain.lcd.clock().block_time() / 5;
                self.account_not_before = Some(now + soon.max(ACCOUNT_EVERY_MIN));
                debug!("account: the node is behind the highest height known, asking again");
            }
            Err(error) => {
                self.account_failed(now);
                self.return_all(&Trouble::Lcd(error.line()));
            }
        }
    }

    /// What counts now is from a lower height than the account was read at: the highest one was
    /// forgotten (R9), what was read there was another chain's, or was rolled back.
    pub(super) fn forget_higher(&mut self, height: Height) {
        let read = self.ledger.committed();
        if read.is_some_and(|(_, known)| height < known) {
            self.ledger.forget_account();
        }
    }

    pub(super) fn account_answers(&mut self) {
        self.account_failures = 0;
        self.account_not_before = None;
    }

    pub(super) fn account_failed(&mut self, now: Instant) {
        self.account_failures = self.account_failures.saturating_add(1);
        let (base, longest) = ACCOUNT_RETRY;
        let block_time = self.chain.lcd.clock().cautious_block_time(now);
        let blocks = block_time * ACCOUNT_RETRY_BLOCKS_MAX;
        let cap = blocks.clamp(base, longest);
        let delay = backoff::delay(self.account_failures, base, cap, &mut self.jitter);
        self.account_not_before = Some(now + delay.max(ACCOUNT_EVERY_MIN));
    }

    pub(super) fn take_account(&mut self, account: &Account, height: Height) {
        self.account_number = Some(account.number);
        self.forget_higher(height);
        let reading = self.ledger.account_read(account.sequence, height);
        if reading.foreign > 0 {
            self.tell_foreign(reading.foreign, height);
            self.purse.forget_balance();
            self.trust_no_word();
        }
        for settled in reading.settled {
            self.deliver(settled);
        }
        for (job, sequence) in self.ledger.unsettled_after(self.settings.tx_check_retries) {
            warn!(
                "{job}: its transaction (sequence {sequence}) is in no block after {} checks; \
                 waiting on, nothing is signed anew",
                self.settings.tx_check_retries
            );
        }
    }

    /// What the topics said before is not sure any more: what is queued is simulated.
    pub(super) fn trust_no_word(&mut self) {
        for submission in &mut self.queue {
            submission.vouched = None;
        }
    }

    /// Somebody else used the key: soon after the start that was an earlier process, whose
    /// transactions may be included until they expire.
    fn tell_foreign(&self, count: u64, height: Height) {
        let first = self.chain.first_height().unwrap_or_default();
        if height <= first.plus(TIMEOUT_BLOCKS) {
            info!("{count} transaction(s) from before this start came into a block");
        } else {
            warn!(
                "{count} transaction(s) of this account were not sent by this process; if another \
                 one runs with the same key, stop it: two of them pay twice. Holding back"
            );
        }
    }

    pub(super) fn deliver(&mut self, settled: Settled<TxHash>) {
        let Some(at) = self
            .flying
            .iter()
            .position(|f| f.submission.job == settled.job)
        else {
            error!("{}: settled, but nobody asked for it", settled.job);
            return;
        };
        let flying = self.flying.swap_remove(at);
        self.purse
            .settle(&self.chain, flying.reserved, settled.consumed);
        say(&flying.submission, Word::Settled(settled, flying.draft.fee));
    }
}
