//! Fee allowances (x/feegrant): what an account may take from a granter for its fees (protocol.md
//! section 10).

use std::time::{Duration, SystemTime};

use crate::chain::error::TxError;

/// An allowance of one granter for one account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allowance {
    /// What may still be spent; `None` for no limit.
    pub spend_limit_uallo: Option<u128>,
    /// From the first block that is later, it does not count.
    pub expires: Option<SystemTime>,
    /// Makes it a `PeriodicAllowance`.
    pub period: Option<Period>,
    /// The type URLs that it pays for, as an `AllowedMsgAllowance`; `None` for all.
    pub messages: Option<Vec<String>>,
}

/// A limit for each period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Period {
    pub length: Duration,
    pub limit_uallo: u128,
    /// What is left of this period's limit.
    pub can_spend_uallo: u128,
    /// When the next period begins.
    pub resets: SystemTime,
}

impl Period {
    /// A period that begins at `now`.
    #[must_use]
    pub fn new(length: Duration, limit_uallo: u128, now: SystemTime) -> Period {
        Period {
            length,
            limit_uallo,
            can_spend_uallo: limit_uallo,
            resets: now + length,
        }
    }
}

impl Allowance {
    /// Takes a fee at the time of a block. Gives whether the allowance is used up and ends.
    ///
    /// # Errors
    /// The module's refusal. The allowance may then be partly changed and must be discarded.
    pub fn take(
        &mut self,
        fee_uallo: u128,
        type_urls: &[&str],
        now: SystemTime,
    ) -> Result<bool, TxError> {
        if let Some(allowed) = &self.messages
            && !type_urls.iter().all(|url| allowed.iter().any(|a| a == url))
        {
            let text = "message does not exist in allowed messages: message not allowed";
            return Err(TxError::new("feegrant", 7, text));
        }
        let whole = match self.period {
            Some(_) => "absolute limit",
            None => "basic allowance",
        };
        if self.expires.is_some_and(|expires| now > expires) {
            let text = format!("{whole}: fee allowance expired");
            return Err(TxError::new("feegrant", 3, text));
        }
        let exceeded = |which: &str| {
            let text = format!("{which}: fee limit exceeded");
            TxError::new("feegrant", 2, text)
        };
        if let Some(period) = &mut self.period {
            period.begin_next(self.spend_limit_uallo, now);
            let left = period.can_spend_uallo.checked_sub(fee_uallo);
            period.can_spend_uallo = left.ok_or_else(|| exceeded("period limit"))?;
        }
        if let Some(limit) = &mut self.spend_limit_uallo {
            let left = limit.checked_sub(fee_uallo);
            *limit = left.ok_or_else(|| exceeded(whole))?;
        }
        Ok(self.spend_limit_uallo == Some(0))
    }

    /// Whether the end of a block at `now` removes it.
    #[must_use]
    pub fn has_expired(&self, now: SystemTime) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }
}

impl Period {
    /// Begins the next period if its time has come. After a long pause it begins at `now`.
    fn begin_next(&mut self, spend_limit_uallo: Option<u128>, now: SystemTime) {
        if now < self.resets {
            return;
        }
        let most = spend_limit_uallo.unwrap_or(u128::MAX);
        self.can_spend_uallo = self.limit_uallo.min(most);
        self.resets += self.length;
        if now > self.resets {
            self.resets = now + self.length;
        }
    }
}
