//! The fee grant, if another account pays the fees: what is reported when the chain refuses it, and
//! when that is over. A refusal is free and does not use the sequence, so trying again is the only
//! certain test. Between windows, where nothing is tried, the allowance is read instead.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use log::debug;

use super::purse::{Draft, fee_of};
use super::{Broadcaster, SenderSettings};
use crate::broadcaster::order::SendTrouble;
use crate::broadcaster::sequence::Job;
use crate::chain::Chain;
use crate::chain::endpoints::EndpointId;
use crate::chain::meaning::Meaning;
use crate::http::REQUEST_TIME_MIN;
use crate::status::waiting::{Scope, Waiting};
use crate::values::allowance::{Allowance, Grant, GrantProblem, NotGranted};
use crate::values::units::{MessageKind, Uallo};

/// How often the allowance is read while a fee is not granted: after this many blocks, but at most
/// `LOOK_EVERY_MAX` later.
const LOOK_BLOCKS: u32 = 12;
const LOOK_EVERY_MAX: Duration = Duration::from_secs(60);
/// The age of the last reading at which it is read again before a window, for the metrics.
const READING_AGE_MAX: Duration = Duration::from_secs(600);

/// The fee grant and what it does not pay at the moment.
#[derive(Debug)]
pub(super) struct FeeGrant {
    chain: Arc<Chain>,
    grant: Grant,
    /// The last refusal for payloads, and for registrations.
    refused: BTreeMap<Scope, NotGranted>,
    read_at: Option<Instant>,
}

/// What is read of the grant.
struct Reading {
    /// `None`: nothing is granted.
    allowance: Option<Allowance>,
    /// The granter's balance.
    balance: Uallo,
}

impl FeeGrant {
    /// `None`: the worker's own account pays.
    pub(super) fn new(chain: &Arc<Chain>, settings: &SenderSettings) -> Option<FeeGrant> {
        let granter = settings.fee_granter.as_deref()?;
        Some(FeeGrant {
            chain: Arc::clone(chain),
            grant: Grant::new(granter, &chain.sender, settings.fee_per_day_max),
            refused: BTreeMap::new(),
            read_at: None,
        })
    }

    fn read(&mut self, now: Instant) -> Option<Reading> {
        self.read_at = Some(now);
        let lcd = self.chain.lcd.within(REQUEST_TIME_MIN);
        let Grant {
            granter, grantee, ..
        } = &self.grant;
        let allowance = self.chain.heard(lcd.allowance(granter, grantee));
        let reading = allowance.and_then(|allowance| {
            let balance = self.chain.heard(lcd.balance(granter))?;
            self.chain.board.granter_balance(balance.value);
            Ok(Reading {
                allowance: allowance.value,
                balance: balance.value,
            })
        });
        reading
            .inspect_err(|error| debug!("the fee grant cannot be read: {}", error.line()))
            .ok()
    }

    /// Begins the waiting state for a refusal, with what the chain says about the grant now. Another
    /// endpoint is asked for that, and for the next attempt: one alone may refuse what the chain
    /// would accept.
    fn begin(&mut self, problem: GrantProblem, draft: &Draft, said: EndpointId) -> SendTrouble {
        let mut refusal = NotGranted {
            problem,
            message: draft.api.type_url(kind_of(draft.job)),
            fee: draft.fee,
            left: None,
            resets: None,
            grant: self.grant.clone(),
        };
        let (scope, now) = (fee_of(draft.job), Instant::now());
        if !self.refused.contains_key(&scope) {
            self.chain.lcd.set_aside(said, "refuses the fee grant");
        }
        if let Some(reading) = self.read(now) {
            reading.add_to(&mut refusal, SystemTime::now());
        }
        let text = format!("the fee is not granted: {problem}");
        self.refused.insert(scope, refusal.clone());
        self.chain.waits.begin(scope, Waiting::NotGranted(refusal));
        SendTrouble::Temporary(text)
    }

    fn end(&mut self, scope: Scope) {
        self.refused.remove(&scope);
        let is_grant = |waiting: &Waiting| matches!(waiting, Waiting::NotGranted(_));
        self.chain.waits.end_if(scope, is_grant);
    }

    /// When the grant is read again.
    fn due(&self) -> Option<Instant> {
        let read_at = self.read_at.filter(|_| !self.refused.is_empty())?;
        let every = self
            .chain
            .lcd
            .clock()
            .block_time()
            .saturating_mul(LOOK_BLOCKS);
        Some(read_at + every.min(LOOK_EVERY_MAX))
    }

    /// Reads the grant, and ends the states of the fees that it pays now.
    fn look(&mut self, now: Instant) {
        let Some(reading) = self.read(now) else {
            return;
        };
        let now = SystemTime::now();
        for (scope, mut refusal) in self.refused.clone() {
            match reading.problem(&refusal, now) {
                None => self.end(scope),
                Some(problem) => {
                    refusal.problem = problem;
                    reading.add_to(&mut refusal, now);
                    self.refused.insert(scope, refusal.clone());
                    self.chain.waits.begin(scope, Waiting::NotGranted(refusal));
                }
            }
        }
    }
}

impl Reading {
    /// Why the fee of this refusal would be refused again.
    fn problem(&self, refusal: &NotGranted, now: SystemTime) -> Option<GrantProblem> {
        let Some(allowance) = &self.allowance else {
            return Some(GrantProblem::Missing);
        };
        let pays = allowance.pays(refusal.fee, &refusal.message, now);
        let is_poor = self.balance < refusal.fee;
        pays.err().or(is_poor.then_some(GrantProblem::GranterPoor))
    }

    fn add_to(&self, refusal: &mut NotGranted, now: SystemTime) {
        let allowance = self.allowance.as_ref();
        let period = allowance.and_then(|allowance| allowance.period.as_ref());
        refusal.resets = period.map(|period| period.resets).filter(|at| *at > now);
        refusal.left = match refusal.problem {
            GrantProblem::GranterPoor => Some(self.balance),
            _ => allowance.and_then(|allowance| allowance.left(now)),
        };
    }
}

impl Broadcaster {
    /// The chain refuses to let the granter pay, as `said` says: begins the waiting state that says
    /// what to do.
    pub(super) fn not_granted(
        &mut self,
        meaning: &Meaning,
        draft: &Draft,
        said: EndpointId,
    ) -> SendTrouble {
        let problem = match meaning {
            Meaning::NotGranted { problem } => *problem,
            _ => GrantProblem::GranterPoor,
        };
        match &mut self.grant {
            Some(grant) => grant.begin(problem, draft, said),
            None => SendTrouble::Temporary(meaning.to_string()),
        }
    }

    /// A node accepts that the granter pays for this job.
    pub(super) fn granted(&mut self, job: Job) {
        if let Some(grant) = &mut self.grant {
            grant.end(fee_of(job));
        }
    }

    /// When the grant has to be read, if at all.
    pub(super) fn grant_due(&self) -> Option<Instant> {
        let grant = self.grant.as_ref().filter(|_| !self.stop.is_given());
        grant.and_then(FeeGrant::due)
    }

    /// Reads the grant before a window, if the last reading is old.
    pub(super) fn freshen_grant(&mut self, now: Instant) {
        if let Some(grant) = &mut self.grant
            && grant.read_at.is_none_or(|at| now >= at + READING_AGE_MAX)
        {
            grant.look(now);
        }
    }

    pub(super) fn look_at_grant(&mut self, now: Instant) {
        if let Some(grant) = &mut self.grant {
            grant.look(now);
        }
    }
}

fn kind_of(job: Job) -> MessageKind {
    match job {
        Job::Payload { .. } => MessageKind::Payload,
        Job::Registration { .. } => MessageKind::Registration,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broadcaster::purse::tests::draft;
    use crate::chain::lcd::Lcd;
    use crate::http::Http;
    use crate::test_server::{Server, answer};

    /// A node that knows no grant.
    fn node() -> Server {
        Server::start(|request| {
            let not_found =
                r#"{"code":13,"message":"fee-grant not found: not found","details":[]}"#;
            if request.contains("/node_info") {
                answer(200, "", r#"{"default_node_info":{"network":"localnet"}}"#)
            } else if request.contains("/syncing") {
                answer(200, "", r#"{"syncing":false}"#)
            } else if request.contains("/allowance/") {
                answer(500, "", not_found)
            } else {
                answer(200, "", r#"{"balance":{"denom":"uallo","amount":"7"}}"#)
            }
        })
    }

    #[test]
    fn a_refusal_is_checked_with_another_endpoint_once() {
        let nodes = [node(), node()];
        let urls = nodes.each_ref().map(|node| node.url.clone());
        let lcd = Lcd::new(Http::default(), &urls, None, 7);
        lcd.balance("allo1w").unwrap();
        let chain = Arc::new(Chain::of_one_account(lcd, "allo1w"));
        let settings = SenderSettings {
            fee_granter: Some("allo1g".to_owned()),
            ..SenderSettings::sample()
        };
        let mut grant = FeeGrant::new(&chain, &settings).unwrap();
        let draft = draft(1, 300);
        for times in 1..=2 {
            let trouble = grant.begin(GrantProblem::Missing, &draft, EndpointId(0));
            let text = "the fee is not granted: there is no fee grant";
            assert_eq!(trouble.to_string(), text);
            let asked = nodes
                .each_ref()
                .map(|node| node.count("/allowance/allo1g/allo1w"));
            assert_eq!(asked, [0, times]);
        }
        assert_eq!(chain.board.report().granter_balance, Some(Uallo(7)));
        let waits = chain.waits.snapshot();
        assert!(matches!(waits[..], [(_, Waiting::NotGranted(_))]));
        assert!(grant.due().is_some(), "it is read again");
        grant.end(fee_of(draft.job));
        assert!(chain.waits.snapshot().is_empty() && grant.due().is_none());
    }
}
