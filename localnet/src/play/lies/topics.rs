//! Lies about topics: windows that do not exist, and what the worker may do in them.

use serde_json::Value;

use super::telling::Telling;

/// An invented window: its nonce, its last block, whether it is open.
struct Invented(u64, u64, bool);

pub(super) fn window(telling: &mut Telling<'_>) {
    let height = telling.claimed;
    let every = 2 + (telling.number >> 8) % 9;
    let nonce = height - height % every;
    let Invented(nonce, end, open) = match telling.variant(10) {
        // One window after the other.
        0 | 1 => Invented(nonce, nonce.saturating_add(every), true),
        2 => Invented(height.saturating_sub(1), height.saturating_add(10), true),
        3 => Invented(
            height.saturating_add(1_000_000),
            height.saturating_add(1_000_010),
            false,
        ),
        4 => Invented(height.saturating_add(1), height.saturating_add(31), false),
        5 => Invented(height.saturating_sub(1), u64::MAX / 2, true),
        6 => Invented(height, height.saturating_sub(5), true),
        7 => Invented(u64::MAX, u64::MAX, true),
        8 => Invented(height.saturating_add(5), height.saturating_add(35), true),
        _ => Invented(0, 0, true),
    };
    let text = |number: u64| Value::from(number.to_string());
    let (current, current_end) = if open { (nonce, end) } else { (0, 0) };
    telling.set("/is_open", open);
    telling.set("/current_nonce_block_height", text(current));
    telling.set("/window_start_block", text(current));
    telling.set("/window_end_block", text(current_end));
    let next = if open {
        nonce.saturating_add(every)
    } else {
        nonce
    };
    telling.set("/next_window_start_block", text(next));
    telling.set("/next_window_end_block", text(next.saturating_add(every)));
    for field in ["/is_registered", "/is_whitelisted", "/is_topic_active"] {
        telling.set(field, true);
    }
}

pub(super) fn registration(telling: &mut Telling<'_>) {
    let told = telling.variant(2) == 0;
    telling.set("/is_registered", told);
}

pub(super) fn whitelist(telling: &mut Telling<'_>) {
    telling.set("/is_whitelisted", false);
}

pub(super) fn inactive(telling: &mut Telling<'_>) {
    telling.set("/is_topic_active", false);
    if telling.variant(2) == 0 {
        for field in ["/current_nonce_block_height", "/next_window_start_block"] {
            telling.set(field, "0");
        }
        telling.set("/is_open", false);
    }
}

/// Whether the nonce is served.
pub(super) fn served(telling: &mut Telling<'_>) {
    let told = match telling.variant(5) {
        0 => "0".to_owned(),
        1 => (u64::MAX / 2).to_string(),
        2 => telling.claimed.to_string(),
        3 => "-1".to_owned(),
        _ => u64::MAX.to_string(),
    };
    telling.set("/score/block_height", told);
}

pub(super) fn topic(telling: &mut Telling<'_>) {
    let most = u64::MAX.to_string();
    let length = match telling.variant(5) {
        0 => "0",
        1 => "1",
        2 => &most,
        3 => "10000000",
        _ => {
            telling.set("/topic/output_arity", "TOPIC_OUTPUT_ARITY_OF_LIES");
            return;
        }
    };
    telling.set("/topic/epoch_length", length);
    telling.set("/topic/worker_submission_window", length);
}

/// A schedule that the chain does not have. The lengths that go with it are told as well, so the node
/// never contradicts itself.
pub(super) fn schedule(telling: &mut Telling<'_>) {
    let detail = telling.number >> 8;
    let (variant, epoch) = match telling.variant(4) {
        // Windows at other blocks.
        0 => (0, 10 + detail % 30),
        // One far away.
        1 => (1, 1_000_000),
        // A next window that is always as far away.
        2 => (2, 1_000),
        // An active topic without a next window.
        _ => (3, 40),
    };
    tell_schedule(telling, variant, epoch);
}

/// A next window that ended long ago, and no open one.
pub(super) fn overdue(telling: &mut Telling<'_>) {
    let epoch = 10 + (telling.number >> 8) % 30;
    tell_schedule(telling, 4, epoch);
}

fn tell_schedule(telling: &mut Telling<'_>, variant: u64, epoch: u64) {
    let (detail, height) = (telling.number >> 8, telling.claimed);
    let window = (epoch * 3 / 5).min(30);
    telling.set("/topic/epoch_length", epoch.to_string());
    telling.set("/topic/worker_submission_window", window.to_string());
    let phase = (detail >> 8) % epoch;
    let begun = (height.saturating_sub(phase) / epoch * epoch).saturating_add(phase);
    let is_open = variant == 0 && (begun..=begun.saturating_add(window)).contains(&height);
    let (current, current_end) = if is_open {
        (begun, begun.saturating_add(window))
    } else {
        (0, 0)
    };
    let after = |from: u64, blocks: u64| {
        let next = from.saturating_add(blocks);
        (next, next.saturating_add(window))
    };
    let (next, next_end) = match variant {
        2 => after(height, 50),
        3 => (0, 0),
        4 => after(phase, epoch),
        _ => after(begun, epoch),
    };
    telling.set("/is_open", is_open);
    for (field, told) in [
        ("/current_nonce_block_height", current),
        ("/window_start_block", current),
        ("/window_end_block", current_end),
        ("/next_window_start_block", next),
        ("/next_window_end_block", next_end),
    ] {
        telling.set(field, told.to_string());
    }
    telling.set("/is_topic_active", true);
}
