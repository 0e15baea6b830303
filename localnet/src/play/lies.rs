//! Lies of a hostile node: answers of the right form with a wrong content. The node is a front over
//! the real simulated chain. It asks the chain, changes what it was answered, and decides what it
//! forwards of a broadcast.
//!
//! A [`Lie`] is about one thing and is one row of `ROWS`. A [`Strategy`] is what a node tells at one
//! time: one lie or several that go together, such as invented heights with the windows that fit
//! them. Seeds decide everything, so that a run can be repeated.

mod heights;
mod money;
mod telling;
mod texts;
mod topics;
mod transactions;

use std::time::Duration;

use fastrand::Rng;

use crate::api::routes::{BROADCAST, FIND_TX, SIMULATE};
use crate::server::Play;
use crate::server::answer::Answer;

use telling::Telling;
pub(super) use telling::{Asked, Effect};
pub use transactions::ACCOUNT_NUMBERS;

/// The routes that every part of an answer's head belongs to.
const EVERY: &str = "";
const ACCOUNT: &str = "/account_info/";
const WINDOW: &str = "/worker_submission_window_status/";
/// The most lies of one strategy.
const TOGETHER_MAX: usize = 4;

/// All lies.
static ROWS: [Row; 27] = [
    Row::new("fee", BROADCAST, Group::Sending, transactions::demand_fee),
    Row::new("swallow", BROADCAST, Group::Sending, transactions::swallow),
    Row::new("refusal", BROADCAST, Group::Sending, transactions::refuse),
    Row::new("gas", SIMULATE, Group::Sending, transactions::gas),
    Row::new(
        "rehearsal",
        SIMULATE,
        Group::Sending,
        transactions::refuse_simulation,
    ),
    Row::new("index", FIND_TX, Group::Sending, transactions::index),
    Row::new("sequence", ACCOUNT, Group::Sending, transactions::sequence),
    Row::new(
        "account_number",
        ACCOUNT,
        Group::Sending,
        transactions::account_number,
    ),
    Row::new(
        "no_account",
        ACCOUNT,
        Group::Sending,
        transactions::no_account,
    ),
    Row::new("price", "/gas_price/", Group::Money, money::price),
    Row::new("balance", "/by_denom", Group::Money, money::balance),
    Row::new("params", "/params", Group::Money, money::params),
    Row::new("height", EVERY, Group::Heights, heights::header),
    Row::new("window", WINDOW, Group::Topics, topics::window),
    Row::new("registration", WINDOW, Group::Topics, topics::registration),
    Row::new("whitelist", WINDOW, Group::Topics, topics::whitelist),
    Row::new("inactive", WINDOW, Group::Topics, topics::inactive),
    Row::new("served", "_score_ema/", Group::Topics, topics::served),
    Row::new("topic", "/topics/{}", Group::Topics, topics::topic),
    Row::new("chain_id", "/node_info", Group::Identity, texts::chain_id),
    Row::new("syncing", "/syncing", Group::Identity, texts::syncing),
    Row::new("version", "/emissions/", Group::Identity, texts::version),
    Row::new("text", EVERY, Group::Texts, texts::text),
    Row::new("head", EVERY, Group::Texts, texts::head),
    // The next two are never drawn: a plan adds them to lies that are. What a schedule says of the
    // topic's lengths is asked for at the start only.
    Row::new("schedule", "/emissions/", Group::Topics, topics::schedule),
    Row::new("lag", EVERY, Group::Heights, |_| {}),
    // No plan tells it, only tests do.
    Row::new("overdue", "/emissions/", Group::Topics, topics::overdue),
];

/// From these rows, lies are drawn.
const DRAWN: usize = PLANNED - 2;
/// These rows occur in plans.
const PLANNED: usize = ROWS.len() - 1;

/// What a lie is about, roughly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// Transactions and what is needed to send them.
    Sending,
    Money,
    Heights,
    Topics,
    Identity,
    /// Texts and headers that are meant to harm whoever reads them.
    Texts,
}

struct Row {
    name: &'static str,
    /// Affects routes that contain this.
    route: &'static str,
    group: Group,
    tell: fn(&mut Telling<'_>),
}

impl Row {
    const fn new(
        name: &'static str,
        route: &'static str,
        group: Group,
        tell: fn(&mut Telling<'_>),
    ) -> Row {
        Row {
            name,
            route,
            group,
            tell,
        }
    }
}

/// One lie: the index of its row, and a number that decides its details.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lie {
    row: usize,
    /// Selects one of the row's variants, and its amounts.
    pub number: u64,
}

impl Lie {
    /// The lie with this name; `None` if there is no such lie.
    #[must_use]
    pub fn named(name: &str, number: u64) -> Option<Lie> {
        let row = ROWS.iter().position(|row| row.name == name)?;
        Some(Lie { row, number })
    }

    /// The names of the lies that occur in plans.
    pub fn names() -> impl Iterator<Item = &'static str> {
        ROWS[..PLANNED].iter().map(|row| row.name)
    }

    #[must_use]
    pub fn name(self) -> &'static str {
        ROWS[self.row].name
    }

    #[must_use]
    pub fn group(self) -> Group {
        ROWS[self.row].group
    }

    pub(super) fn affects(self, route: &str) -> bool {
        let lags = || route.contains(heights::lagging_route(self.number));
        route.contains(ROWS[self.row].route) && (self.name() != "lag" || lags())
    }
}

/// The lies that a node tells at one time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Strategy(Vec<Lie>);

impl Strategy {
    #[must_use]
    pub fn of(lies: Vec<Lie>) -> Strategy {
        Strategy(lies)
    }

    /// The same with one more lie, if there is one with this name.
    #[must_use]
    pub fn and(&self, name: &str, number: u64) -> Strategy {
        let more = Lie::named(name, number);
        let more = more.filter(|more| self.0.iter().all(|lie| lie.row != more.row));
        Strategy(self.0.iter().copied().chain(more).collect())
    }

    /// A random strategy: usually one lie, sometimes several at once.
    #[must_use]
    pub fn draw(random: &mut Rng) -> Strategy {
        let count = match random.u32(0..10) {
            0..6 => 1,
            6..8 => 2,
            _ => random.usize(3..=TOGETHER_MAX),
        };
        let mut lies: Vec<Lie> = Vec::new();
        while lies.len() < count {
            let row = random.usize(0..DRAWN);
            let number = random.u64(..);
            if lies.iter().all(|lie| lie.row != row) {
                lies.push(Lie { row, number });
            }
        }
        Strategy(lies)
    }

    #[must_use]
    pub fn lies(&self) -> &[Lie] {
        &self.0
    }

    /// The lies' names, joined by `+`.
    #[must_use]
    pub fn name(&self) -> String {
        let names: Vec<&str> = self.0.iter().map(|lie| lie.name()).collect();
        names.join("+")
    }

    pub(super) fn affects(&self, route: &str) -> bool {
        self.0.iter().any(|lie| lie.affects(route))
    }

    /// The changed answer. `answer` asks the chain; a broadcast that is not forwarded does not.
    pub(super) fn tell(&self, asked: Asked<'_>, answer: impl FnOnce(Effect) -> Answer) -> Play {
        let told = || self.0.iter().filter(|lie| lie.affects(asked.route));
        let effects = told().filter(|_| asked.route == BROADCAST);
        let effects = effects.filter(|lie| lie.group() == Group::Sending);
        let effect = effects.map(|lie| Effect::of(lie.name(), lie.number)).next();
        let lag = told().find(|lie| lie.name() == "lag");
        let lag = lag.map(|lie| Effect::Late(heights::lag_blocks(lie.number)));
        let claimed = heights::claimed(self, asked.height);
        let answer = answer(effect.or(lag).unwrap_or(Effect::Forwarded));
        let mut telling = Telling::new(asked, claimed, answer);
        for lie in told() {
            telling.number = lie.number;
            (ROWS[lie.row].tell)(&mut telling);
        }
        telling.play
    }
}

/// A strategy from one time to another, both since the start of the simulation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LieSpan {
    pub strategy: Strategy,
    pub from: Duration,
    pub to: Duration,
}

/// Strategies one after the other from one time to another, each as long as `length` allows.
#[must_use]
pub fn schedule(
    random: &mut Rng,
    (from, to): (Duration, Duration),
    (shortest, longest): (Duration, Duration),
) -> Vec<LieSpan> {
    let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let (mut spans, mut at) = (Vec::new(), from);
    while at < to {
        let length = random.u64(ms(shortest)..=ms(longest).max(ms(shortest)));
        let until = (at + Duration::from_millis(length.max(1))).min(to);
        spans.push(LieSpan {
            strategy: Strategy::draw(random),
            from: at,
            to: until,
        });
        at = until;
    }
    spans
}

#[cfg(test)]
mod tests;
