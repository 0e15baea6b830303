//! Changes of bytes.

use fastrand::Rng;

use super::WORDS;

/// How often a part is repeated at most.
const REPEATED_MAX: usize = 400;
/// The longest part that is copied, repeated or removed.
const PART_BYTES_MAX: usize = 64;

/// The text with one change.
pub(super) fn changed(mut text: Vec<u8>, random: &mut Rng) -> Vec<u8> {
    let at = random.usize(..=text.len());
    let end = text.len().min(at + random.usize(..PART_BYTES_MAX));
    match random.u8(..7) {
        0 => {
            if let Some(byte) = text.get_mut(at) {
                *byte ^= 1 << random.u8(..8);
            }
        }
        1 => text.insert(at, random.u8(..)),
        2 => drop(text.drain(at..end)),
        3 => insert(
            &mut text,
            at,
            random.choice(WORDS).unwrap_or_default().as_bytes(),
        ),
        4 => replace_number(&mut text, at, random),
        5 => {
            let part = text[at..end].to_vec();
            let to = random.usize(..=text.len());
            insert(&mut text, to, &part);
        }
        _ => {
            let part = text[at..end.min(at + 4)].repeat(random.usize(1..REPEATED_MAX));
            insert(&mut text, at, &part);
        }
    }
    text
}

fn insert(text: &mut Vec<u8>, at: usize, part: &[u8]) {
    text.splice(at..at, part.iter().copied());
}

/// Writes a word in the place of the first number behind `at`.
fn replace_number(text: &mut Vec<u8>, at: usize, random: &mut Rng) {
    let digits = |text: &[u8]| text.iter().take_while(|b| b.is_ascii_digit()).count();
    let Some(skipped) = text[at..].iter().position(u8::is_ascii_digit) else {
        return;
    };
    let start = at + skipped;
    let end = start + digits(&text[start..]);
    let word = random.choice(WORDS).unwrap_or_default();
    text.splice(start..end, word.bytes());
}
