//! Faults of answers: which request gets which, by count, by chance and by schedule.
//!
//! One place decides, so that a seed repeats a run and every fault is counted. Faults of the
//! chain as a whole (halt, price, upgrade) are methods of the handle instead.

use std::time::Duration;

use crate::api::routes::{BROADCAST, Twist};
use crate::chain::Fate;

/// How the routes of the model begin.
pub const MODEL: &str = "MODEL ";

/// What goes wrong with one answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The connection is closed without an answer; the request was not looked at.
    Close,
    /// As `Close`, and new connections are refused for so long.
    Refuse(Duration),
    /// No answer for so long, then the connection is closed; the request was not looked at.
    Hang(Duration),
    /// The right answer, so much later.
    Delay(Duration),
    /// The right answer, cut after so many bytes of head and body together.
    CutAfter(usize),
    /// A page of a proxy instead of JSON, with status 200.
    Html,
    /// JSON of another shape, with status 200.
    WrongJson,
    /// Status 200 and nothing else.
    EmptyOk,
    /// An HTTP status of a proxy, with `Retry-After` where given.
    Status(u16, Option<u64>),
    /// The answer of so many blocks ago.
    OldHeight(u64),
    /// Broadcast: accepted and then lost before the next block.
    AcceptAndDrop,
    /// Broadcast: accepted, but the answer never comes.
    IncludeButLoseAnswer,
    /// Broadcast: `mempool is full`, whether or not it is.
    MempoolFull,
    /// Broadcast: accepted, included, and failing there in the ante handler with this `sdk` code.
    AnteFailureInBlock(u32),
    /// The answer of a node of another chain; a broadcast fails there for its signature.
    OtherChain,
    /// Model: words where a number is expected.
    Rubbish,
    /// Model: `NaN`.
    NotANumber,
    /// Model: a number, and spaces behind it up to one megabyte.
    Megabyte,
    /// Any other answer, byte for byte.
    Body(u16, Vec<u8>),
}

impl Fault {
    /// The name under which it is counted.
    #[must_use]
    pub fn kind(&self) -> String {
        match self {
            Fault::Close => "close",
            Fault::Refuse(_) => "refuse",
            Fault::Hang(_) => "hang",
            Fault::Delay(_) => "delay",
            Fault::CutAfter(_) => "cut",
            Fault::Html => "html",
            Fault::WrongJson => "wrong_json",
            Fault::EmptyOk => "empty",
            Fault::Status(status, None) => return format!("status_{status}"),
            Fault::Status(status, Some(_)) => return format!("status_{status}_retry_after"),
            Fault::OldHeight(_) => "old_height",
            Fault::AcceptAndDrop => "accept_and_drop",
            Fault::IncludeButLoseAnswer => "lose_answer",
            Fault::MempoolFull => "mempool_full",
            Fault::AnteFailureInBlock(_) => "ante_failure_in_block",
            Fault::OtherChain => "wrong_chain",
            Fault::Rubbish => "rubbish",
            Fault::NotANumber => "nan",
            Fault::Megabyte => "megabyte",
            Fault::Body(..) => "body",
        }
        .to_owned()
    }

    /// Whether the fault can befall a request to this route.
    fn fits(&self, route: &str) -> bool {
        match self {
            Fault::AcceptAndDrop
            | Fault::IncludeButLoseAnswer
            | Fault::MempoolFull
            | Fault::AnteFailureInBlock(_) => route == BROADCAST,
            Fault::OldHeight(_) => route.starts_with("GET "),
            // Only these answers are another one's on another chain.
            Fault::OtherChain => {
                route == BROADCAST || route.ends_with("/node_info") || route.ends_with("/latest")
            }
            Fault::Rubbish | Fault::NotANumber | Fault::Megabyte => route.starts_with(MODEL),
            _ => true,
        }
    }

    /// How the chain makes the answer under this fault.
    #[must_use]
    pub fn twist(&self) -> Twist {
        match self {
            Fault::OldHeight(blocks) => Twist {
                behind_blocks: *blocks,
                fate: Fate::Normal,
            },
            Fault::AcceptAndDrop => Twist {
                behind_blocks: 0,
                fate: Fate::Doomed,
            },
            Fault::AnteFailureInBlock(code) => Twist {
                behind_blocks: 0,
                fate: Fate::FailsInBlock(*code),
            },
            _ => Twist::default(),
        }
    }
}

/// When a rule holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Always.
    Always,
    /// From the first moment to before the second, counted from the start of the chain.
    Elapsed(Duration, Duration),
    /// From the first height to before the second.
    Heights(u64, u64),
}

/// Which requests get a fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    fault: Fault,
    route: String,
    node: Option<usize>,
    left: Option<u64>,
    per_mille: u32,
    when: When,
}

impl Rule {
    /// A rule for every request; the other methods narrow it down.
    #[must_use]
    pub fn new(fault: Fault) -> Rule {
        let when = When::Always;
        Rule {
            fault,
            route: String::new(),
            node: None,
            left: None,
            per_mille: 1000,
            when,
        }
    }

    /// Only requests whose route contains `part`: `POST /cosmos/tx/v1beta1/txs`, `simulate`,
    /// `MODEL /topic/1`. Routes have `{}` in place of ids.
    #[must_use]
    pub fn on(mut self, part: &str) -> Rule {
        part.clone_into(&mut self.route);
        self
    }

    /// Only requests to one node, counted from 0.
    #[must_use]
    pub fn at_node(mut self, node: usize) -> Rule {
        self.node = Some(node);
        self
    }

    /// Only the next so many requests that it holds for.
    #[must_use]
    pub fn times(mut self, count: u64) -> Rule {
        self.left = Some(count);
        self
    }

    /// Only by chance, in thousandths.
    #[must_use]
    pub fn per_mille(mut self, chance: u32) -> Rule {
        self.per_mille = chance;
        self
    }

    /// Only in a span of time or heights.
    #[must_use]
    pub fn when(mut self, when: When) -> Rule {
        self.when = when;
        self
    }
}

/// A request, as far as faults look at it.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// Method and path with `{}` in place of ids.
    pub route: &'a str,
    /// Which node it reached, or `None` for the model.
    pub node: Option<usize>,
    /// The chain's height.
    pub height: u64,
    /// Time since the start of the chain.
    pub elapsed: Duration,
}

/// All rules and the chance they draw on.
#[derive(Clone, Debug)]
pub struct Faults {
    rules: Vec<Rule>,
    random: fastrand::Rng,
}

impl Faults {
    /// No rules; `seed` decides every chance.
    #[must_use]
    pub fn new(seed: u64) -> Faults {
        Faults {
            rules: Vec::new(),
            random: fastrand::Rng::with_seed(seed),
        }
    }

    /// Adds a rule; earlier ones are asked first.
    pub fn add(&mut self, rule: Rule) {
        self.rules.push(rule);
    }

    /// Takes all rules away.
    pub fn clear(&mut self) {
        self.rules.clear();
    }

    /// The fault for a request, if there is one: the first rule that holds.
    pub fn decide(&mut self, seen: Seen<'_>) -> Option<Fault> {
        let random = &mut self.random;
        let index = self.rules.iter().position(|rule| {
            let now = match rule.when {
                When::Always => true,
                When::Elapsed(from, until) => (from..until).contains(&seen.elapsed),
                When::Heights(from, until) => (from..until).contains(&seen.height),
            };
            // A rule without a route is about the chain, not about the model.
            let named = !rule.route.is_empty() || seen.node.is_some();
            now && named
                && rule.fault.fits(seen.route)
                && seen.route.contains(&rule.route)
                && rule.node.is_none_or(|node| seen.node == Some(node))
                && (rule.per_mille >= 1000 || random.u32(0..1000) < rule.per_mille)
        })?;
        let rule = &mut self.rules[index];
        let fault = rule.fault.clone();
        if let Some(left) = &mut rule.left {
            *left = left.saturating_sub(1);
            if *left == 0 {
                self.rules.remove(index);
            }
        }
        Some(fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(route: &str, height: u64) -> Seen<'_> {
        Seen {
            route,
            node: Some(0),
            height,
            elapsed: Duration::from_secs(height),
        }
    }

    #[test]
    fn a_rule_holds_for_its_route_its_count_and_its_span() {
        let mut faults = Faults::new(1);
        faults.add(Rule::new(Fault::Html).on("account_info").times(2));
        faults.add(Rule::new(Fault::Close).when(When::Heights(5, 7)));
        assert_eq!(faults.decide(seen("GET /params", 1)), None);
        assert_eq!(
            faults.decide(seen("GET /account_info/{}", 1)),
            Some(Fault::Html)
        );
        assert_eq!(
            faults.decide(seen("GET /account_info/{}", 6)),
            Some(Fault::Html)
        );
        assert_eq!(
            faults.decide(seen("GET /account_info/{}", 6)),
            Some(Fault::Close)
        );
        assert_eq!(faults.decide(seen("GET /account_info/{}", 7)), None);
    }

    #[test]
    fn faults_of_a_broadcast_befall_only_broadcasts() {
        let mut faults = Faults::new(1);
        faults.add(Rule::new(Fault::AcceptAndDrop));
        assert_eq!(faults.decide(seen("GET /params", 1)), None);
        assert_eq!(
            faults.decide(seen(BROADCAST, 1)),
            Some(Fault::AcceptAndDrop)
        );
    }

    #[test]
    fn the_same_seed_draws_the_same_chances() {
        let draw = || {
            let mut faults = Faults::new(7);
            faults.add(Rule::new(Fault::Html).per_mille(300));
            (0..200)
                .map(|_| faults.decide(seen("GET /x", 1)).is_some())
                .collect::<Vec<_>>()
        };
        assert_eq!(draw(), draw());
        let hits = draw().into_iter().filter(|&hit| hit).count();
        assert!((30..90).contains(&hits), "{hits} of 200");
    }
}
