//! Gas: what a transaction has used when a step is reached, and what a payload uses, as a function
//! of the state that it depends on.
//!
//! Each constant is a difference between transactions that nodes of both versions simulated or
//! included, minus `PER_BYTE` for each of their bytes and `FEE_MOVE` for a block; the figures in the
//! comments are what the blocks of a v0.17 node used. Scores are numbers of up to 36 digits there,
//! so its figures vary by a few hundred.

use crate::chain::message::Api;

/// Gas per byte of the transaction (protocol.md section 6).
pub const PER_BYTE: u64 = 10;
/// The transaction cannot be decoded.
pub const DECODE: u64 = 1_174;
/// Ante handler: the timeout height, which is checked first.
pub const TIMEOUT: u64 = 1_000;
/// Ante handler: the sequence.
pub const SEQUENCE: u64 = 9_728;
/// Ante handler: the fee, which is the last step.
pub const ANTE: u64 = 30_473;
/// Ante handler: an allowance is read and written, in a simulation too. A registration with a granter
/// used 152,317 instead of 135,800 (protocol.md section 10), of which the granter's address, with its
/// tag and two lengths, is 46 bytes.
pub const ALLOWANCE: u64 = 16_517 - 46 * PER_BYTE;
/// Used in a block but not in a simulation: the fee is moved.
pub const FEE_MOVE: u64 = 16_084;

/// Registration: the topic is read.
pub const REGISTER_TOPIC: u64 = 65_900;
/// Registration: rejected, because the worker is registered.
pub const REGISTER_AGAIN: u64 = 66_949;
/// Registration: complete.
pub const REGISTER: u64 = 103_165;

/// A transfer: 103,168 to an account that exists.
pub const SEND: u64 = 84_140;

/// Payload: the whitelist is read.
pub const WHITELIST: u64 = 72_563;
/// Payload: the bundle is validated.
pub const BUNDLE: u64 = 65_949;
/// Payload: the topic is read.
pub const TOPIC: u64 = 68_783;
/// Payload: the nonce is read.
pub const NONCE: u64 = 70_251;
/// Payload: the registration is read and the data fee is moved.
pub const REGISTRATION: u64 = 75_000;
/// Payload: the labels are compared with the topic's.
pub const LABELS: u64 = 97_142;
/// Payload: admission is decided.
pub const ADMISSION: u64 = 97_058;
/// Payload: the admitted inference is normalised.
pub const NORMALISE: u64 = 107_740;
/// Payload: all that is not the inference or the forecast.
pub const PAYLOAD: u64 = 95_750;
/// Ante handler: an account's first transaction stores its key. A registration used 134,859 as an
/// account's first transaction and 121,375 as its second one.
pub const FIRST_OF_ACCOUNT: u64 = 13_560;

/// An inference in a free place, or in one that it takes from another worker.
const ADMITTED: u64 = 18_965;
/// The labels that the window has seen are read, which v9 does not have.
const LABELS_SEEN: u64 = 3_000;
/// An inference that is not admitted.
const NOT_ADMITTED: u64 = 9_250;
/// Its worker's score moves towards the topic's quantile; a worker without a score has none to move.
const PASSIVE_SCORE: u64 = 7_170;
/// The active workers are read: 139,047 with one of them, 139,419 with three.
const PER_ACTIVE: u64 = 186;
/// The score becomes the lowest of the active set: it is the first one, or is below the others.
const NEW_LOWEST: u64 = 3_650;
/// A label that the window has not seen is registered; one number has the label `y`.
const NEW_LABEL: u64 = 2_810;
/// Added for each label of such an inference, and of one whose labels are known.
const PER_LABEL: u64 = 500;
const PER_KNOWN_LABEL: u64 = 100;
/// Another worker's inference and place are removed, and the score of each active worker is read
/// for the new lowest one: 158,268 with 4 places, 200,716 with 32.
const EVICTION: u64 = 13_340;
const PER_SCORE: u64 = 1_330;

/// A forecast.
const FORECAST: u64 = 22_500;
/// Added for each of its elements: 142,091 with one, 149,555 with four, 216,185 with 32.
const PER_ELEMENT: u64 = 1_850;

/// What becomes of an inference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    FreePlace,
    /// It takes the place of the worker with the lowest score.
    Evicts,
    /// The worker's payload succeeds, but nothing is stored.
    Passive,
}

/// What the gas of an inference depends on.
#[derive(Clone, Copy, Debug)]
pub struct Inferring {
    pub admission: Admission,
    /// Number of active workers before it.
    pub active: usize,
    /// The worker has no score in this topic yet.
    pub is_new_worker: bool,
    /// Its score is below those of all active workers, or there are none.
    pub is_lowest: bool,
    pub labels: usize,
    /// One of its labels is new in this window.
    pub has_new_label: bool,
}

fn times(gas: u64, count: usize) -> u64 {
    gas.saturating_mul(u64::try_from(count).unwrap_or(u64::MAX))
}

/// An inference, in addition to [`PAYLOAD`].
#[must_use]
pub fn inference(api: Api, of: &Inferring) -> u64 {
    let only_if = |is_so: bool, gas: u64| if is_so { gas } else { 0 };
    let labels = match (api, of.has_new_label) {
        (Api::V9, _) => 0,
        (Api::V10, true) => LABELS_SEEN + NEW_LABEL + times(PER_LABEL, of.labels),
        (Api::V10, false) => LABELS_SEEN + times(PER_KNOWN_LABEL, of.labels),
    };
    let admission = match of.admission {
        Admission::FreePlace => ADMITTED + only_if(of.is_lowest, NEW_LOWEST) + labels,
        Admission::Evicts => ADMITTED + EVICTION + times(PER_SCORE, of.active) + labels,
        Admission::Passive => NOT_ADMITTED + only_if(!of.is_new_worker, PASSIVE_SCORE),
    };
    admission + times(PER_ACTIVE, of.active)
}

/// A forecast, in addition to [`PAYLOAD`].
#[must_use]
pub fn forecast(active: usize, elements: usize) -> u64 {
    FORECAST + times(PER_ACTIVE, active) + times(PER_ELEMENT, elements)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The transactions behind these figures had 526 bytes, with three labels 553.
    const BYTES: u64 = 526;
    const FREE: Inferring = Inferring {
        admission: Admission::FreePlace,
        active: 1,
        is_new_worker: false,
        is_lowest: false,
        labels: 0,
        has_new_label: false,
    };

    /// Whether the gas in a block is within 1 % of what a node used, half of what the
    /// comparison with nodes allows.
    #[track_caller]
    fn assert_near(message_gas: u64, bytes: u64, used: u64) {
        let ours = PAYLOAD + message_gas + bytes * PER_BYTE + FEE_MOVE;
        assert!(ours.abs_diff(used) * 100 <= used, "{ours} for {used}");
    }

    fn infers(of: Inferring) -> u64 {
        inference(Api::V10, &of)
    }

    #[test]
    fn a_place_costs_more_when_it_is_the_first_and_with_each_active_worker() {
        let first = Inferring {
            active: 0,
            is_lowest: true,
            has_new_label: true,
            ..FREE
        };
        assert_near(infers(first), BYTES, 145_324);
        for (active, used) in [(1, 139_047), (3, 139_419), (31, 144_669)] {
            assert_near(infers(Inferring { active, ..FREE }), BYTES, used);
        }
        let lowest = infers(Inferring {
            is_lowest: true,
            ..FREE
        });
        assert!(lowest > infers(FREE) && lowest < infers(first));
    }

    #[test]
    fn v9_has_no_labels_to_read() {
        let v9 = |of: Inferring| inference(Api::V9, &of);
        let first = Inferring {
            active: 0,
            is_lowest: true,
            has_new_label: true,
            ..FREE
        };
        let evicts = Inferring {
            admission: Admission::Evicts,
            active: 4,
            ..FREE
        };
        for (of, used) in [(first, 139_517), (FREE, 136_047), (evicts, 155_268)] {
            assert_near(v9(of), 525, used);
        }
    }

    #[test]
    fn an_eviction_reads_the_score_of_each_active_worker() {
        let admission = Admission::Evicts;
        for (active, used) in [(4, 158_268), (32, 200_716)] {
            let evicts = Inferring {
                admission,
                active,
                ..FREE
            };
            assert_near(infers(evicts), BYTES, used);
        }
    }

    #[test]
    fn a_worker_that_is_not_admitted_uses_less_and_a_new_one_least() {
        let admission = Admission::Passive;
        for (active, is_new_worker, used) in [
            (1, true, 126_531),
            (4, false, 134_064),
            (32, false, 139_272),
        ] {
            let passive = Inferring {
                admission,
                active,
                is_new_worker,
                ..FREE
            };
            assert_near(infers(passive), BYTES, used);
        }
    }

    #[test]
    fn labels_cost_most_where_they_are_new_in_the_window() {
        let labels = Inferring { labels: 3, ..FREE };
        let new = Inferring {
            has_new_label: true,
            ..labels
        };
        let first = Inferring {
            active: 0,
            is_lowest: true,
            ..new
        };
        assert_near(infers(first), 553, 146_419);
        assert_near(infers(Inferring { active: 2, ..new }), 553, 143_240);
        assert_near(infers(labels), 553, 139_548);
    }

    #[test]
    fn a_forecast_costs_by_its_elements() {
        assert_near(forecast(0, 1), 569, 142_091);
        assert_near(forecast(0, 4), 739, 149_555);
        assert_near(forecast(1, 4), 739, 149_741);
        assert_near(forecast(2, 32), 2_307, 216_185);
        let both = Inferring { active: 3, ..FREE };
        assert_near(infers(both) + forecast(0, 1), 634, 164_406);
    }
}
