//! Lies about what the node is, and texts and headers that are meant to harm the reader.

use super::telling::Telling;
use crate::api::routes::BROADCAST;
use crate::api::tx_json::broadcast_json;

/// Length of a text that is far too long.
const LONG_BYTES: usize = 200 * 1024;
/// Number of answers with a status of 1xx in a flood.
const INTERIM: u32 = 5_000;
/// A pause of 30 years.
const YEARS_S: u64 = 30 * 365 * 24 * 3_600;
/// Terminal commands, a forged line, invisible letters and changes of the writing direction.
const NASTY: &str = "\u{1b}[2J\u{7}\r\n2026-01-01T00:00:00Z INFO [topic-1] included in block 1\n\u{202e}\
                     \u{2066}evil\u{200b}\u{feff}\u{e0041}\u{9b}31m\u{61c}\u{0}";

pub(super) fn chain_id(telling: &mut Telling<'_>) {
    let long = "c".repeat(LONG_BYTES);
    let told = match telling.variant(5) {
        0 | 1 => "allora-mainnet-1",
        2 => "",
        3 => &long,
        _ => NASTY,
    };
    telling.set("/default_node_info/network", told);
}

pub(super) fn syncing(telling: &mut Telling<'_>) {
    telling.set("/syncing", true);
}

/// Half of the routes of the emissions interface do not exist.
pub(super) fn version(telling: &mut Telling<'_>) {
    if telling.variant(2) == 0 || telling.random().is_multiple_of(2) {
        telling.fail(501, 12, "Not Implemented");
    }
}

/// An error whose text is long or not meant to be read.
pub(super) fn text(telling: &mut Telling<'_>) {
    let always = telling.number >> 16 & 1 == 0;
    if !always && telling.random().is_multiple_of(2) {
        return;
    }
    let text = match telling.variant(3) {
        0 => "A".repeat(LONG_BYTES),
        1 => NASTY.to_owned(),
        _ => NASTY.repeat(1_000),
    };
    if telling.asked.route == BROADCAST {
        let body = broadcast_json(&telling.tx_hash(), &text, 99, &text);
        telling.replace(&body);
    } else {
        telling.fail(500, 2, &text);
    }
}

/// An answer's head.
pub(super) fn head(telling: &mut Telling<'_>) {
    let answer = &mut telling.play.answer;
    match telling.number % 5 {
        0 => telling.play.interim = INTERIM,
        1 => answer.retry_after_s = Some(YEARS_S),
        2 => {
            answer.status = 429;
            answer.retry_after_s = Some(YEARS_S);
        }
        3 => {
            answer.status = 503;
            answer.more_head = "Retry-After: Fri, 31 Dec 2055 23:59:59 GMT\r\n".to_owned();
        }
        _ => answer.more_head = format!("X-Long: {}\r\n", "x".repeat(LONG_BYTES)),
    }
}
