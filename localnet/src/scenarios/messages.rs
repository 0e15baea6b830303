//! The messages with which the administrator of a chain sets it up, in the JSON of its own tools.

use std::time::SystemTime;

use serde_json::{Value, json};

use super::test_chain::{EPOCH_BLOCKS, Granted, Limit, TopicSpec, WINDOW_BLOCKS};
use crate::api::timestamp;
use crate::chain::message::Api;

/// Given to each worker: 1 ALLO.
const FUNDS_UALLO: &str = "1000000000000000000";
/// The stake of each topic's reputer; without stake, a topic has no weight and opens no windows.
const STAKE_UALLO: &str = "10000000000000";
/// What each topic is funded with.
const TOPIC_FUNDS_UALLO: &str = "100000000000000";
/// The deposit of a proposal that is voted on in the short time.
const DEPOSIT_UALLO: &str = "1000000000000000000000000";

/// Writes messages of one administrator for one version of the emissions interface.
pub(super) struct Messages<'a> {
    pub(super) api: Api,
    /// The administrator, who creates topics, is their reputer and pays for everything.
    pub(super) admin: &'a str,
}

impl Messages<'_> {
    fn emissions(&self, name: &str, mut fields: Value) -> Value {
        fields["@type"] = format!("/emissions.{}.{name}", self.api.name()).into();
        fields
    }

    /// Allows the administrator to create topics and to be their reputer.
    pub(super) fn permissions(&self) -> [Value; 2] {
        let fields = || json!({"sender": self.admin, "address": self.admin});
        [
            self.emissions("AddToTopicCreatorWhitelistRequest", fields()),
            self.emissions("AddToGlobalReputerWhitelistRequest", fields()),
        ]
    }

    pub(super) fn create_topic(&self, spec: TopicSpec) -> Value {
        let mut fields = json!({
            "creator": self.admin, "metadata": "test", "loss_method": "mse",
            "epoch_length": EPOCH_BLOCKS.to_string(), "ground_truth_lag": EPOCH_BLOCKS.to_string(),
            "worker_submission_window": WINDOW_BLOCKS.to_string(),
            "p_norm": "3", "alpha_regret": "0.1", "allow_negative": true, "epsilon": "0.01",
            "merit_sortition_alpha": "0.1", "active_inferer_quantile": "0.25",
            "active_forecaster_quantile": "0.25", "active_reputer_quantile": "0.25",
            "enable_worker_whitelist": spec.whitelisted, "enable_reputer_whitelist": false,
            "c_norm": "0.75",
        });
        if self.api == Api::V10 {
            let (kind, arity) = match spec.labelled {
                true => ("CLASSIFICATION", "MULTI"),
                false => ("REGRESSION", "SINGLE"),
            };
            let labels = match spec.labelled && !spec.any_labels {
                true => &["up", "down", "flat"][..],
                false => &[],
            };
            fields["topic_type"] = format!("TOPIC_TYPE_{kind}").into();
            fields["output_arity"] = format!("TOPIC_OUTPUT_ARITY_{arity}").into();
            fields["require_unity"] = spec.labelled.into();
            fields["unity_tolerance"] = if spec.labelled { "0.01" } else { "0" }.into();
            fields["max_labels_per_submission"] = if spec.labelled { "8" } else { "100" }.into();
            fields["label_whitelist"] = labels.into();
            fields["label_default_value"] = "0".into();
            fields["label_case_sensitive"] = true.into();
        }
        self.emissions("CreateNewTopicRequest", fields)
    }

    /// Gives a topic its reputer, its stake and funds. A topic is active from its stake on.
    pub(super) fn activate(&self, topic: u64) -> [Value; 3] {
        let topic = topic.to_string();
        let register = json!({"sender": self.admin, "topic_id": topic, "owner": self.admin,
            "is_reputer": true});
        let stake = json!({"sender": self.admin, "topic_id": topic, "amount": STAKE_UALLO});
        let funds = json!({"sender": self.admin, "topic_id": topic, "amount": TOPIC_FUNDS_UALLO});
        [
            self.emissions("RegisterRequest", register),
            self.emissions("AddStakeRequest", stake),
            self.emissions("FundTopicRequest", funds),
        ]
    }

    pub(super) fn allow(&self, topic: u64, address: &str) -> Value {
        let fields = json!({"sender": self.admin, "address": address,
            "topic_id": topic.to_string()});
        self.emissions("AddToTopicWorkerWhitelistRequest", fields)
    }

    /// Gives each address 1 ALLO.
    pub(super) fn fund(&self, addresses: &[String]) -> Vec<Value> {
        let send = |to: &String| {
            json!({"@type": "/cosmos.bank.v1beta1.MsgSend", "from_address": self.admin,
                "to_address": to, "amount": coins(FUNDS_UALLO)})
        };
        addresses.iter().map(send).collect()
    }

    /// Gives an account an allowance, instead of an earlier one if it `has_one`.
    pub(super) fn grant(&self, grantee: &str, has_one: bool, granted: Granted) -> Vec<Value> {
        let names = granted.messages.iter();
        let messages: Vec<String> = names
            .map(|name| format!("/emissions.{}.{name}", self.api.name()))
            .collect();
        let expires = granted
            .lasts
            .map(|time| timestamp::seconds(SystemTime::now() + time));
        let inner = match granted.limit {
            Limit::PerPeriod(limit) => {
                let limit = coins(&limit.to_string());
                json!({"@type": "/cosmos.feegrant.v1beta1.PeriodicAllowance",
                    "basic": {"spend_limit": [], "expiration": expires}, "period": "3600s",
                    "period_spend_limit": limit, "period_can_spend": limit,
                    "period_reset": "2001-01-01T00:00:00Z"})
            }
            Limit::Whole(limit) => json!({"@type": "/cosmos.feegrant.v1beta1.BasicAllowance",
                "spend_limit": coins(&limit.to_string()), "expiration": expires}),
        };
        let allowance = json!({"@type": "/cosmos.feegrant.v1beta1.AllowedMsgAllowance",
            "allowance": inner, "allowed_messages": messages});
        let revoke = json!({"@type": "/cosmos.feegrant.v1beta1.MsgRevokeAllowance",
            "granter": self.admin, "grantee": grantee});
        let grant = json!({"@type": "/cosmos.feegrant.v1beta1.MsgGrantAllowance",
            "granter": self.admin, "grantee": grantee, "allowance": allowance});
        has_one
            .then_some(revoke)
            .into_iter()
            .chain([grant])
            .collect()
    }

    /// Proposes a message, which the module at this address then sends.
    pub(super) fn propose(&self, government: &str, mut message: Value) -> Value {
        message["authority"] = government.into();
        json!({"@type": "/cosmos.gov.v1.MsgSubmitProposal", "messages": [message],
            "initial_deposit": coins(DEPOSIT_UALLO), "proposer": self.admin, "metadata": "",
            "title": "test", "summary": "test", "expedited": true})
    }

    pub(super) fn vote(&self, proposal: &str) -> Value {
        json!({"@type": "/cosmos.gov.v1.MsgVote", "proposal_id": proposal, "voter": self.admin,
            "option": "VOTE_OPTION_YES", "metadata": ""})
    }
}

/// An upgrade at a height, for a proposal.
pub(super) fn upgrade(name: &str, height: u64) -> Value {
    json!({"@type": "/cosmos.upgrade.v1beta1.MsgSoftwareUpgrade",
        "plan": {"name": name, "time": "0001-01-01T00:00:00Z", "height": height.to_string(),
            "info": "", "upgraded_client_state": null}})
}

/// An amount, as lists of coins are written.
pub(super) fn coins(amount_uallo: &str) -> Value {
    json!([{"denom": "uallo", "amount": amount_uallo}])
}
