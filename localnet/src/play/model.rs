//! The sample model. Each path has a plausible number that changes a little with every request,
//! in the formats of real models. Paths below `/labels/` give three labelled values that add up to
//! 1, paths below `/forecast/` a loss for each of two workers.

use std::collections::{BTreeMap, VecDeque};

use crate::server::answer::Answer;

/// Number of paths with a walk of their own.
const PATHS_MAX: usize = 1_024;
/// Start of a walk: 3,000.00 in hundredths.
const START_CENTS: i64 = 300_000;
/// The workers in forecasts; they send nothing on the simulated chain.
pub const FORECAST_FOR: [&str; 2] = [
    "allo102ksu3kx57w0mrhkg37kvymmk2lgxqcan6u7yn",
    "allo15yk64u7zc9g9k2yr2wmzeva5qgwxps6ygp4vw8",
];
/// Longest step of a walk, in hundredths.
const STEP_CENTS: i64 = 500;

/// A random walk for each path, and answers that tests have prepared.
#[derive(Debug)]
pub struct Model {
    random: fastrand::Rng,
    walks: BTreeMap<String, i64>,
    prepared: BTreeMap<String, VecDeque<Answer>>,
    /// Whether numbers never have quotes, which some workers cannot read.
    pub plain: bool,
}

impl Model {
    /// A model whose numbers depend on `seed` only.
    #[must_use]
    pub fn new(seed: u64) -> Model {
        let random = fastrand::Rng::with_seed(seed);
        Model {
            random,
            walks: BTreeMap::new(),
            prepared: BTreeMap::new(),
            plain: false,
        }
    }

    /// Prepares answers for a path. Each is given once, before the walk continues.
    pub fn prepare(&mut self, path: &str, answers: impl IntoIterator<Item = Answer>) {
        self.prepared
            .entry(path.to_owned())
            .or_default()
            .extend(answers);
    }

    pub fn answer(&mut self, path: &str) -> Answer {
        if let Some(answer) = self.prepared.get_mut(path).and_then(VecDeque::pop_front) {
            return answer;
        }
        if path.starts_with("/labels/") {
            return Answer::text(200, "application/json", self.labelled());
        }
        if path.starts_with("/forecast/") {
            return Answer::text(200, "application/json", self.forecast());
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
            2 if !self.plain => Answer::text(200, "application/json", format!("\"{number}\"")),
            _ => Answer::text(200, "application/json", number),
        }
    }

    /// Values of up, down and flat, in hundredths.
    fn labelled(&mut self) -> String {
        let up = self.random.i64(1..=98);
        let down = self.random.i64(1..=99 - up);
        let flat = 100 - up - down;
        format!(r#"{{"up": 0.{up:02}, "down": 0.{down:02}, "flat": "0.{flat:02}"}}"#)
    }

    fn forecast(&mut self) -> String {
        let [one, other] = FORECAST_FOR;
        let [first, second] = [(); 2].map(|()| self.random.i64(1..=99));
        format!(r#"{{"{one}": 1{first:02}.5, "{other}": "0.{second:02}"}}"#)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labelled_values_add_up_to_one() {
        let mut model = Model::new(5);
        for _ in 0..200 {
            let body = model.answer("/labels/2").body;
            let text = String::from_utf8(body).unwrap();
            let hundredths = text
                .split("0.")
                .skip(1)
                .map(|part| part[..2].parse::<u32>());
            assert_eq!(hundredths.map(Result::unwrap).sum::<u32>(), 100, "{text}");
        }
    }

    #[test]
    fn a_plain_model_gives_no_quotes() {
        let quoted = |plain| {
            let mut model = Model::new(7);
            model.plain = plain;
            (1..4).any(|topic| {
                model
                    .answer(&format!("/topic/{topic}"))
                    .body
                    .contains(&b'"')
            })
        };
        assert!(quoted(false) && !quoted(true));
    }

    #[test]
    fn prepared_answers_come_first_and_the_seed_determines_the_walk() {
        let mut model = Model::new(3);
        model.prepare("/topic/1", [Answer::text(500, "text/plain", "no")]);
        assert_eq!(model.answer("/topic/1").status, 500);
        let first = model.answer("/topic/1");
        assert_eq!(first.status, 200);
        assert_eq!(Model::new(3).answer("/topic/1"), first);
    }
}
