//! One function per route (protocol.md sections 3.2 and 3.5).

use std::fmt::Display;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::chain::allowance_answer;
use crate::chain::answers::{self, Account, NodeInfo, NodeStatus, Params, ScoreEma};
use crate::chain::error::{ErrorKind, LcdError};
use crate::chain::lcd::{Lcd, LcdResult, Method};
use crate::chain::route::Route;
use crate::chain::tx_answers::{self, CheckTx, SimulateAnswer, TxResult};
use crate::http::Reply;
use crate::values::allowance::Allowance;
use crate::values::standing::{NetworkInference, Score};
use crate::values::topic::{TopicInfo, WindowStatus};
use crate::values::units::{ApiVersion, DENOM, TopicId};

impl Lcd {
    pub(super) fn get<T>(
        &self,
        route: Route,
        parts: &[&dyn Display],
        decode: impl Fn(&Reply) -> Result<T, ErrorKind>,
    ) -> LcdResult<T> {
        self.request(route, &route.path(parts), Method::Get, decode)
    }

    fn post<T>(
        &self,
        route: Route,
        json: &str,
        decode: impl Fn(&Reply) -> Result<T, ErrorKind>,
    ) -> LcdResult<T> {
        self.request(route, &route.path(&[]), Method::Post(json), decode)
    }

    /// Whether the topic's window is open for `address`, and which one: the one query of a poll.
    pub fn window_status(
        &self,
        api: ApiVersion,
        topic: TopicId,
        address: &str,
    ) -> LcdResult<WindowStatus> {
        let parts: &[&dyn Display] = &[&api, &topic, &address];
        self.get(Route::WindowStatus, parts, answers::window_status)
    }

    pub fn topic(&self, api: ApiVersion, topic: TopicId) -> LcdResult<TopicInfo> {
        self.get(Route::Topic, &[&api, &topic], answers::topic)
    }

    /// The score of this worker, with the nonce of the last inference that the chain has processed
    /// for it, or of the last forecast, by the route: [`Route::InfererScoreEma`] or
    /// [`Route::ForecasterScoreEma`]. A nonce at or below it is served.
    pub fn score_ema(
        &self,
        route: Route,
        api: ApiVersion,
        topic: TopicId,
        address: &str,
    ) -> LcdResult<ScoreEma> {
        self.get(route, &[&api, &topic, &address], answers::score_ema)
    }

    /// The lowest score in the active set of the last window, asked in passing.
    pub fn lowest_score(&self, api: ApiVersion, topic: TopicId) -> Option<Score> {
        let path = Route::LowestScore.path(&[&api, &topic]);
        self.ask_in_passing(Route::LowestScore, &path, answers::lowest_score)
    }

    /// What the network made of the inferences for the last closed nonce, asked in passing; the inner
    /// `None`: no window is closed yet.
    pub fn network_inference(
        &self,
        api: ApiVersion,
        topic: TopicId,
        is_labelled: bool,
    ) -> Option<Option<NetworkInference>> {
        let path = Route::NetworkInference.path(&[&api, &topic]);
        let decode = |reply: &Reply| answers::network_inference(reply, is_labelled);
        self.ask_in_passing(Route::NetworkInference, &path, decode)
    }

    /// How many workers the last closed window of a topic had in its active set; `None` if none is
    /// closed yet.
    pub fn active_workers(&self, api: ApiVersion, topic: TopicId) -> LcdResult<Option<usize>> {
        self.get(
            Route::LatestInferences,
            &[&api, &topic],
            answers::active_workers,
        )
    }

    pub fn params(&self, api: ApiVersion) -> LcdResult<Params> {
        self.get(Route::Params, &[&api], answers::params)
    }

    /// The emissions version that the node serves (protocol.md section 0): v10 if it answers as
    /// v10; v9 if the same endpoint has no v10 route and answers as v9. Otherwise the version is
    /// unknown: a node that is starting answers 501 on one route and 503 on the other. Another
    /// endpoint is asked next, if there is one.
    pub fn api_version(&self) -> LcdResult<ApiVersion> {
        let serves = |api: ApiVersion| {
            let is_served = move |reply: &Reply| answers::params(reply).map(|_| api);
            self.get(Route::Params, &[&api], is_served)
        };
        let v10 = match serves(ApiVersion::V10) {
            Err(error) if error.is_not_served() => error,
            found => return found,
        };
        let v9 = match serves(ApiVersion::V9) {
            Ok(answer) if Some(answer.endpoint) == v10.endpoint_id => return Ok(answer),
            Ok(_) => "answers, on another endpoint".to_owned(),
            Err(error) => error.kind.to_string(),
        };
        if let Some(id) = v10.endpoint_id {
            self.set_aside(id, "answers neither as v10 nor as v9");
        }
        let kind = ErrorKind::UndecidedVersion {
            v10: v10.kind.to_string(),
            v9,
        };
        Err(LcdError { kind, ..v10 })
    }

    pub fn node_info(&self) -> LcdResult<NodeInfo> {
        self.get(Route::NodeInfo, &[], answers::node_info)
    }

    /// Whether the node has caught up with its chain; if not, [`ErrorKind::Syncing`].
    pub(super) fn caught_up(&self) -> LcdResult<()> {
        self.get(Route::Syncing, &[], answers::caught_up)
    }

    /// The newest block's height and time.
    pub fn node_status(&self) -> LcdResult<NodeStatus> {
        self.get(Route::NodeStatus, &[], answers::node_status)
    }

    /// The account as committed; `None` if it does not exist, because it was never funded.
    pub fn account(&self, address: &str) -> LcdResult<Option<Account>> {
        self.get(Route::Account, &[&address], answers::account)
    }

    /// What `granter` allows `grantee` to spend on fees; `None` if nothing.
    pub fn allowance(&self, granter: &str, grantee: &str) -> LcdResult<Option<Allowance>> {
        let decode = |reply: &Reply| allowance_answer::allowance(reply, granter, grantee);
        self.get(Route::Allowance, &[&granter, &grantee], decode)
    }

    /// The price of one gas in uallo, as decimal text without sign and exponent.
    pub fn gas_price(&self) -> LcdResult<String> {
        self.get(Route::GasPrice, &[&DENOM], answers::gas_price)
    }

    /// Simulates a transaction, free of charge. Its signature may be empty, its sequence must be
    /// right.
    pub fn simulate(&self, tx_bytes: &[u8]) -> LcdResult<SimulateAnswer> {
        let json = format!(r#"{{"tx_bytes":"{}"}}"#, BASE64.encode(tx_bytes));
        self.post(Route::Simulate, &json, tx_answers::simulate)
    }

    /// Sends a transaction to one endpoint's mempool, once. After an error the node may still have
    /// the bytes, unless [`LcdError::never_left`].
    pub fn broadcast(&self, tx_bytes: &[u8]) -> LcdResult<CheckTx> {
        let tx = BASE64.encode(tx_bytes);
        let json = format!(r#"{{"tx_bytes":"{tx}","mode":"BROADCAST_MODE_SYNC"}}"#);
        self.post(Route::Broadcast, &json, tx_answers::broadcast)
    }

    /// A transaction's result by its hash in upper-case hex. `None` if the node's index does not
    /// have it, which proves nothing: the index lags (R8).
    pub fn tx(&self, hash: &str) -> LcdResult<Option<TxResult>> {
        self.get(Route::Tx, &[&hash], tx_answers::tx)
    }
}
