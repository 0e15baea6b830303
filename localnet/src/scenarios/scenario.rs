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

/// A scenario.
#[derive(Clone, Copy)]
pub(super) struct Scenario {
    /// The name on the command line and in the table.
    pub(super) name: &'static str,
    /// What it shows, for the documentation.
    pub(super) shows: &'static str,
    pub(super) turn: Turn,
    pub(super) topics: &'static [TopicSpec],
    /// Number of wallets.
    pub(super) wallets: usize,
    /// Whether the wallets have funds at the start.
    pub(super) funded: bool,
    /// The wallets' scores in the first topic; those without one have 0.
    pub(super) scores: &'static [u8],
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
            topics: &[TopicSpec::PLAIN],
            wallets: 1,
            funded: true,
            scores: &[],
            allowed: Allowed::NEXT_BLOCK,
            play,
        }
    }

    /// Whether it needs labelled topics, which only v10 has.
    pub(super) fn needs_labels(&self) -> bool {
        self.topics.iter().any(|topic| topic.labelled)
    }

    /// A scenario whose payloads may be in any block of the window.
    pub(super) const fn within_window(self) -> Scenario {
        Scenario {
            allowed: Allowed::WINDOW,
            ..self
        }
    }
}
