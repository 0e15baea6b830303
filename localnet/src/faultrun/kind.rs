//! Every kind of fault that a run may have, by the name that it is counted under.

use std::time::Duration;

use crate::play::faults::Fault;

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Close,
    Refuse,
    Hang,
    Delay,
    Cut,
    Html,
    WrongJson,
    Empty,
    Status404,
    Status429,
    Status429RetryAfter,
    Status500,
    Status502,
    Status503,
    OldHeight,
    AcceptAndDrop,
    LoseAnswer,
    AnteFailure,
    MempoolFull,
    WrongChain,
    ModelHang,
    Model500,
    ModelRubbish,
    ModelNan,
    ModelMegabyte,
    ModelCut,
    SlowBlocks,
    Halt,
    GasPrice,
    BalanceGone,
    WhitelistOff,
    TopicOff,
    NodeRestart,
    FrozenNode,
    Upgrade,
    SeparateMempools,
    IndexLate,
    IndexOff,
}

use Kind::{
    AcceptAndDrop, AnteFailure, BalanceGone, Close, Cut, Delay, Empty, FrozenNode, GasPrice, Halt,
    Hang, Html, IndexLate, IndexOff, LoseAnswer, MempoolFull, Model500, ModelCut, ModelHang,
    ModelMegabyte, ModelNan, ModelRubbish, NodeRestart, OldHeight, Refuse, SeparateMempools,
    SlowBlocks, Status404, Status429, Status429RetryAfter, Status500, Status502, Status503,
    TopicOff, Upgrade, WhitelistOff, WrongChain, WrongJson,
};

/// Faults of any answer of the chain.
pub(super) const OF_ANSWERS: [Kind; 15] = [
    Close,
    Refuse,
    Hang,
    Delay,
    Cut,
    Html,
    WrongJson,
    Empty,
    Status404,
    Status429,
    Status429RetryAfter,
    Status500,
    Status502,
    Status503,
    OldHeight,
];
/// Faults of broadcasts.
pub(super) const OF_BROADCASTS: [Kind; 5] = [
    AcceptAndDrop,
    LoseAnswer,
    AnteFailure,
    MempoolFull,
    WrongChain,
];
/// Faults of the model.
pub(super) const OF_MODEL: [Kind; 6] = [
    ModelHang,
    Model500,
    ModelRubbish,
    ModelNan,
    ModelMegabyte,
    ModelCut,
];
/// Faults of the chain as a whole.
pub(super) const OF_CHAIN: [Kind; 8] = [
    SlowBlocks,
    Halt,
    GasPrice,
    BalanceGone,
    WhitelistOff,
    TopicOff,
    NodeRestart,
    FrozenNode,
];
/// What is so for a whole run, or happens once in it.
pub(super) const OF_RUNS: [Kind; 4] = [Upgrade, SeparateMempools, IndexLate, IndexOff];

impl Kind {
    /// All of them.
    pub(super) fn all() -> impl Iterator<Item = Kind> {
        let answers = OF_ANSWERS.into_iter().chain(OF_BROADCASTS);
        answers.chain(OF_MODEL).chain(OF_CHAIN).chain(OF_RUNS)
    }

    /// The name that it is counted under in the report.
    pub(super) fn name(self) -> &'static str {
        match self {
            Close => "close",
            Refuse => "refuse",
            Hang => "hang",
            Delay => "delay",
            Cut => "cut",
            Html => "html",
            WrongJson => "wrong_json",
            Empty => "empty",
            Status404 => "status_404",
            Status429 => "status_429",
            Status429RetryAfter => "status_429_retry_after",
            Status500 => "status_500",
            Status502 => "status_502",
            Status503 => "status_503",
            OldHeight => "old_height",
            AcceptAndDrop => "accept_and_drop",
            LoseAnswer => "lose_answer",
            AnteFailure => "ante_failure_in_block",
            MempoolFull => "mempool_full",
            WrongChain => "wrong_chain",
            ModelHang => "model_hang",
            Model500 => "model_status_500",
            ModelRubbish => "model_rubbish",
            ModelNan => "model_nan",
            ModelMegabyte => "model_megabyte",
            ModelCut => "model_cut",
            SlowBlocks => "slow_blocks",
            Halt => "halt",
            GasPrice => "gas_price_x10",
            BalanceGone => "balance_gone",
            WhitelistOff => "whitelist_off",
            TopicOff => "topic_off",
            NodeRestart => "node_restart",
            FrozenNode => "frozen_node",
            Upgrade => "upgrade",
            SeparateMempools => "separate_mempools",
            IndexLate => "index_late",
            IndexOff => "index_off",
        }
    }

    /// The fault of answers that it is, if it is one; `number` decides its details, `hang` is how
    /// long it leaves a request without an answer, `pause` what a server asks for.
    pub(super) fn fault(self, number: u64, hang: Duration, pause: Duration) -> Option<Fault> {
        let pick = |list: &[u32]| {
            let at = number % u64::try_from(list.len()).unwrap_or(1);
            usize::try_from(at)
                .ok()
                .and_then(|at| list.get(at))
                .copied()
        };
        let short = Duration::from_millis(100 + number % 300);
        Some(match self {
            Close => Fault::Close,
            Refuse => Fault::Refuse(short),
            Hang | ModelHang => Fault::Hang(hang),
            Delay => Fault::Delay(short),
            Cut => Fault::CutAfter(usize::try_from(number % 200).unwrap_or(0)),
            // Never the whole answer, but now and then the first digits of the number.
            ModelCut => Fault::CutAfter(usize::try_from(number % 75).unwrap_or(0)),
            Html => Fault::Html,
            WrongJson => Fault::WrongJson,
            Empty => Fault::EmptyOk,
            Status404 => Fault::Status(404, None),
            Status429 => Fault::Status(429, None),
            Status429RetryAfter => Fault::Status(429, Some(pause.as_secs())),
            Status500 | Model500 => Fault::Status(500, None),
            Status502 => Fault::Status(502, None),
            Status503 => Fault::Status(503, None),
            OldHeight => Fault::OldHeight(1 + number % 6),
            AcceptAndDrop => Fault::AcceptAndDrop,
            LoseAnswer => Fault::IncludeButLoseAnswer,
            AnteFailure => Fault::AnteFailureInBlock(pick(&[32, 13, 30, 11])?),
            MempoolFull => Fault::MempoolFull,
            WrongChain => Fault::OtherChain,
            ModelRubbish => Fault::Rubbish,
            ModelNan => Fault::NotANumber,
            ModelMegabyte => Fault::Megabyte,
            _ => return None,
        })
    }

    /// The code of a transaction that is included, fails and has its fee taken, which this fault
    /// explains: what was right when it was sent was wrong when it was included.
    pub(super) fn explains(self) -> Option<&'static str> {
        match self {
            // The fee itself is taken before the message, and only the message's own fee fails.
            BalanceGone => Some("sdk/5"),
            WhitelistOff => Some("emissions/83"),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_counted_under_the_name_of_its_fault() {
        let (hang, pause) = (Duration::from_secs(2), Duration::from_secs(1));
        for kind in Kind::all() {
            let Some(fault) = kind.fault(7, hang, pause) else {
                continue;
            };
            let name = match OF_MODEL.contains(&kind) {
                true => format!("model_{}", fault.kind()),
                false => fault.kind(),
            };
            assert_eq!(name, kind.name());
        }
        let mut names: Vec<_> = Kind::all().map(Kind::name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Kind::all().count());
    }
}
