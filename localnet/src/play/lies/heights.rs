//! Lies about heights.

use super::Strategy;
use super::telling::Telling;
use super::{ACCOUNT, WINDOW};
use crate::api::routes::{BROADCAST, SIMULATE};

/// The routes of which a node answers one from earlier blocks.
const LAGGING: [&str; 4] = ["/inferer_score_ema/", SIMULATE, ACCOUNT, WINDOW];

/// The route that a lie with this number is about.
pub(super) fn lagging_route(number: u64) -> &'static str {
    let routes = LAGGING.iter().zip(0..);
    let mut routes = routes.filter(|(_, place)| *place == number % 4);
    routes.next().map_or(LAGGING[0], |(route, _)| route)
}

/// From how many blocks earlier it is answered.
pub(super) fn lag_blocks(number: u64) -> u64 {
    1 + number / 4 % 3
}

/// The height that a strategy claims while the chain is at `honest`.
pub(super) fn claimed(strategy: &Strategy, honest: u64) -> u64 {
    let mut lies = strategy.lies().iter();
    let Some(lie) = lies.find(|lie| lie.name() == "height") else {
        return honest;
    };
    let detail = lie.number >> 8;
    match lie.number % 12 {
        0 => u64::MAX,
        1 => u64::MAX / 2,
        2 => honest + 1_000_000,
        // A lead as between healthy nodes, or one of more.
        3 => honest + 1 + detail % 43,
        // A chain that runs several times as fast.
        4 | 5 => honest.saturating_mul(2 + detail % 6),
        6 => 101 + detail % 60,
        7 => honest.saturating_sub(3 + detail % 40),
        8 => 0,
        _ => honest,
    }
}

/// The height header, and the heights in bodies.
pub(super) fn header(telling: &mut Telling<'_>) {
    let told = match telling.variant(12) {
        9 => None,
        10 => {
            let other = telling.asked.height + 7;
            telling.play.answer.more_head =
                format!("Grpc-Metadata-X-Cosmos-Block-Height: {other}\r\n");
            Some(telling.claimed)
        }
        11 => Some(telling.random() % 100_000),
        _ => Some(telling.claimed),
    };
    if telling.asked.route != BROADCAST {
        telling.play.answer.height = told;
    }
    let text = telling.claimed.to_string();
    telling.set("/block/header/height", text.clone());
    telling.set("/height", text.clone());
    telling.set("/tx_response/height", text);
}
