//! What the simulated chain observed of the workers, for tests, the demo and the fault runs.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

/// Number of windows kept per topic.
const WINDOWS_KEPT: usize = 10_000;
/// Number of payloads of other workers kept per window.
const OTHERS_KEPT: usize = 64;

/// A successful payload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PayloadReport {
    pub worker: String,
    /// The height of its block.
    pub height: u64,
    pub txhash: String,
    /// The transaction's fee.
    #[serde(serialize_with = "as_text")]
    pub fee_uallo: u128,
    /// The inference's value as canonical text.
    pub value: String,
    /// Whether the inference was admitted and stored.
    pub admitted: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WindowReport {
    pub nonce: u64,
    /// The height at whose end it opened, which is the nonce.
    pub opened: u64,
    /// The last height at which a payload may be included.
    pub end: u64,
    pub closed: bool,
    /// The first successful payload.
    pub payload: Option<PayloadReport>,
    /// Successful payloads of other workers.
    pub others: Vec<PayloadReport>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TopicReport {
    pub topic: u64,
    /// Oldest first.
    pub windows: Vec<WindowReport>,
}

/// All observations. Counters start at 0 with the simulation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// `v9` or `v10`.
    pub api: String,
    pub chain_id: String,
    /// The height of the last block.
    pub height: u64,
    pub topics: Vec<TopicReport>,
    /// Successful payloads.
    pub payloads_included: u64,
    /// Successful registrations.
    pub registrations_included: u64,
    /// Transactions accepted by CheckTx.
    pub check_tx_accepted: u64,
    /// Transactions rejected by CheckTx, by `codespace/code`.
    pub check_tx_refused: BTreeMap<String, u64>,
    /// Failed simulations, by `codespace/code`.
    pub simulate_refused: BTreeMap<String, u64>,
    /// Included transactions that failed after the fee was taken, by `codespace/code`.
    pub included_failures: BTreeMap<String, u64>,
    /// Included transactions that failed in the ante handler, which costs nothing, by
    /// `codespace/code`.
    pub ante_failures: BTreeMap<String, u64>,
    /// Transactions whose fee was taken although the same payload or registration had already
    /// succeeded.
    pub paid_twice: u64,
    /// All other included transactions that failed after the fee was taken, by `codespace/code`.
    pub fee_lost: BTreeMap<String, u64>,
    /// Sum of all fees.
    #[serde(serialize_with = "as_text")]
    pub fees_uallo: u128,
    /// Requests by method and route, with `{}` in place of ids.
    pub requests: BTreeMap<String, u64>,
    /// All requests to the chain.
    pub requests_total: u64,
    /// Connections to the chain.
    pub connections: u64,
    /// Most requests to the chain within a minute (of this process's clock).
    pub requests_per_minute_max: u64,
    /// Most requests to the chain within a second.
    pub requests_per_second_max: u64,
    /// Total size of the answers' bodies.
    pub answer_bytes: u64,
    /// Total size of the requests to the chain, headers included, without TLS.
    pub bytes_received: u64,
    /// Total size of the chain's answers, headers included, without TLS.
    pub bytes_sent: u64,
    /// Requests to the model, by path.
    pub model_requests: BTreeMap<String, u64>,
    /// Played faults by kind; those of the model begin with `model_`.
    pub faults: BTreeMap<String, u64>,
    /// Faults of single answers, by the request's route.
    pub faults_by_route: BTreeMap<String, u64>,
}

fn as_text<S: Serializer>(amount: &u128, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(amount)
}

pub fn count(counters: &mut BTreeMap<String, u64>, name: &str) {
    *counters.entry(name.to_owned()).or_insert(0) += 1;
}

impl Report {
    #[must_use]
    pub fn windows(&self, topic: u64) -> &[WindowReport] {
        self.topics
            .iter()
            .find(|t| t.topic == topic)
            .map_or(&[], |t| &t.windows)
    }

    /// Number of windows that have opened, in all topics.
    #[must_use]
    pub fn windows_opened(&self) -> usize {
        self.topics.iter().map(|t| t.windows.len()).sum()
    }

    /// Number of windows with a payload, in all topics.
    #[must_use]
    pub fn windows_served(&self) -> usize {
        self.topics
            .iter()
            .flat_map(|t| &t.windows)
            .filter(|w| w.payload.is_some())
            .count()
    }

    /// Number of requests to routes that contain `part`.
    #[must_use]
    pub fn requests_to(&self, part: &str) -> u64 {
        self.requests
            .iter()
            .filter(|(route, _)| route.contains(part))
            .map(|(_, n)| n)
            .sum()
    }

    /// Records that a window has opened.
    pub fn opened(&mut self, topic: u64, nonce: u64, end: u64) {
        let windows = match self.topics.iter_mut().find(|t| t.topic == topic) {
            Some(found) => &mut found.windows,
            None => {
                self.topics.push(TopicReport {
                    topic,
                    windows: Vec::new(),
                });
                self.topics.sort_by_key(|t| t.topic);
                let place = self
                    .topics
                    .iter()
                    .position(|t| t.topic == topic)
                    .unwrap_or(0);
                &mut self.topics[place].windows
            }
        };
        if windows.len() == WINDOWS_KEPT {
            windows.remove(0);
        }
        let others = Vec::new();
        windows.push(WindowReport {
            nonce,
            opened: nonce,
            end,
            closed: false,
            payload: None,
            others,
        });
    }

    /// Records that a window has closed.
    pub fn closed(&mut self, topic: u64, nonce: u64) {
        if let Some(window) = self.window(topic, nonce) {
            window.closed = true;
        }
    }

    /// Records a successful payload.
    pub fn served(&mut self, topic: u64, nonce: u64, payload: PayloadReport) {
        self.payloads_included += 1;
        let Some(window) = self.window(topic, nonce) else {
            return;
        };
        if window.payload.is_none() {
            window.payload = Some(payload);
        } else if window.others.len() < OTHERS_KEPT {
            window.others.push(payload);
        }
    }

    /// Whether this worker's payload for a nonce has succeeded.
    #[must_use]
    pub fn is_served(&self, topic: u64, nonce: u64, worker: &str) -> bool {
        self.windows(topic)
            .iter()
            .filter(|w| w.nonce == nonce)
            .any(|w| {
                w.payload
                    .iter()
                    .chain(&w.others)
                    .any(|p| p.worker == worker)
            })
    }

    fn window(&mut self, topic: u64, nonce: u64) -> Option<&mut WindowReport> {
        let topic = self.topics.iter_mut().find(|t| t.topic == topic)?;
        topic.windows.iter_mut().find(|w| w.nonce == nonce)
    }
}
