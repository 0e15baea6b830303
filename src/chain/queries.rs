//! The routes, one function each (protocol.md sections 3.2 and 3.5).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::chain::answers::{self, Account, NodeInfo, NodeStatus, Params};
use crate::chain::lcd::{ErrorKind, Lcd, LcdError, LcdResult, Request, Route, safe};
use crate::chain::topic_answer;
use crate::chain::tx_answers::{self, CheckTx, SimulateAnswer, TxResult};
use crate::values::topic::{TopicInfo, WindowStatus};
use crate::values::units::{ApiVersion, Height, TopicId, Uallo};

impl Lcd {
    /// Whether the topic's window is open for `address`, and which one: the one query of a poll.
    ///
    /// # Errors
    /// Like every function here: when no usable answer came, see [`LcdError`].
    pub fn window_status(
        &self,
        api: ApiVersion,
        topic: TopicId,
        address: &str,
    ) -> LcdResult<WindowStatus> {
        let address = safe(&address);
        let path =
            format!("/emissions/{api}/worker_submission_window_status/{topic}?address={address}");
        self.request(
            Route::WindowStatus,
            &path,
            Request::Get,
            answers::window_status,
        )
    }

    /// What the topic is.
    pub fn topic(&self, api: ApiVersion, topic: TopicId) -> LcdResult<TopicInfo> {
        let path = format!("/emissions/{api}/topics/{topic}");
        self.request(Route::Topic, &path, Request::Get, topic_answer::topic)
    }

    /// The nonce of the last inference that the chain has processed for this worker, `None` if there
    /// was none. A nonce at or below it is served.
    pub fn inferer_score_ema(
        &self,
        api: ApiVersion,
        topic: TopicId,
        address: &str,
    ) -> LcdResult<Option<Height>> {
        self.score_ema(
            Route::InfererScoreEma,
            "inferer_score_ema",
            api,
            topic,
            address,
        )
    }

    /// The same for forecasts; the answer has the same form.
    pub fn forecaster_score_ema(
        &self,
        api: ApiVersion,
        topic: TopicId,
        address: &str,
    ) -> LcdResult<Option<Height>> {
        self.score_ema(
            Route::ForecasterScoreEma,
            "forecaster_score_ema",
            api,
            topic,
            address,
        )
    }

    fn score_ema(
        &self,
        route: Route,
        name: &str,
        api: ApiVersion,
        topic: TopicId,
        address: &str,
    ) -> LcdResult<Option<Height>> {
        let path = format!("/emissions/{api}/{name}/{topic}/{}", safe(&address));
        self.request(route, &path, Request::Get, answers::inferer_score_ema)
    }

    /// The emissions parameters.
    pub fn params(&self, api: ApiVersion) -> LcdResult<Params> {
        let path = format!("/emissions/{api}/params");
        self.request(Route::Params, &path, Request::Get, answers::params)
    }

    /// Which emissions version the node serves (protocol.md section 0): v10 if it answers as v10;
    /// v9 if the same endpoint has no v10 route and answers as v9. Anything else is no verdict, the
    /// error says what was seen: a node that starts answers 501 to one and 503 to the other.
    pub fn api_version(&self) -> LcdResult<ApiVersion> {
        let v10 = match self.params(ApiVersion::V10) {
            Ok(answer) => return Ok(answer.map(|_| ApiVersion::V10)),
            Err(error) => error,
        };
        if !v10.is_not_served() {
            return Err(v10);
        }
        let seen = match self.params(ApiVersion::V9) {
            Ok(answer) if Some(answer.endpoint) == v10.endpoint_id => {
                return Ok(answer.map(|_| ApiVersion::V9));
            }
            Ok(_) => "answers, on another endpoint".to_owned(),
            Err(error) => error.kind.to_string(),
        };
        let kind = ErrorKind::UndecidedVersion {
            v10: v10.kind.to_string(),
            v9: seen,
        };
        Err(LcdError { kind, ..v10 })
    }

    /// What the node says of itself.
    pub fn node_info(&self) -> LcdResult<NodeInfo> {
        self.request(
            Route::NodeInfo,
            Route::NODE_INFO_PATH,
            Request::Get,
            answers::node_info,
        )
    }

    /// Whether the node is still catching up with the chain.
    pub fn syncing(&self) -> LcdResult<bool> {
        self.request(
            Route::Syncing,
            Route::SYNCING_PATH,
            Request::Get,
            answers::syncing,
        )
    }

    /// The newest block's height and time.
    pub fn node_status(&self) -> LcdResult<NodeStatus> {
        let path = "/cosmos/base/node/v1beta1/status";
        self.request(Route::NodeStatus, path, Request::Get, answers::node_status)
    }

    /// The account as committed; `None`: the chain does not know it, it was never funded.
    pub fn account(&self, address: &str) -> LcdResult<Option<Account>> {
        let path = format!("/cosmos/auth/v1beta1/account_info/{}", safe(&address));
        self.request(Route::Account, &path, Request::Get, answers::account)
    }

    /// The account's balance.
    pub fn balance(&self, address: &str) -> LcdResult<Uallo> {
        let denom = answers::DENOM;
        let address = safe(&address);
        let path = format!("/cosmos/bank/v1beta1/balances/{address}/by_denom?denom={denom}");
        self.request(Route::Balance, &path, Request::Get, answers::balance)
    }

    /// The price of a unit of gas in uallo, as decimal text: digits, maybe a point and more digits.
    pub fn gas_price(&self) -> LcdResult<String> {
        let path = format!("/feemarket/v1/gas_price/{}", answers::DENOM);
        self.request(Route::GasPrice, &path, Request::Get, answers::gas_price)
    }

    /// What a transaction would do, for nothing. Its signature may be empty, its sequence must be
    /// right.
    pub fn simulate(&self, tx_bytes: &[u8]) -> LcdResult<SimulateAnswer> {
        let json = format!(r#"{{"tx_bytes":"{}"}}"#, BASE64.encode(tx_bytes));
        let path = "/cosmos/tx/v1beta1/simulate";
        self.request(
            Route::Simulate,
            path,
            Request::Post(&json),
            tx_answers::simulate,
        )
    }

    /// Sends a transaction into the mempool, once, to one endpoint.
    ///
    /// # Errors
    /// Unless [`LcdError::never_left`] says otherwise, whether the node has the bytes is unknown.
    pub fn broadcast(&self, tx_bytes: &[u8]) -> LcdResult<CheckTx> {
        let tx = BASE64.encode(tx_bytes);
        let json = format!(r#"{{"tx_bytes":"{tx}","mode":"BROADCAST_MODE_SYNC"}}"#);
        let path = "/cosmos/tx/v1beta1/txs";
        self.request(
            Route::Broadcast,
            path,
            Request::Post(&json),
            tx_answers::broadcast,
        )
    }

    /// A transaction's result, by its hash (upper-case hex); `None`: not known to the node's index,
    /// which lags and proves nothing (R8).
    pub fn tx(&self, hash: &str) -> LcdResult<Option<TxResult>> {
        let path = format!("/cosmos/tx/v1beta1/txs/{}", safe(&hash));
        self.request(Route::Tx, &path, Request::Get, tx_answers::tx)
    }
}
