//! What the worker waits for when something is wrong that only time or somebody else's hand mends.
//! Each state is said once when it begins and once when it ends, however often it is asked about
//! in between; no state ends a thread.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use log::{info, warn};

use crate::values::units::{TopicId, Uallo};

/// Whom a state concerns. What concerns the chain or the wallet is said once, not once per topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Everything: no endpoint answers.
    Chain,
    /// Everything: no blocks are made. Apart from [`Scope::Chain`], as a node may go away and come
    /// back while the chain stands still.
    Blocks,
    /// Everything that pays a fee.
    Wallet,
    /// The fee of payloads, or of registrations: they differ.
    Fee(Purpose),
    /// One topic's standing on the chain.
    Topic(TopicId),
    /// One topic's messages.
    Message(TopicId),
    /// One topic's model.
    Model(TopicId),
}

/// What a fee is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    /// A payload.
    Payload,
    /// A registration.
    Registration,
}

/// A state that is waited out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// No endpoint gives an answer.
    EndpointDown {
        /// The last error.
        error: String,
    },
    /// The node is catching up with its chain.
    Syncing,
    /// The endpoint answers, but neither emissions v9 nor v10.
    NoApi {
        /// What was learnt instead.
        error: String,
    },
    /// The endpoint's answers do not tell the height that they are from.
    NoHeights,
    /// The endpoint answers, but its height stands still.
    Halted {
        /// For how long.
        age: Duration,
    },
    /// The topic does not exist.
    UnknownTopic,
    /// The topic is not active: the chain opens no windows for it.
    Inactive,
    /// The worker may not submit to the topic.
    NotWhitelisted {
        /// The worker's address.
        address: String,
    },
    /// The topic is of a kind that is not known.
    UnknownKind,
    /// The model gives no inference.
    NoModel {
        /// The last error.
        error: String,
    },
    /// The balance does not cover the next transaction.
    Unfunded {
        /// What is there.
        have: Uallo,
        /// What the next transaction costs.
        need: Uallo,
        /// The address to fund.
        address: String,
    },
    /// The fee at the current gas price is above the configured cap.
    FeeAboveCap {
        /// The fee.
        fee: Uallo,
        /// The cap.
        cap: Uallo,
    },
    /// The chain has switched off the message for now.
    ChainPaused,
}

impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Waiting::EndpointDown { error } => {
                write!(f, "no endpoint answers ({error}); asking again")
            }
            Waiting::Syncing => {
                f.write_str("the node is still syncing; what it says is from the past")
            }
            Waiting::NoApi { error } => write!(f, "no emissions API that is known: {error}"),
            Waiting::NoHeights => f.write_str(
                "answers come without their height (header Grpc-Metadata-X-Cosmos-Block-Height), \
                 so none of them counts; what stands before the node removes it: use another \
                 api_url",
            ),
            Waiting::Halted { age } => write!(
                f,
                "no block for {} s; the endpoint answers, but its height stands still",
                age.as_secs()
            ),
            Waiting::UnknownTopic => f.write_str(
                "the chain does not know the topic; is topic_id right for this network?",
            ),
            Waiting::Inactive => f.write_str("the topic is not active, no windows open"),
            Waiting::NotWhitelisted { address } => write!(
                f,
                "{address} is not on the topic's whitelist; ask the topic's creator to add it"
            ),
            Waiting::UnknownKind => f.write_str(
                "the topic is of a kind that this version does not know; look for a newer one",
            ),
            Waiting::NoModel { error } => write!(f, "no inference from the model: {error}"),
            Waiting::Unfunded {
                have,
                need,
                address,
            } => write!(
                f,
                "the balance is too low: have {have} uallo, need {need} uallo; fund {address}"
            ),
            Waiting::FeeAboveCap { fee, cap } => write!(
                f,
                "the fee would be {fee} uallo, max_fee_uallo allows {cap}; waiting for a lower \
                 gas price"
            ),
            Waiting::ChainPaused => f.write_str("the chain has switched this message off for now"),
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Scope::Chain | Scope::Blocks => f.write_str("chain"),
            Scope::Wallet | Scope::Fee(_) => f.write_str("wallet"),
            Scope::Topic(topic) => write!(f, "topic {topic}"),
            Scope::Message(topic) => write!(f, "topic {topic}, message"),
            Scope::Model(topic) => write!(f, "topic {topic}, model"),
        }
    }
}

impl Scope {
    /// The topic that it concerns, if it is one alone.
    #[must_use]
    pub fn topic(self) -> Option<TopicId> {
        match self {
            Scope::Topic(topic) | Scope::Message(topic) | Scope::Model(topic) => Some(topic),
            Scope::Chain | Scope::Blocks | Scope::Wallet | Scope::Fee(_) => None,
        }
    }
}

/// The states that are on now; shared by all threads.
#[derive(Debug, Default)]
pub struct Waits(Mutex<BTreeMap<Scope, Waiting>>);

impl Waits {
    /// Notes that `scope` is in the state; says so if it was not already.
    pub fn begin(&self, scope: Scope, waiting: Waiting) {
        // why: the log may be slow, and nobody waits for it with the states in hand
        if let Some(said) = self.note(scope, waiting) {
            warn!("waiting: {scope}: {said}");
        }
    }

    /// Takes the state in; given back if it is a new one, which is to be said.
    fn note(&self, scope: Scope, waiting: Waiting) -> Option<Waiting> {
        let mut states = self.lock();
        let before = states.get(&scope);
        if before.is_some_and(|before| before.rank() > waiting.rank()) {
            return None;
        }
        let known = before.is_some_and(|before| same_kind(before, &waiting));
        let said = (!known).then(|| waiting.clone());
        states.insert(scope, waiting);
        said
    }

    /// Notes that `scope` waits for nothing any more; says so if it did.
    pub fn end(&self, scope: Scope) {
        let ended = self.lock().remove(&scope);
        if let Some(before) = ended {
            info!("over: {scope}: {}", before.in_brief());
        }
    }

    /// Ends the state of `scope` if it is one of those that `over` names.
    pub fn end_if(&self, scope: Scope, over: impl Fn(&Waiting) -> bool) {
        let on = self.lock().get(&scope).is_some_and(over);
        if on {
            self.end(scope);
        }
    }

    /// What is waited for now.
    #[must_use]
    pub fn snapshot(&self) -> Vec<(Scope, Waiting)> {
        self.lock()
            .iter()
            .map(|(scope, waiting)| (*scope, waiting.clone()))
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Scope, Waiting>> {
        // why: a panic ends the process; until then the map is as good as before
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn same_kind(a: &Waiting, b: &Waiting) -> bool {
    std::mem::discriminant(a) == std::mem::discriminant(b)
}

impl Waiting {
    /// Where two states of one scope are on, the one of the higher rank is told; of the same rank,
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
            Waiting::Unfunded { .. } => ("balance_too_low", "balance too low"),
            Waiting::FeeAboveCap { .. } => ("fee_above_max_fee_uallo", "fee above max_fee_uallo"),
            Waiting::ChainPaused => ("message_switched_off", "message switched off"),
        }
    }

    /// Its label in the metrics.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.names().0
    }

    /// A few words, as `/status.json` and the log have them.
    #[must_use]
    pub fn in_brief(&self) -> &'static str {
        self.names().1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            Waiting::Unfunded {
                have: none,
                need: none,
                address,
            },
            Waiting::FeeAboveCap {
                fee: none,
                cap: none,
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
                "message switched off",
            ]
        );
    }
}
