//! A scenario: what it needs, and how it is played.

use super::judge::Allowed;
use super::scene::{Failed, Scene};
use super::test_chain::TopicSpec;

/// When a scenario is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// At the same time as all others of this kind, each with its own topics and wallets.
    Together,
    /// Alone, after the others: it stops or changes the chain.
    Alone,
    /// Alone, as the last one, on a chain of v9 that has a next version.
    Upgrade,
}

/// At which times between blocks a scenario is played: a second, or the 5 s of public networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    Quick,
    Slow,
    Both,
}

/// A scenario.
#[derive(Clone, Copy)]
pub(super) struct Scenario {
    /// The name on the command line and in the table.
    pub(super) name: &'static str,
    /// What it shows, for the documentation.
    pub(super) shows: &'static str,
    pub(super) turn: Turn,
    pub(super) pace: Pace,
    pub(super) topics: &'static [TopicSpec],
    /// Number of wallets.
    pub(super) wallets: usize,
    /// Whether the wallets have funds at the start.
    pub(super) funded: bool,
    /// The wallets' scores in the first topic; those without one have 0.
    pub(super) scores: &'static [u8],
    /// How many transactions the chain's mempool must hold; `None` for any number.
    pub(super) mempool_txs_max: Option<usize>,
    pub(super) allowed: Allowed,
    pub(super) play: fn(&mut Scene<'_>) -> Result<(), Failed>,
}

impl Scenario {
    /// A scenario with one topic and one funded wallet, whose payloads get into the next block.
    pub(super) const fn new(
        name: &'static str,
        shows: &'static str,
        play: fn(&mut Scene<'_>) -> Result<(), Failed>,
    ) -> Scenario {
        Scenario {
            name,
            shows,
            turn: Turn::Together,
            pace: Pace::Quick,
            topics: &[TopicSpec::PLAIN],
            wallets: 1,
            funded: true,
            scores: &[],
            mempool_txs_max: None,
            allowed: Allowed::NEXT_BLOCK,
            play,
        }
    }

    /// Whether it needs labelled topics, which only v10 has.
    pub(super) fn needs_labels(&self) -> bool {
        self.topics.iter().any(|topic| topic.labelled)
    }

    /// A scenario that is played at both paces.
    pub(super) const fn at_both(self) -> Scenario {
        Scenario {
            pace: Pace::Both,
            ..self
        }
    }

    /// A scenario whose node restarts: payloads may be in any block of the window, and the worker does
    /// not learn which one if the node is down when it looks.
    pub(super) const fn with_restarts(self) -> Scenario {
        Scenario {
            allowed: Allowed {
                node_restarts: true,
                ..Allowed::WINDOW
            },
            ..self
        }
    }

    /// A scenario whose payloads may be in any block of the window.
    pub(super) const fn within_window(self) -> Scenario {
        Scenario {
            allowed: Allowed::WINDOW,
            ..self
        }
    }
}
