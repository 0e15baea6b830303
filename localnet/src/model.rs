//! A sample model: a plausible number at every path, a little different each time, in the
//! spellings that real models use.

use std::collections::{BTreeMap, VecDeque};

use crate::answer::Answer;

/// Paths that are remembered.
const PATHS_MAX: usize = 1_024;
/// Where the walk begins: 3,000.00 in hundredths.
const START_CENTS: i64 = 300_000;
/// Longest step of the walk, in hundredths.
const STEP_CENTS: i64 = 500;

/// The model's memory: a walk per path and answers that tests have prepared.
#[derive(Debug)]
pub struct Model {
    random: fastrand::Rng,
    walks: BTreeMap<String, i64>,
    prepared: BTreeMap<String, VecDeque<Answer>>,
}

impl Model {
    /// A model whose numbers follow from `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Model {
        let random = fastrand::Rng::with_seed(seed);
        Model {
            random,
            walks: BTreeMap::new(),
            prepared: BTreeMap::new(),
        }
    }

    /// Prepares answers for a path; they are given once each, before the walk goes on.
    pub fn prepare(&mut self, path: &str, answers: impl IntoIterator<Item = Answer>) {
        self.prepared
            .entry(path.to_owned())
            .or_default()
            .extend(answers);
    }

    /// Answers a request to a path.
    pub fn answer(&mut self, path: &str) -> Answer {
        if let Some(answer) = self.prepared.get_mut(path).and_then(VecDeque::pop_front) {
            return answer;
        }
        let path = if self.walks.len() < PATHS_MAX {
            path
        } else {
            "/"
        };
        let step = self.random.i64(-STEP_CENTS..=STEP_CENTS);
        let cents = self.walks.entry(path.to_owned()).or_insert(START_CENTS);
        *cents = (*cents + step).max(1);
        let number = format!("{}.{:02}", *cents / 100, *cents % 100);
        match path.bytes().map(u32::from).sum::<u32>() % 3 {
            0 => Answer::text(200, "text/plain; charset=utf-8", format!("{number}\n")),
            1 => Answer::text(200, "application/json", number),
            _ => Answer::text(200, "application/json", format!("\"{number}\"")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prepared_answers_come_first_and_the_walk_follows_from_the_seed() {
        let mut model = Model::new(3);
        model.prepare("/topic/1", [Answer::text(500, "text/plain", "no")]);
        assert_eq!(model.answer("/topic/1").status, 500);
        let first = model.answer("/topic/1");
        assert_eq!(first.status, 200);
        assert_eq!(Model::new(3).answer("/topic/1"), first);
    }
}
