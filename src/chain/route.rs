//! The routes of the chain's REST API (protocol.md sections 3.2 and 3.5): name and path.

use std::fmt::{self, Display};

macro_rules! routes {
    ($($(#[$doc:meta])* $route:ident: $name:literal, $path:literal;)*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Route {
            $($(#[$doc])* $route,)*
        }

        impl Route {
            /// Every route, in the order of the declaration.
            pub const ALL: &[Route] = &[$(Route::$route),*];

            /// The name in logs and metrics.
            pub fn name(self) -> &'static str {
                match self {
                    $(Route::$route => $name),*
                }
            }

            /// The path, with a `{}` for each part to fill in.
            fn template(self) -> &'static str {
                match self {
                    $(Route::$route => $path),*
                }
            }
        }
    };
}

routes! {
    /// Is the topic's submission window open, and which one is it?
    WindowStatus: "window_status", "/emissions/{}/worker_submission_window_status/{}?address={}";
    Topic: "topic", "/emissions/{}/topics/{}";
    /// Is a nonce served?
    InfererScoreEma: "inferer_score_ema", "/emissions/{}/inferer_score_ema/{}/{}";
    /// Is a nonce of a topic that takes forecasts only served?
    ForecasterScoreEma: "forecaster_score_ema", "/emissions/{}/forecaster_score_ema/{}/{}";
    /// The lowest score in the active set of the last window.
    LowestScore: "lowest_inferer_score", "/emissions/{}/current_lowest_inferer_score/{}";
    /// What did the network make of the inferences for the last closed nonce?
    NetworkInference: "network_inference", "/emissions/{}/latest_network_inferences/{}";
    /// How many workers did the last closed window have?
    LatestInferences: "latest_inferences", "/emissions/{}/latest_inferences/{}";
    Params: "params", "/emissions/{}/params";
    NodeInfo: "node_info", "/cosmos/base/tendermint/v1beta1/node_info";
    Syncing: "syncing", "/cosmos/base/tendermint/v1beta1/syncing";
    /// The newest block's height and time.
    NodeStatus: "node_status", "/cosmos/base/node/v1beta1/status";
    /// Account number and sequence.
    Account: "account", "/cosmos/auth/v1beta1/account_info/{}";
    /// What an account can spend: its balance without what is locked.
    Balance: "balance", "/cosmos/bank/v1beta1/spendable_balances/{}/by_denom?denom={}";
    /// An account's balance with what is locked.
    WholeBalance: "whole_balance", "/cosmos/bank/v1beta1/balances/{}/by_denom?denom={}";
    /// What a granter allows an account to spend on fees.
    Allowance: "allowance", "/cosmos/feegrant/v1beta1/allowance/{}/{}";
    GasPrice: "gas_price", "/feemarket/v1/gas_price/{}";
    Simulate: "simulate", "/cosmos/tx/v1beta1/simulate";
    Broadcast: "broadcast", "/cosmos/tx/v1beta1/txs";
    Tx: "tx", "/cosmos/tx/v1beta1/txs/{}";
}

impl Route {
    /// The path with its parts filled in. Only letters and digits of a part are kept, so that no
    /// part can lead to another path; addresses, hashes and numbers have no other characters.
    pub(super) fn path(self, parts: &[&dyn Display]) -> String {
        let mut texts = self.template().split("{}");
        let mut path = texts.next().unwrap_or_default().to_owned();
        for (part, text) in parts.iter().zip(texts) {
            let part = part.to_string();
            path.extend(part.chars().filter(char::is_ascii_alphanumeric));
            path.push_str(text);
        }
        path
    }
}

impl Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_cannot_lead_to_another_path() {
        let path = Route::Account.path(&[&"allo1x/../../?a=b#c d"]);
        assert_eq!(path, "/cosmos/auth/v1beta1/account_info/allo1xabcd");
        let path = Route::WindowStatus.path(&[&"v10", &7, &"allo1x"]);
        assert_eq!(
            path,
            "/emissions/v10/worker_submission_window_status/7?address=allo1x"
        );
    }
}
