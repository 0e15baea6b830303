//! All scenarios.

mod disturbed;
mod grants;
mod places;
mod standby;
mod traffic;
mod values;
mod waiting;

use super::judge::Allowed;
use super::scenario::{Pace, Scenario, Turn};
use super::test_chain::TopicSpec;

/// All scenarios, in the order of the table.
pub(super) const ALL: &[Scenario] = &[
    Scenario::new(
        "serve",
        "registers, then serves every window",
        values::serve,
    )
    .at_both(),
    Scenario {
        topics: &[TopicSpec::PLAIN; 3],
        ..Scenario::new(
            "numbers",
            "0.00000012, 34 digits and a negative number, each digit as the model gave it",
            values::numbers,
        )
    },
    Scenario {
        topics: &[TopicSpec {
            labelled: true,
            ..TopicSpec::PLAIN
        }],
        ..Scenario::new(
            "labels",
            "three labelled values that add up to 1",
            values::labels,
        )
    }
    .at_both(),
    Scenario {
        wallets: 3,
        ..Scenario::new(
            "forecasts",
            "a forecast alone, and one together with an inference, of another worker of the topic",
            values::forecasts,
        )
    }
    .at_both(),
    Scenario {
        topics: &[TopicSpec {
            whitelisted: true,
            ..TopicSpec::PLAIN
        }],
        ..Scenario::new(
            "whitelist",
            "waits until it is on the topic's whitelist",
            waiting::whitelist,
        )
    },
    Scenario {
        topics: &[TopicSpec {
            active: false,
            ..TopicSpec::PLAIN
        }],
        ..Scenario::new(
            "inactive",
            "waits until the topic is active",
            waiting::inactive,
        )
    },
    Scenario {
        funded: false,
        ..Scenario::new(
            "unfunded",
            "waits until the wallet has funds",
            waiting::unfunded,
        )
    },
    Scenario::new(
        "fee granter",
        "waits without a grant, without its message and with too little; the granter pays all fees",
        grants::granter,
    )
    .within_window(),
    Scenario::new(
        "grant expires",
        "waits when its fee grant has expired, and goes on with a new one",
        grants::expires,
    )
    .within_window(),
    Scenario::new(
        "grant spent",
        "waits when its fee grant, which has a limit and no period, is spent",
        grants::is_spent,
    )
    .within_window(),
    Scenario {
        allowed: Allowed {
            by_earlier_process: true,
            ..Allowed::WINDOW
        },
        ..Scenario::new(
            "kills",
            "kill -9 three times in each open window",
            disturbed::kills,
        )
    }
    .at_both(),
    Scenario::new(
        "endpoints",
        "one of two endpoints stops and comes back",
        disturbed::endpoints,
    )
    .within_window(),
    Scenario {
        topics: &[TopicSpec::PLAIN; 2],
        ..Scenario::new(
            "shared key",
            "two workers with one key, whose sequences collide in every window",
            disturbed::shared_key,
        )
    }
    .within_window()
    .at_both(),
    Scenario {
        wallets: 2,
        allowed: Allowed {
            late_blocks: standby::LATE_BLOCKS,
            ..Allowed::NEXT_BLOCK
        },
        ..Scenario::new(
            "standby",
            "a second machine sends nothing beside the first one, and serves when that is killed",
            standby::takes_over,
        )
    },
    Scenario::new(
        "outside",
        "another program sends with the worker's key: between windows, just before the payload, after it",
        traffic::outside,
    )
    .within_window(),
    Scenario {
        turn: Turn::Alone,
        topics: &[TopicSpec::PLAIN; 50],
        ..Scenario::new(
            "50 topics",
            "50 topics whose windows open in one block",
            values::many,
        )
    }
    .within_window(),
    Scenario {
        turn: Turn::Alone,
        ..Scenario::new(
            "price",
            "the gas price rises to five times what it was, just before a payload (code 13)",
            disturbed::price,
        )
    }
    .within_window(),
    Scenario {
        turn: Turn::Alone,
        pace: Pace::Slow,
        mempool_txs_max: Some(traffic::MEMPOOL_TXS),
        ..Scenario::new(
            "full mempool",
            "the node's mempool is full when a payload is ready (code 20)",
            traffic::full_mempool,
        )
    }
    .within_window(),
    Scenario {
        turn: Turn::Alone,
        wallets: places::SCORES.len(),
        scores: &places::SCORES,
        ..Scenario::new(
            "places",
            "more workers than places: the last ones evict the worst or are not admitted",
            places::places,
        )
    }
    .within_window(),
    Scenario {
        turn: Turn::Alone,
        ..Scenario::new(
            "restart",
            "the node restarts in mid-window, its mempool is lost",
            disturbed::restart,
        )
    }
    .with_restarts(),
    Scenario {
        turn: Turn::Upgrade,
        wallets: 2,
        ..Scenario::new(
            "upgrade",
            "the chain upgrades from v9 to v10 with a window open across it; check before, during, after; \
             a fee grant that names v9 only",
            disturbed::upgrade,
        )
    }
    .with_restarts(),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_the_upgrade_comes_last() {
        let mut names: Vec<_> = ALL.iter().map(|scenario| scenario.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ALL.len());
        let (last, others) = ALL.split_last().unwrap();
        assert_eq!(last.turn, Turn::Upgrade);
        assert!(others.iter().all(|scenario| scenario.turn != Turn::Upgrade));
    }
}
