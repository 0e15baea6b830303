//! Inputs by seed: an entry of a target's corpus, changed in its bytes or, where it is JSON, in its
//! parts. The same seed gives the same input.

mod bytes;
mod json;

use fastrand::Rng;

use crate::Target;

/// The longest input. Longer ones cost time and show nothing new: limits of length have their tests.
const BYTES_MAX: usize = 16 * 1024;
/// The most changes of an entry.
const CHANGES_MAX: usize = 6;

/// What occurs at the edges of what is allowed, in numbers, names and texts.
const WORDS: [&str; 44] = [
    "0",
    "-0",
    "1",
    "-1",
    "00",
    "1.",
    ".5",
    "0.1",
    "1e40",
    "1.1E+40",
    "1e-40",
    "9e-41",
    "1e400",
    "1e100001",
    "NaN",
    "Infinity",
    "-inf",
    "100000000000",
    "100000000001",
    "1000000000000",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "1000000000000000000000000000000",
    "1000000000000000000000000000001",
    "",
    " ",
    "\u{0}",
    "\n",
    "\u{1b}[2J",
    "\u{202e}",
    "\u{e9}",
    "true",
    "null",
    "uallo",
    "sdk",
    "emissions",
    "codespace",
    "TOPIC_OUTPUT_ARITY_MULTI",
    "2026-11-27T18:00:00Z",
    "9999-12-31T23:59:60Z",
    "http://127.0.0.1:1/",
    "allo15yk64u7zc9g9k2yr2wmzeva5qgwxps6ygp4vw8",
];

/// Makes the inputs of one target.
#[derive(Debug)]
pub struct Generator {
    corpus: Vec<Vec<u8>>,
    choice_bytes: usize,
}

impl Generator {
    pub fn new(target: &Target) -> Generator {
        Generator {
            corpus: (target.corpus)(),
            choice_bytes: target.choice_bytes,
        }
    }

    /// The input of this seed.
    pub fn input(&self, seed: u64) -> Vec<u8> {
        let mut random = Rng::with_seed(seed);
        let entry = self.entry(&mut random);
        let (choice, text) = entry.split_at(self.choice_bytes.min(entry.len()));
        let (mut choice, mut text) = (choice.to_vec(), text.to_vec());
        if random.u8(..) < 16 {
            random.fill(&mut choice);
        }
        // Half of the inputs have one change, so that the worker accepts a part of them.
        let most = if random.bool() { 1 } else { CHANGES_MAX };
        for _ in 0..random.usize(1..=most) {
            let changed = match random.u8(..8) {
                0..4 => json::changed(&text, &mut random),
                4 => self.spliced(&text, &mut random),
                _ => None,
            };
            text = changed.unwrap_or_else(|| bytes::changed(text, &mut random));
            text.truncate(BYTES_MAX);
        }
        choice.extend(text);
        choice
    }

    fn entry(&self, random: &mut Rng) -> &[u8] {
        random.choice(&self.corpus).map_or(&[], Vec::as_slice)
    }

    /// The beginning of the text, and the end of another entry.
    fn spliced(&self, text: &[u8], random: &mut Rng) -> Option<Vec<u8>> {
        let other = self.entry(random);
        let end = other.get(random.usize(self.choice_bytes.min(other.len())..=other.len())..)?;
        Some([&text[..random.usize(..=text.len())], end].concat())
    }
}
