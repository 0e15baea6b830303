//! What a transaction costs and whether the account can pay for it: the only place that keeps the
//! balance, and how much of it is reserved for transactions in flight. Balance and message fees are
//! read from the chain and kept for a while; after a refusal that contradicts them they are read
//! again. The gas price is in `price`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use log::debug;

use crate::broadcaster::SenderSettings;
use crate::broadcaster::order::SendTrouble;
use crate::broadcaster::price::{Demand, Prices};
use crate::broadcaster::sequence::Job;
use crate::chain::Chain;
use crate::chain::answers::Params;
use crate::chain::endpoints::EndpointId;
use crate::chain::lcd::Lcd;
use crate::chain::opinion::SecondOpinion;
use crate::http::REQUEST_TIME_MIN;
use crate::status::introduction::Introduction;
use crate::status::waiting::{Purpose, Scope, Waiting, above_cap};
use crate::text::Foreign;
use crate::values::amount;
use crate::values::budget::Budget;
use crate::values::fee::{self, GasFactor};
use crate::values::funding::{Shortfall, Spending};
use crate::values::units::{ApiVersion, Gas, Sequence, Uallo};

/// How old a balance may be before a window opens: its owner may have added or spent funds.
const BALANCE_AGE_MAX: Duration = Duration::from_secs(600);
const PARAMS_AGE_MAX: Duration = Duration::from_secs(3600);
/// A topic that needs a registration tries one more often than this, so a state that none has begun
/// anew for this long concerns none.
const REGISTRATION_STATE_AGE_MAX: Duration = Duration::from_secs(300);

/// What a transaction is made with, apart from its message. All but the job may change when it is
/// signed again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Draft {
    pub(super) job: Job,
    pub(super) sequence: Sequence,
    pub(super) api: ApiVersion,
    pub(super) gas_limit: Gas,
    pub(super) fee: Uallo,
}

#[derive(Debug)]
pub(super) struct Purse {
    chain: Arc<Chain>,
    fee_max: Uallo,
    /// Who pays the fees, if that is not this account: then it only pays what messages take
    /// themselves.
    granter: Option<String>,
    budget: Budget,
    prices: Prices,
    params: Option<(ApiVersion, Params, Instant)>,
    /// As last read, less what was paid since.
    balance: Option<Uallo>,
    /// The endpoint that named it.
    balance_from: EndpointId,
    /// When the balance is old enough to be read again before a window. `None`: it is in doubt, and
    /// is read before the next transaction.
    balance_until: Option<Instant>,
    /// What each transaction in flight takes if it succeeds.
    in_flight: BTreeMap<Job, Uallo>,
    /// When a registration last had to wait for its fee.
    registration_waits_at: Option<Instant>,
    /// About a balance that is too low.
    opinion: SecondOpinion,
    introduction: Introduction,
}

impl Purse {
    pub(super) fn new(chain: Arc<Chain>, settings: &SenderSettings) -> Purse {
        let budget = Budget::new(settings.fee_per_day_max);
        chain.board.offered(Uallo(0), budget.clone());
        Purse {
            prices: Prices::new(Arc::clone(&chain)),
            chain,
            fee_max: settings.fee_max,
            granter: settings.fee_granter.clone(),
            budget,
            params: None,
            balance: None,
            balance_from: EndpointId(0),
            balance_until: None,
            in_flight: BTreeMap::new(),
            registration_waits_at: None,
            opinion: SecondOpinion::default(),
            introduction: Introduction::default(),
        }
    }

    /// Reads the price if it is unknown or old. Returns false if it stays unknown, as the other
    /// `freshen_` functions do.
    pub(super) fn freshen_price(&mut self) -> bool {
        self.prices.is_recent() || is_learnt(self.prices.ask(&self.briefly()))
    }

    pub(super) fn freshen_params(&mut self, api: ApiVersion) -> bool {
        is_learnt(self.know_params(self.briefly(), api))
    }

    pub(super) fn freshen_balance(&mut self) -> bool {
        let is_recent = |until: Instant| Instant::now() < until;
        self.balance_until.is_some_and(is_recent) || is_learnt(self.ask_balance(self.briefly()))
    }

    /// The client with a short timeout, for requests whose failure is harmless.
    fn briefly(&self) -> Lcd {
        self.chain.lcd.within(REQUEST_TIME_MIN)
    }

    /// The fee for the draft's gas limit at the current price, if the limits allow it. Where another
    /// endpoint names a price that does, that one is used the next time.
    pub(super) fn fee(&mut self, draft: &Draft) -> Result<Uallo, SendTrouble> {
        let fee = self.fee_at_price(draft)?;
        let (cap, gas_limit) = (self.fee_max, draft.gas_limit);
        let is_affordable = |price| fee::fee(gas_limit, price).is_some_and(|fee| fee <= cap);
        if fee > cap && self.prices.is_affordable_elsewhere(is_affordable) {
            let text = format!(
                "{}; another endpoint names a lower gas price and is used",
                above_cap(fee, cap)
            );
            return Err(SendTrouble::Temporary(text));
        }
        self.within_limits(&Draft { fee, ..*draft })
    }

    fn fee_at_price(&mut self, draft: &Draft) -> Result<Uallo, SendTrouble> {
        let fee = fee::fee(draft.gas_limit, self.prices.current()?);
        Ok(fee.ok_or("the fee at the chain's price is beyond any balance")?)
    }

    /// That fee, for a gas limit that a simulation may lower: if the limits do not allow it, no
    /// state begins.
    pub(super) fn fee_if_allowed(&mut self, draft: &Draft) -> Option<Uallo> {
        let fee = self.fee_at_price(draft).ok()?;
        let draft = Draft { fee, ..*draft };
        self.limit_of(&draft).is_none().then_some(fee)
    }

    /// The configured limit that does not allow the draft's fee.
    fn limit_of(&self, draft: &Draft) -> Option<Waiting> {
        let (fee, cap) = (draft.fee, self.fee_max);
        if fee > cap {
            return Some(Waiting::FeeAboveCap { fee, cap });
        }
        let allowed = self.budget.allows(fee, draft.sequence, Instant::now());
        allowed.err().map(Waiting::OverBudget)
    }

    /// The draft's fee, if the configured limits allow it.
    pub(super) fn within_limits(&mut self, draft: &Draft) -> Result<Uallo, SendTrouble> {
        let Some(waiting) = self.limit_of(draft) else {
            let waits = &self.chain.waits;
            waits.end_if(fee_of(draft.job), Waiting::is_fee_limit);
            return Ok(draft.fee);
        };
        if matches!(waiting, Waiting::FeeAboveCap { .. }) {
            // Only another price ends this state, so the price is asked for again.
            self.prices.forget();
        }
        let text = waiting.to_string();
        self.begin(fee_of(draft.job), waiting);
        Err(SendTrouble::Temporary(text))
    }

    fn begin(&mut self, scope: Scope, waiting: Waiting) {
        if scope == Scope::Fee(Purpose::Registration) {
            self.registration_waits_at = Some(Instant::now());
        }
        self.chain.waits.begin(scope, waiting);
    }

    /// Ends the state of registrations that none has begun anew for
    /// [`REGISTRATION_STATE_AGE_MAX`]: no topic needs one any more.
    pub(super) fn end_outdated(&mut self, now: Instant) {
        let is_old =
            |at: &mut Instant| now.saturating_duration_since(*at) >= REGISTRATION_STATE_AGE_MAX;
        if self.registration_waits_at.take_if(is_old).is_some() {
            self.chain.waits.end(Scope::Fee(Purpose::Registration));
        }
    }

    /// What to think of a fee that an endpoint requires.
    pub(super) fn judge_demand(
        &mut self,
        required: Uallo,
        draft: &Draft,
        demander: EndpointId,
    ) -> Demand {
        let (offered, gas_limit) = (draft.fee, draft.gas_limit);
        self.prices.judge(required, offered, gas_limit, demander)
    }

    /// Notes that something contradicts the balance: it is read before the next transaction.
    pub(super) fn doubt_balance(&mut self) {
        self.balance_until = None;
    }

    /// Counts the fee of a draft that was signed, and reserves what its transaction may take, in
    /// place of the earlier reservation for the same job.
    pub(super) fn reserve(&mut self, draft: &Draft) {
        let more = self.budget.sign(draft.fee, draft.sequence, Instant::now());
        self.chain.board.offered(more, self.budget.clone());
        let cost = self.known_cost(draft);
        let cost = cost.unwrap_or_else(|| self.own_fee(draft));
        self.in_flight.insert(draft.job, cost);
    }

    /// Releases the job's reservation: no node has its transaction.
    pub(super) fn release(&mut self, job: Job) {
        self.in_flight.remove(&job);
    }

    /// Releases the job's reservation once its sequence is settled. If the sequence was `consumed`,
    /// the cost is subtracted from the balance; otherwise the balance is in doubt.
    pub(super) fn settle(&mut self, job: Job, consumed: bool) {
        let cost = self.in_flight.remove(&job).unwrap_or_default();
        match self.balance {
            Some(have) if consumed => self.set_balance(Uallo(have.0.saturating_sub(cost.0))),
            _ => self.doubt_balance(),
        }
    }

    fn set_balance(&mut self, balance: Uallo) {
        self.balance = Some(balance);
        self.chain.board.balance(balance);
    }

    /// What is left of the balance for the job, without the reservations of the others; `None`
    /// while the balance is in doubt.
    fn available(&self, job: Job) -> Option<Uallo> {
        let balance = self.balance.filter(|_| self.balance_until.is_some())?;
        let others = self.in_flight.iter().filter(|(other, _)| **other != job);
        let left = others.fold(balance.0, |left, (_, cost)| left.saturating_sub(cost.0));
        Some(Uallo(left))
    }

    /// Whether the account is known to cover the transaction in addition to everything in flight;
    /// sends no request.
    pub(super) fn covers(&self, draft: &Draft) -> bool {
        let known = self.available(draft.job).zip(self.known_cost(draft));
        let enough = known.filter(|(have, need)| have >= need);
        enough
            .inspect(|(have, _)| self.end_unfunded(*have))
            .is_some()
    }

    /// Whether the account can pay the fee and what the message itself takes; asks for the balance
    /// if it is in doubt or was too low.
    pub(super) fn afford(&mut self, draft: &Draft) -> Result<(), SendTrouble> {
        self.know_params(self.chain.lcd.clone(), draft.api)?;
        let unknown = "the chain's parameters are unknown";
        let mut need = self.known_cost(draft).ok_or(unknown)?;
        if self.available(draft.job).is_none_or(|have| have < need) {
            // why: a fee that one endpoint exaggerated would count for `PARAMS_AGE_MAX`
            self.params = None;
            self.know_params(self.chain.lcd.clone(), draft.api)?;
            need = self.known_cost(draft).ok_or(unknown)?;
            self.ask_balance(self.chain.lcd.clone())?;
            if self.is_contradicted(draft, need) {
                self.params = None;
                self.know_params(self.chain.lcd.clone(), draft.api)?;
                need = self.known_cost(draft).ok_or(unknown)?;
                self.ask_balance(self.chain.lcd.clone())?;
            }
        }
        let have = self.available(draft.job).unwrap_or_default();
        if have >= need {
            if matches!(draft.job, Job::Payload { .. }) {
                let (spending, granter) = (self.spending(need), self.granter.as_deref());
                self.introduction.of_account(have, spending, granter);
            }
            self.end_unfunded(have);
            return Ok(());
        }
        // Part of what is in flight may be paid for already, and so be missing from the balance.
        if self.balance.is_some_and(|all| all >= need) {
            return Err("the balance does not cover this and all that is in flight".into());
        }
        let payload = match draft.job {
            Job::Payload { .. } => need,
            Job::Registration { .. } => self.rough_cost()?,
        };
        Err(self.unfunded(fee_of(draft.job), have, need, payload))
    }

    /// Whether the balance is too low for `need`, and another endpoint knows one that covers it, or
    /// a message fee that it covers.
    fn is_contradicted(&mut self, draft: &Draft, need: Uallo) -> bool {
        let Some(have) = self.balance.filter(|have| *have < need) else {
            self.opinion = SecondOpinion::default();
            return false;
        };
        let (lcd, address) = (&self.chain.lcd, &self.chain.sender);
        let said = self.balance_from;
        let [shown, needed] = amount::have_need(have, need);
        let no = format!("the balance is {shown}, {needed} are needed");
        let own_fee = self.own_fee(draft);
        let covers = |have: Uallo, params: &Params| have >= cost(own_fee, draft.job, params);
        self.opinion.differs(Instant::now(), || {
            // why: the other route counts funds that can't be spent
            let ask = |lcd: &Lcd| lcd.spendable(address);
            let covers_need = |have: Option<Uallo>| have.is_some_and(|have| have >= need);
            lcd.contradicted(said, &no, ask, |other| covers_need(other.value)) || {
                let ask = |lcd: &Lcd| lcd.params(draft.api);
                lcd.contradicted(said, &no, ask, |other| covers(have, &other.value))
            }
        })
    }

    fn ask_balance(&mut self, lcd: Lcd) -> Result<(), SendTrouble> {
        let answer = self.chain.heard(lcd.balance(&self.chain.sender))?;
        if !answer.fresh {
            return Err(SendTrouble::Behind);
        }
        // Whether it includes what is in flight is unknown: then it is asked for again soon.
        let mut until = Instant::now();
        if self.in_flight.is_empty() {
            until += BALANCE_AGE_MAX;
        }
        self.balance_until = Some(until);
        self.balance_from = answer.endpoint;
        self.set_balance(answer.value);
        Ok(())
    }

    /// The chain says, in its own words if they are known, that the account cannot pay for the draft:
    /// asks for the balance and reports it.
    pub(super) fn short_of(&mut self, draft: &Draft, words: Option<&Foreign>) -> SendTrouble {
        self.doubt_balance();
        match self.afford(draft) {
            Err(trouble) => trouble,
            Ok(()) => {
                let words = words.map_or_else(String::new, |words| format!(": {words}"));
                let text = format!("the chain found the balance too low a moment ago{words}");
                SendTrouble::Temporary(text)
            }
        }
    }

    /// The chain does not know the account: it was never funded.
    pub(super) fn unknown_account(&mut self) -> SendTrouble {
        match self.rough_cost() {
            Ok(need) => self.unfunded(Scope::Wallet, Uallo(0), need, need),
            Err(trouble) => trouble,
        }
    }

    /// About what a payload takes from the account.
    fn rough_cost(&mut self) -> Result<Uallo, SendTrouble> {
        if self.granter.is_none() {
            let gas_limit = fee::gas_limit(fee::GAS_OF_PAYLOAD, GasFactor::DEFAULT);
            let fee = fee::fee(gas_limit, self.prices.current()?);
            return Ok(fee.unwrap_or_default());
        }
        let api = self.chain.api();
        let api = api.ok_or("the emissions version is unknown for now")?;
        self.know_params(self.chain.lcd.clone(), api)?;
        let params = self.known_params(api);
        Ok(params
            .map(|params| params.data_sending_fee)
            .unwrap_or_default())
    }

    /// What the transaction takes from the account: the fee, unless it is granted, and what the
    /// message itself takes (protocol.md section 6): `data_sending_fee` or `registration_fee`.
    /// `None` while these are unknown.
    fn known_cost(&self, draft: &Draft) -> Option<Uallo> {
        let params = self.known_params(draft.api)?;
        Some(cost(self.own_fee(draft), draft.job, params))
    }

    /// The part of the fee that this account pays.
    fn own_fee(&self, draft: &Draft) -> Uallo {
        match self.granter {
            Some(_) => Uallo(0),
            None => draft.fee,
        }
    }

    /// The places of a topic's active set, as far as that is known.
    pub(super) fn places(&self, api: ApiVersion) -> Option<usize> {
        self.known_params(api).map(|params| params.places)
    }

    fn known_params(&self, api: ApiVersion) -> Option<&Params> {
        let (of, params, at) = self.params.as_ref()?;
        (*of == api && at.elapsed() < PARAMS_AGE_MAX).then_some(params)
    }

    fn know_params(&mut self, lcd: Lcd, api: ApiVersion) -> Result<(), SendTrouble> {
        if self.known_params(api).is_none() {
            let answer = self.chain.heard(lcd.params(api))?;
            self.params = Some((api, answer.value, Instant::now()));
        }
        Ok(())
    }

    /// A payload takes `payload`, the next transaction `need`.
    fn unfunded(&mut self, scope: Scope, have: Uallo, need: Uallo, payload: Uallo) -> SendTrouble {
        let shortfall = Shortfall {
            have,
            need,
            spending: self.spending(payload),
            address: self.chain.sender.clone(),
            chain_id: self.chain.lcd.chain_id(),
        };
        self.begin(scope, Waiting::Unfunded(shortfall));
        SendTrouble::Unfunded { have, need }
    }

    fn spending(&self, payload: Uallo) -> Spending {
        let block_time = self.chain.lcd.clock().block_time();
        Spending {
            payload,
            in_four_weeks: self.chain.board.windows_in_four_weeks(block_time),
            is_granted: self.granter.is_some(),
        }
    }

    /// Ends the states that wait for a balance up to `have`. A payload and a registration need
    /// different amounts, so each state ends with its own.
    fn end_unfunded(&self, have: Uallo) {
        let is_covered =
            |waiting: &Waiting| matches!(waiting, Waiting::Unfunded(short) if short.need <= have);
        let scopes = [Purpose::Payload, Purpose::Registration].map(Scope::Fee);
        for scope in scopes.into_iter().chain([Scope::Wallet]) {
            self.chain.waits.end_if(scope, is_covered);
        }
    }
}

fn is_learnt<T>(result: Result<T, SendTrouble>) -> bool {
    if let Err(trouble) = &result {
        debug!("before a window: {trouble}");
    }
    result.is_ok()
}

pub(super) fn fee_of(job: Job) -> Scope {
    Scope::Fee(match job {
        Job::Payload { .. } => Purpose::Payload,
        Job::Registration { .. } => Purpose::Registration,
    })
}

/// What the account pays in all: its part of the fee, and what the message itself takes.
fn cost(own_fee: Uallo, job: Job, params: &Params) -> Uallo {
    let message_fee = match job {
        Job::Payload { .. } => params.data_sending_fee,
        Job::Registration { .. } => params.registration_fee,
    };
    Uallo(own_fee.0.saturating_add(message_fee.0))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::http::Http;
    use crate::test_server::{Server, answer, at_height};
    use crate::values::units::{Nonce, TopicId};

    /// A purse that knows a balance of 1,000 uallo and no message fees.
    fn purse() -> Purse {
        let lcd = Lcd::new(Http::default(), &[], None, 0);
        let chain = Arc::new(Chain::of_one_account(lcd, "allo1x"));
        let mut purse = Purse::new(chain, &SenderSettings::sample());
        purse.set_balance(Uallo(1_000));
        purse.balance_until = Some(Instant::now());
        purse
    }

    pub(crate) fn draft(topic: u64, fee: u128) -> Draft {
        Draft {
            job: Job::Payload {
                topic: TopicId(topic),
                nonce: Nonce(100),
            },
            sequence: Sequence(5),
            api: ApiVersion::V10,
            gas_limit: fee::GAS_OF_PAYLOAD,
            fee: Uallo(fee),
        }
    }

    #[test]
    fn what_is_in_flight_is_not_available_to_other_jobs() {
        let mut purse = purse();
        let (one, other) = (draft(1, 300), draft(2, 0));
        purse.reserve(&one);
        assert_eq!(purse.available(one.job), Some(Uallo(1_000)));
        assert_eq!(purse.available(other.job), Some(Uallo(700)));
        purse.reserve(&draft(1, 400));
        assert_eq!(purse.available(other.job), Some(Uallo(600)), "replaced");
        purse.release(one.job);
        assert_eq!(purse.available(other.job), Some(Uallo(1_000)));
    }

    #[test]
    fn what_was_paid_leaves_the_balance_and_an_unused_number_puts_it_in_doubt() {
        let mut purse = purse();
        let (one, other) = (draft(1, 300), draft(2, 200));
        purse.reserve(&one);
        purse.reserve(&other);
        purse.settle(one.job, true);
        assert_eq!(purse.balance, Some(Uallo(700)));
        assert_eq!(purse.available(one.job), Some(Uallo(500)));
        purse.settle(other.job, false);
        assert_eq!(
            (purse.balance, purse.available(one.job)),
            (Some(Uallo(700)), None)
        );
    }

    #[test]
    fn a_witness_that_knows_only_locked_funds_does_not_contradict_a_low_balance() {
        let node = |spendable: Option<u128>, whole: u128| {
            let of = |uallo| format!(r#"{{"balance":{{"denom":"uallo","amount":"{uallo}"}}}}"#);
            Server::start(move |request| match (request, spendable) {
                (of_it, _) if of_it.contains("/node_info") => {
                    let info = r#"{"default_node_info":{"network":"localnet"}}"#;
                    at_height(5, info)
                }
                (of_it, _) if of_it.contains("/syncing") => at_height(5, r#"{"syncing":false}"#),
                (of_it, Some(uallo)) if of_it.contains("spendable") => at_height(5, &of(uallo)),
                (of_it, None) if of_it.contains("spendable") => answer(501, "", "{}"),
                _ => at_height(5, &of(whole)),
            })
        };
        for (witness, contradicts) in [(node(None, 900), false), (node(Some(900), 900), true)] {
            let low = node(Some(7), 900);
            let urls = [low.url.clone(), witness.url.clone()];
            let lcd = Lcd::new(Http::default(), &urls, None, 7);
            let chain = Arc::new(Chain::of_one_account(lcd, "allo1x"));
            let mut purse = Purse::new(Arc::clone(&chain), &SenderSettings::sample());
            purse.ask_balance(chain.lcd.clone()).unwrap();
            assert_eq!(purse.balance, Some(Uallo(7)));
            let differs = purse.is_contradicted(&draft(1, 300), Uallo(300));
            assert_eq!(differs, contradicts);
            assert_eq!(witness.count("spendable"), 1);
        }
    }

    #[test]
    fn a_granted_fee_is_not_taken_from_the_account() {
        let mut purse = purse();
        let params = Params {
            registration_fee: Uallo(200),
            data_sending_fee: Uallo(10),
            label_bytes_max: 64,
            places: 32,
        };
        purse.params = Some((ApiVersion::V10, params, Instant::now()));
        let (payload, mut registration) = (draft(1, 300), draft(2, 300));
        registration.job = Job::Registration { topic: TopicId(2) };
        let costs =
            |purse: &Purse| [payload, registration].map(|draft| purse.known_cost(&draft).unwrap());
        assert_eq!(costs(&purse), [Uallo(310), Uallo(500)]);
        purse.granter = Some("allo1y".to_owned());
        assert_eq!(costs(&purse), [Uallo(10), Uallo(200)]);
        purse.reserve(&registration);
        assert_eq!(purse.available(payload.job), Some(Uallo(800)));
        purse.set_balance(Uallo(209));
        assert!(!purse.covers(&payload));
        purse.set_balance(Uallo(210));
        assert!(purse.covers(&payload));
        assert_eq!(purse.budget.signed(Instant::now()), Uallo(300), "it counts");
    }

    #[test]
    fn fees_stop_at_both_limits_even_if_no_transaction_was_included() {
        let mut purse = purse();
        let above = purse.within_limits(&draft(1, 501)).unwrap_err();
        assert!(
            above.to_string().contains("raise max_fee_uallo above 501"),
            "{above}"
        );
        for sequence in 5..7 {
            let draft = Draft {
                sequence: Sequence(sequence),
                ..draft(1, 500)
            };
            assert_eq!(purse.within_limits(&draft), Ok(Uallo(500)));
            purse.reserve(&draft);
            purse.release(draft.job);
        }
        let last = Draft {
            sequence: Sequence(7),
            ..draft(1, 500)
        };
        let over = purse.within_limits(&last).unwrap_err().to_string();
        let expected = "0.000000000000001 ALLO of fees were signed in 24 h, max_fee_per_day_uallo \
                        allows 0.0000000000000012 ALLO";
        assert!(over.starts_with(expected), "{over}");
        let waits = purse.chain.waits.snapshot();
        assert!(matches!(waits[..], [(_, Waiting::OverBudget(_))]));
        let small = Draft {
            fee: Uallo(200),
            ..last
        };
        assert_eq!(purse.within_limits(&small), Ok(Uallo(200)));
        assert!(purse.chain.waits.snapshot().is_empty(), "it ends by itself");
    }

    #[test]
    fn the_state_of_a_registration_that_is_not_needed_any_more_ends_by_itself() {
        let mut purse = purse();
        let registration = Draft {
            job: Job::Registration { topic: TopicId(1) },
            ..draft(1, 501)
        };
        purse.within_limits(&registration).unwrap_err();
        purse.within_limits(&draft(1, 501)).unwrap_err();
        let begun = Instant::now();
        purse.end_outdated(begun + REGISTRATION_STATE_AGE_MAX / 2);
        assert_eq!(purse.chain.waits.snapshot().len(), 2);
        purse.end_outdated(begun + REGISTRATION_STATE_AGE_MAX);
        let waits = purse.chain.waits.snapshot();
        let payload = Scope::Fee(Purpose::Payload);
        assert!(
            matches!(waits[..], [(scope, _)] if scope == payload),
            "{waits:?}"
        );
    }
}
