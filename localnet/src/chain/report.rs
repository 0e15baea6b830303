//! What the simulated chain saw, so that a test or a demo can say what a worker did.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

/// How many windows of a topic are kept.
const WINDOWS_KEPT: usize = 10_000;
/// How many payloads of other workers are kept per window.
const OTHERS_KEPT: usize = 64;

/// A payload that was included with success.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PayloadReport {
    /// Whose it is.
    pub worker: String,
    /// The block that includes it.
    pub height: u64,
    /// Its transaction.
    pub txhash: String,
    /// The transaction's whole fee, in uallo.
    #[serde(serialize_with = "as_text")]
    pub fee_uallo: u128,
    /// The inference's number in its canonical text.
    pub value: String,
    /// Whether it was stored.
    pub admitted: bool,
}

/// A submission window.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WindowReport {
    /// The nonce.
    pub nonce: u64,
    /// The block at whose end it opened: the nonce again.
    pub opened: u64,
    /// The last block that may include a payload.
    pub end: u64,
    /// Whether it is over.
    pub closed: bool,
    /// The first payload that was included with success.
    pub payload: Option<PayloadReport>,
    /// Those of other workers.
    pub others: Vec<PayloadReport>,
}

/// A topic's windows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TopicReport {
    /// The topic.
    pub topic: u64,
    /// Its windows, oldest first.
    pub windows: Vec<WindowReport>,
}

/// Everything that was seen; counters count from the start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// `v9` or `v10`.
    pub api: String,
    /// The chain's id.
    pub chain_id: String,
    /// The last block.
    pub height: u64,
    /// Windows per topic.
    pub topics: Vec<TopicReport>,
    /// Payloads included with success.
    pub payloads_included: u64,
    /// Registrations included with success.
    pub registrations_included: u64,
    /// Transactions that CheckTx took.
    pub check_tx_accepted: u64,
    /// Transactions that CheckTx refused, by `codespace/code`.
    pub check_tx_refused: BTreeMap<String, u64>,
    /// Simulations that failed, by `codespace/code`.
    pub simulate_refused: BTreeMap<String, u64>,
    /// Included transactions that failed with their fee taken, by `codespace/code`.
    pub included_failures: BTreeMap<String, u64>,
    /// Included transactions that failed in the ante handler, which is free, by `codespace/code`.
    pub ante_failures: BTreeMap<String, u64>,
    /// Transactions whose fee was taken although one for the same topic, nonce and worker, or
    /// the same topic's registration, had already succeeded.
    pub paid_twice: u64,
    /// Every other included transaction that failed with its fee taken, by `codespace/code`.
    pub fee_lost: BTreeMap<String, u64>,
    /// All transaction fees taken, in uallo.
    #[serde(serialize_with = "as_text")]
    pub fees_uallo: u128,
    /// Requests by method and route, ids in the route replaced by `{}`.
    pub requests: BTreeMap<String, u64>,
    /// All requests to the chain.
    pub requests_total: u64,
    /// Connections opened to the chain.
    pub connections: u64,
    /// Most requests to the chain within one minute (by the clock of this process).
    pub requests_per_minute_max: u64,
    /// Most requests to the chain within one second.
    pub requests_per_second_max: u64,
    /// Bytes of all answers' bodies.
    pub answer_bytes: u64,
    /// Bytes of all requests to the chain, heads included, without what TLS adds.
    pub bytes_received: u64,
    /// Bytes of all answers of the chain, heads included, without what TLS adds.
    pub bytes_sent: u64,
    /// Requests to the model, by path.
    pub model_requests: BTreeMap<String, u64>,
    /// Faults that were played, by kind; those of the model begin with `model_`.
    pub faults: BTreeMap<String, u64>,
    /// Faults of answers, by the route of the request.
    pub faults_by_route: BTreeMap<String, u64>,
}

fn as_text<S: Serializer>(amount: &u128, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(amount)
}

/// Adds one to a named counter.
pub fn count(counters: &mut BTreeMap<String, u64>, name: &str) {
    *counters.entry(name.to_owned()).or_insert(0) += 1;
}

impl Report {
    /// The windows of one topic.
    #[must_use]
    pub fn windows(&self, topic: u64) -> &[WindowReport] {
        self.topics
            .iter()
            .find(|t| t.topic == topic)
            .map_or(&[], |t| &t.windows)
    }

    /// How many windows have opened, over all topics.
    #[must_use]
    pub fn windows_opened(&self) -> usize {
        self.topics.iter().map(|t| t.windows.len()).sum()
    }

    /// How many windows have a payload, over all topics.
    #[must_use]
    pub fn windows_served(&self) -> usize {
        self.topics
            .iter()
            .flat_map(|t| &t.windows)
            .filter(|w| w.payload.is_some())
            .count()
    }

    /// How many requests there were to routes that contain `part`.
    #[must_use]
    pub fn requests_to(&self, part: &str) -> u64 {
        self.requests
            .iter()
            .filter(|(route, _)| route.contains(part))
            .map(|(_, n)| n)
            .sum()
    }

    /// Notes that a window opened.
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

    /// Notes that a window is over.
    pub fn closed(&mut self, topic: u64, nonce: u64) {
        if let Some(window) = self.window(topic, nonce) {
            window.closed = true;
        }
    }

    /// Notes a payload that was included with success.
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

    /// Whether this worker's payload for a nonce was included with success.
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
