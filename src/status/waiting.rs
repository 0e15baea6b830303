//! What the worker waits for when something is wrong that only time or an operator can fix. Each
//! waiting state is logged once when it begins and once when it ends, however often it is reported
//! in between; no state ends a thread.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use log::{info, warn};
use thiserror::Error;

use crate::status::news::News;
use crate::threads::lock;
use crate::values::allowance::{GrantProblem, NotGranted};
use crate::values::amount;
use crate::values::budget::OverBudget;
use crate::values::funding::Shortfall;
use crate::values::units::{TopicId, Uallo};

/// What a state concerns. A state of the chain or the wallet is logged once, not once per topic.
/// Its text is a label of the metrics: dashboards depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Error)]
pub enum Scope {
    /// Everything: no endpoint answers.
    #[error("chain")]
    Chain,
    /// Everything: no blocks are made. Apart from [`Scope::Chain`], because a node may go down and
    /// come back while the chain is halted.
    #[error("chain")]
    Blocks,
    /// Everything that pays a fee.
    #[error("wallet")]
    Wallet,
    /// Everything that is sent: no node takes it.
    #[error("wallet")]
    Sending,
    /// The fee of payloads, or that of registrations: they differ.
    #[error("wallet")]
    Fee(Purpose),
    /// One topic on the chain.
    #[error("topic {0}")]
    Topic(TopicId),
    /// One topic's messages.
    #[error("topic {0}, message")]
    Message(TopicId),
    /// One topic's model.
    #[error("topic {0}, model")]
    Model(TopicId),
}

/// What a fee is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    Payload,
    Registration,
}

/// A waiting state.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Waiting {
    #[error("no endpoint answers ({error}); asking again")]
    EndpointDown {
        /// The last error.
        error: String,
    },
    #[error("the node is still syncing; what it says is from the past")]
    Syncing,
    /// The endpoint serves neither emissions v9 nor v10.
    #[error("no emissions API that is known: {error}")]
    NoApi { error: String },
    #[error(
        "answers come without their height (header Grpc-Metadata-X-Cosmos-Block-Height), so none \
         of them counts; what stands before the node removes it: use another api_url"
    )]
    NoHeights,
    #[error(
        "no block for {} s; the endpoint answers, but its height stands still",
        .age.as_secs()
    )]
    Halted { age: Duration },
    #[error("the chain does not know the topic; is topic_id right for this network?")]
    UnknownTopic,
    /// The chain opens no windows for the topic.
    #[error("the topic is not active, no windows open")]
    Inactive,
    #[error("{address} is not on the topic's whitelist; ask the topic's creator to add it")]
    NotWhitelisted {
        /// The worker's address.
        address: String,
    },
    #[error("the topic is of a kind that this version does not know; look for a newer one")]
    UnknownKind,
    #[error("no inference from the model: {error}")]
    NoModel {
        /// The last error.
        error: String,
    },
    #[error("{0}")]
    Unfunded(Shortfall),
    #[error("{}; waiting for a lower gas price, or raise max_fee_uallo above {fee}", above_cap(*fee, *cap))]
    FeeAboveCap { fee: Uallo, cap: Uallo },
    #[error("{0}")]
    OverBudget(OverBudget),
    /// The granter's allowance or balance does not pay the fee.
    #[error("{0}")]
    NotGranted(NotGranted),
    /// Nodes answer, but take no transaction; with the last answer.
    #[error(
        "{endpoint} takes no transaction, its last answer: {text}; it is tried on. Add another \
         endpoint to api_url, or replace this one; if the answer is about the sequence, stop every \
         other process with this key"
    )]
    NothingTaken { endpoint: String, text: String },
    /// The chain has switched off the message for now.
    #[error("the chain has switched this message off for now")]
    ChainPaused,
}

/// `the fee would be … ALLO, max_fee_uallo allows … ALLO`.
pub fn above_cap(fee: Uallo, cap: Uallo) -> String {
    let [fee, cap] = amount::apart(fee, cap);
    format!("the fee would be {fee}, max_fee_uallo allows {cap}")
}

impl Scope {
    /// The topic, if it concerns a single one.
    pub fn topic(self) -> Option<TopicId> {
        match self {
            Scope::Topic(topic) | Scope::Message(topic) | Scope::Model(topic) => Some(topic),
            Scope::Chain | Scope::Blocks | Scope::Wallet | Scope::Sending | Scope::Fee(_) => None,
        }
    }
}

/// The states that are on now, shared by all threads.
#[derive(Debug, Default)]
pub struct Waits {
    on: Mutex<BTreeMap<Scope, Waiting>>,
    news: News,
}

impl Waits {
    /// No state is on; `news` hears of each one.
    pub fn telling(news: News) -> Waits {
        let on = Mutex::default();
        Waits { on, news }
    }

    /// `scope` is in this state; logged if that is new.
    pub fn begin(&self, scope: Scope, waiting: Waiting) {
        // why: the log may be slow, so the lock is released before
        if let Some(new) = self.note(scope, waiting) {
            let line = format!("waiting: {scope}: {new}");
            warn!("{line}");
            self.news.say(line);
        }
    }

    /// Remembers the state, and returns it if it is a new one.
    fn note(&self, scope: Scope, waiting: Waiting) -> Option<Waiting> {
        let mut states = lock(&self.on);
        let before = states.get(&scope);
        if before.is_some_and(|before| before.rank() > waiting.rank()) {
            return None;
        }
        let is_known = before.is_some_and(|before| before.name() == waiting.name());
        let is_known = is_known || waiting.is_of_wallet(&states);
        let new = (!is_known).then(|| waiting.clone());
        states.insert(scope, waiting);
        new
    }

    /// Ends the state of `scope`, if there is one, and logs that.
    pub fn end(&self, scope: Scope) {
        let ended = self.remove(scope);
        if let Some(before) = ended {
            let line = format!("over: {scope}: {}", before.in_brief());
            info!("{line}");
            self.news.say(line);
        }
    }

    /// Ends the state of `scope`, and returns it if nothing else waits for the same.
    fn remove(&self, scope: Scope) -> Option<Waiting> {
        let mut states = lock(&self.on);
        let ended = states.remove(&scope)?;
        (!ended.is_of_wallet(&states)).then_some(ended)
    }

    /// Ends the state of `scope` if `over` is true for it.
    pub fn end_if(&self, scope: Scope, over: impl Fn(&Waiting) -> bool) {
        let on = lock(&self.on).get(&scope).is_some_and(over);
        if on {
            self.end(scope);
        }
    }

    /// The states that are on now; of an empty wallet only the one that needs most.
    pub fn snapshot(&self) -> Vec<(Scope, Waiting)> {
        let mut states: Vec<_> = lock(&self.on).clone().into_iter().collect();
        let needs = states.iter().filter_map(|(_, waiting)| waiting.needs());
        let mut most = needs.max();
        states.retain(|(_, waiting)| {
            let needs = waiting.needs();
            needs.is_none() || most.take_if(|most| Some(*most) == needs).is_some()
        });
        states
    }
}

impl Waiting {
    /// Whether it is a balance that is too low, which is reported once, and one of these states waits
    /// for the same one: payloads and registrations need different amounts.
    fn is_of_wallet(&self, states: &BTreeMap<Scope, Waiting>) -> bool {
        let is_unfunded = |waiting: &Waiting| waiting.needs().is_some();
        is_unfunded(self) && states.values().any(is_unfunded)
    }

    /// The balance that ends it.
    fn needs(&self) -> Option<Uallo> {
        match self {
            Waiting::Unfunded(shortfall) => Some(shortfall.need),
            _ => None,
        }
    }

    /// Of two states of one scope, the one with the higher rank is kept; of two with the same rank,
    /// the newer one.
    fn rank(&self) -> u8 {
        match self {
            Waiting::EndpointDown { .. } => 4,
            Waiting::Syncing => 3,
            Waiting::NoApi { .. } => 2,
            Waiting::NoHeights => 1,
            _ => 0,
        }
    }

    /// Its fixed names: the label of the metric, and a few words for the JSON status and for the
    /// line that says that it is over. Dashboards and scripts depend on both.
    fn names(&self) -> (&'static str, &'static str) {
        match self {
            Waiting::EndpointDown { .. } => ("endpoint_down", "endpoint down"),
            Waiting::Syncing => ("node_syncing", "node syncing"),
            Waiting::NoApi { .. } => ("no_emissions_api", "no emissions API"),
            Waiting::NoHeights => ("no_heights", "no heights"),
            Waiting::Halted { .. } => ("no_new_blocks", "no new blocks"),
            Waiting::UnknownTopic => ("unknown_topic", "unknown topic"),
            Waiting::Inactive => ("inactive_topic", "inactive topic"),
            Waiting::NotWhitelisted { .. } => ("not_whitelisted", "not whitelisted"),
            Waiting::UnknownKind => ("unknown_kind", "unknown kind"),
            Waiting::NoModel { .. } => ("no_inference", "no inference"),
            Waiting::Unfunded(_) => ("balance_too_low", "balance too low"),
            Waiting::FeeAboveCap { .. } => ("fee_above_max_fee_uallo", "fee above max_fee_uallo"),
            Waiting::OverBudget(_) => (
                "fees_above_max_fee_per_day_uallo",
                "fees above max_fee_per_day_uallo",
            ),
            Waiting::NotGranted(NotGranted { problem, .. }) => match problem {
                GrantProblem::Missing => ("fee_grant_missing", "fee grant missing"),
                GrantProblem::Expired => ("fee_grant_expired", "fee grant expired"),
                GrantProblem::Spent => ("fee_grant_used_up", "fee grant used up"),
                GrantProblem::MessageNotAllowed => {
                    ("fee_grant_without_message", "fee grant without the message")
                }
                GrantProblem::GranterPoor => {
                    ("granter_balance_too_low", "fee granter's balance too low")
                }
            },
            Waiting::NothingTaken { .. } => ("no_transaction_taken", "no transaction taken"),
            Waiting::ChainPaused => ("message_switched_off", "message switched off"),
        }
    }

    /// Whether it waits for a fee that the configured limits allow.
    pub fn is_fee_limit(&self) -> bool {
        matches!(self, Waiting::FeeAboveCap { .. } | Waiting::OverBudget(_))
    }

    /// Its label in the metrics.
    pub fn name(&self) -> &'static str {
        self.names().0
    }

    /// A few words, as `/status.json` and the log have them.
    pub fn in_brief(&self) -> &'static str {
        self.names().1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::values::allowance::Grant;

    #[test]
    fn each_state_is_news_when_it_begins_and_when_it_ends() {
        let news = News::default();
        news.listen(3);
        let (waits, topic) = (Waits::telling(news.clone()), Scope::Topic(TopicId(3)));
        waits.begin(topic, Waiting::Inactive);
        waits.begin(topic, Waiting::Inactive);
        waits.begin(topic, Waiting::UnknownKind);
        waits.end(topic);
        waits.end(topic);
        let lines = [
            format!("waiting: topic 3: {}", Waiting::Inactive),
            format!("waiting: topic 3: {}", Waiting::UnknownKind),
            "over: topic 3: unknown kind".to_owned(),
        ];
        assert_eq!(news.take().kept, lines);
    }

    #[test]
    fn one_state_per_scope_and_the_newest_data() {
        let waits = Waits::default();
        let topic = Scope::Topic(TopicId(1));
        waits.begin(topic, Waiting::Inactive);
        waits.begin(topic, Waiting::Inactive);
        waits.begin(
            Scope::Blocks,
            Waiting::Halted {
                age: Duration::from_secs(30),
            },
        );
        assert_eq!(waits.snapshot().len(), 2);
        waits.end_if(topic, |w| matches!(w, Waiting::UnknownTopic));
        assert_eq!(waits.snapshot().len(), 2);
        waits.end(topic);
        waits.end(Scope::Chain);
        assert_eq!(waits.snapshot().len(), 1);
        waits.end(Scope::Blocks);
        waits.end(Scope::Blocks);
        assert!(waits.snapshot().is_empty());
    }

    #[test]
    fn an_empty_wallet_is_reported_once() {
        let waits = Waits::default();
        let scopes = [Scope::Wallet, Scope::Fee(Purpose::Payload)];
        let [wallet, payload] = scopes;
        let unfunded = |need| Waiting::Unfunded(Shortfall::sample(need));
        let new = |scope, need| waits.note(scope, unfunded(need)).is_some();
        assert_eq!(
            (new(wallet, 1), new(payload, 2), new(payload, 3)),
            (true, false, false)
        );
        let shown = waits.snapshot();
        assert_eq!(
            shown,
            [(payload, unfunded(3))],
            "each ends with its own amount"
        );
        assert_eq!(waits.remove(payload), None);
        assert!(waits.remove(wallet).is_some());
        assert!(new(payload, 2));
        let (fee, cap) = (Uallo(1_939_590), Uallo(1_939_589));
        let above = "the fee would be 0.00000000000193959 ALLO, max_fee_uallo allows \
                     0.00000000000193958 ALLO; waiting for a lower gas price, or raise \
                     max_fee_uallo above 1939590";
        assert_eq!(Waiting::FeeAboveCap { fee, cap }.to_string(), above);
    }

    fn not_granted(problem: GrantProblem) -> NotGranted {
        NotGranted {
            problem,
            message: String::new(),
            fee: Uallo(0),
            left: None,
            resets: None,
            grant: Grant::new("", "", Uallo(0)),
        }
    }

    #[test]
    fn names_are_fixed() {
        let (error, address) = (String::new(), String::new());
        let none = Uallo(0);
        let states = [
            Waiting::EndpointDown {
                error: error.clone(),
            },
            Waiting::Syncing,
            Waiting::NoApi {
                error: error.clone(),
            },
            Waiting::NoHeights,
            Waiting::Halted {
                age: Duration::ZERO,
            },
            Waiting::UnknownTopic,
            Waiting::Inactive,
            Waiting::NotWhitelisted {
                address: address.clone(),
            },
            Waiting::UnknownKind,
            Waiting::NoModel { error },
            Waiting::Unfunded(Shortfall::sample(0)),
            Waiting::FeeAboveCap {
                fee: none,
                cap: none,
            },
            Waiting::OverBudget(OverBudget {
                signed: none,
                limit: none,
                wait: None,
            }),
            Waiting::NotGranted(not_granted(GrantProblem::Missing)),
            Waiting::NotGranted(not_granted(GrantProblem::Expired)),
            Waiting::NotGranted(not_granted(GrantProblem::Spent)),
            Waiting::NotGranted(not_granted(GrantProblem::MessageNotAllowed)),
            Waiting::NotGranted(not_granted(GrantProblem::GranterPoor)),
            Waiting::NothingTaken {
                endpoint: String::new(),
                text: String::new(),
            },
            Waiting::ChainPaused,
        ];
        assert_eq!(
            states.each_ref().map(Waiting::name),
            [
                "endpoint_down",
                "node_syncing",
                "no_emissions_api",
                "no_heights",
                "no_new_blocks",
                "unknown_topic",
                "inactive_topic",
                "not_whitelisted",
                "unknown_kind",
                "no_inference",
                "balance_too_low",
                "fee_above_max_fee_uallo",
                "fees_above_max_fee_per_day_uallo",
                "fee_grant_missing",
                "fee_grant_expired",
                "fee_grant_used_up",
                "fee_grant_without_message",
                "granter_balance_too_low",
                "no_transaction_taken",
                "message_switched_off",
            ]
        );
        assert_eq!(
            states.map(|state| state.in_brief()),
            [
                "endpoint down",
                "node syncing",
                "no emissions API",
                "no heights",
                "no new blocks",
                "unknown topic",
                "inactive topic",
                "not whitelisted",
                "unknown kind",
                "no inference",
                "balance too low",
                "fee above max_fee_uallo",
                "fees above max_fee_per_day_uallo",
                "fee grant missing",
                "fee grant expired",
                "fee grant used up",
                "fee grant without the message",
                "fee granter's balance too low",
                "no transaction taken",
                "message switched off",
            ]
        );
    }
}
