//! The figures as a table for people and as JSON with stable keys for programs.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::binary::Binary;
use super::figure::{Figure, Milli, Target};
use super::plan::Name;
use super::scene::Seen;

/// The measurements of one worker.
#[derive(Debug, Default)]
pub(super) struct Measured {
    /// The worker's name in the table.
    pub(super) title: String,
    pub(super) binary: Option<Binary>,
    pub(super) scenes: BTreeMap<Name, Result<(Vec<Figure>, Seen), String>>,
}

impl Measured {
    /// The figures, in the order of the table.
    fn figures(&self) -> Vec<&Figure> {
        let scenes = Name::ALL.iter().filter_map(|name| self.scenes.get(name));
        scenes.flatten().flat_map(|(figures, _)| figures).collect()
    }

    fn figure(&self, key: &str) -> Option<&Figure> {
        self.figures().into_iter().find(|figure| figure.key == key)
    }

    fn is_static(&self) -> bool {
        self.binary.is_some_and(|binary| binary.is_static)
    }

    /// Whether all scenes could be played and no judged target was missed.
    pub(super) fn has_succeeded(&self) -> bool {
        let misses = |figure: &&Figure| figure.fails(self.is_static());
        self.scenes.values().all(Result::is_ok) && !self.figures().iter().any(misses)
    }
}

/// The width of the descriptions.
const WHAT_WIDTH: usize = 56;
const NUMBER_WIDTH: usize = 10;

/// The table, with the peer's column if there is one.
pub(super) fn text(own: &Measured, peer: Option<&Measured>) -> String {
    let mut text = String::new();
    // Writing into a string does not fail.
    let _ = head(&mut text, own, peer);
    for name in Name::ALL {
        if let Some(Ok((figures, _))) = own.scenes.get(&name) {
            let _ = writeln!(text, "{}: {}", name.text(), name.heading());
            for figure in figures {
                let _ = row(&mut text, figure, own, peer);
            }
        }
    }
    for measured in [Some(own), peer].into_iter().flatten() {
        let _ = below(&mut text, measured);
    }
    text
}

fn head(text: &mut String, own: &Measured, peer: Option<&Measured>) -> std::fmt::Result {
    if let Some(binary) = own.binary {
        let kind = if binary.is_static {
            "static"
        } else {
            "not static: the sizes are shown, and judged only for the static binary"
        };
        let size = Milli::megabytes(binary.bytes).text();
        writeln!(text, "{}: {size} MB, {kind}", own.title)?;
    }
    if let Some(peer) = peer {
        writeln!(text, "peer: {}", peer.title)?;
    }
    write!(text, "\n  {:WHAT_WIDTH$}", "")?;
    write!(text, "{:>NUMBER_WIDTH$}", "target")?;
    write!(text, "{:>NUMBER_WIDTH$}", "measured")?;
    if peer.is_some() {
        write!(text, "{:>NUMBER_WIDTH$}", "peer")?;
    }
    writeln!(text)
}

fn row(
    text: &mut String,
    figure: &Figure,
    own: &Measured,
    peer: Option<&Measured>,
) -> std::fmt::Result {
    let target = match figure.target {
        Target::None => String::new(),
        Target::AtMost(most) => format!("≤ {}", most.text()),
        Target::Exactly(right) => right.text(),
    };
    let number = |figure: Option<&Figure>| {
        let measured = figure.and_then(|figure| figure.measured);
        measured.map_or_else(|| "–".to_owned(), Milli::text)
    };
    write!(text, "  {:WHAT_WIDTH$}", figure.what)?;
    write!(text, "{target:>NUMBER_WIDTH$}")?;
    write!(text, "{:>NUMBER_WIDTH$}", number(Some(figure)))?;
    if let Some(peer) = peer {
        write!(text, "{:>NUMBER_WIDTH$}", number(peer.figure(figure.key)))?;
    }
    let verdict = match (figure.is_met(), figure.fails(own.is_static())) {
        (None, _) => "",
        (Some(true), _) => "  ✓",
        (Some(false), true) => "  ✗",
        (Some(false), false) => "  ✗ (shown only)",
    };
    writeln!(text, "{verdict}")
}

/// The details of the numbers: requests by route, threads by name.
fn below(text: &mut String, measured: &Measured) -> std::fmt::Result {
    for (name, result) in &measured.scenes {
        match result {
            Err(error) => writeln!(text, "\n{}, {}: {error}", measured.title, name.text())?,
            Ok((_, seen)) if seen.report.requests_total > 0 => {
                let (nonces, total) = (seen.report.windows_served(), seen.report.requests_total);
                let title = (&measured.title, name.text());
                writeln!(
                    text,
                    "\n{}, {}: {total} requests, {nonces} nonces served",
                    title.0, title.1
                )?;
                for (route, count) in &seen.report.requests {
                    writeln!(text, "{count:>8}  {route}")?;
                }
                writeln!(text, "threads   {}", gathered(&seen.threads))?;
            }
            Ok(_) => {}
        }
    }
    Ok(())
}

/// The names of threads; names that differ only in their number are grouped.
fn gathered(names: &[String]) -> String {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for name in names {
        let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
        let stem = if stem == name {
            name.clone()
        } else {
            format!("{stem}N")
        };
        *counts.entry(stem).or_default() += 1;
    }
    let one = |(name, count): (String, usize)| match count {
        1 => name,
        _ => format!("{count} × {name}"),
    };
    let all: Vec<String> = counts.into_iter().map(one).collect();
    all.join(", ")
}

pub(super) fn json(own: &Measured, peer: Option<&Measured>) -> Value {
    let mut figures = Map::new();
    for figure in own.figures() {
        let target = match figure.target {
            Target::None => Value::Null,
            Target::AtMost(most) => json!({ "at_most": number(Some(most)) }),
            Target::Exactly(right) => json!({ "exactly": number(Some(right)) }),
        };
        let of_peer = peer.and_then(|peer| peer.figure(figure.key)?.measured);
        let entry = json!({
            "what": figure.what, "target": target, "measured": number(figure.measured),
            "met": figure.is_met(), "peer": number(of_peer),
        });
        figures.insert(figure.key.to_owned(), entry);
    }
    json!({
        "well": own.has_succeeded(), "figures": figures,
        "worker": details(own), "peer": peer.map(details),
    })
}

fn details(measured: &Measured) -> Value {
    let mut scenes = Map::new();
    for (name, result) in &measured.scenes {
        let entry = match result {
            Ok((_, seen)) => json!({"threads": seen.threads, "report": seen.report}),
            Err(error) => json!({ "error": error }),
        };
        scenes.insert(name.text().to_owned(), entry);
    }
    json!({
        "title": measured.title, "scenes": scenes,
        "bytes": measured.binary.map(|binary| binary.bytes),
        "static": measured.binary.map(|binary| binary.is_static),
    })
}

/// A number as JSON.
fn number(milli: Option<Milli>) -> Value {
    let parsed = milli.map(|milli| serde_json::from_str(&milli.text()));
    // The text of a number is valid JSON.
    parsed.and_then(Result::ok).unwrap_or(Value::Null)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(title: &str, requests: u64) -> Measured {
        let figures = vec![
            Figure::count(
                "honest.requests_per_nonce",
                "requests",
                Milli::whole(12),
                Milli::ratio(requests, 2),
            ),
            Figure::time("honest.time", "time", Milli(1), Some(Milli(2))),
            Figure::shown("honest.max", "most", None),
        ];
        let scenes = BTreeMap::from([(Name::Honest, Ok((figures, Seen::default())))]);
        Measured {
            title: title.to_owned(),
            binary: None,
            scenes,
        }
    }

    #[test]
    fn both_columns_and_a_missed_count_are_shown() {
        let (own, peer) = (measured("own", 25), measured("other", 83));
        let text = text(&own, Some(&peer));
        let row = text.lines().find(|line| line.starts_with("  requests"));
        let words: Vec<&str> = row.unwrap().split_whitespace().collect();
        assert_eq!(words, ["requests", "≤", "12", "12.5", "41.5", "✗"]);
        assert!(text.contains("✗ (shown only)"));
        assert!(!own.has_succeeded());
        assert!(measured("own", 24).has_succeeded());
    }

    #[test]
    fn a_scene_that_could_not_be_played_is_a_failure() {
        let mut own = measured("own", 24);
        own.scenes.insert(Name::Tls, Err("it ended".to_owned()));
        assert!(!own.has_succeeded());
        assert!(text(&own, None).contains("own, tls: it ended"));
    }

    #[test]
    fn the_json_has_numbers_under_stable_keys() {
        let (own, peer) = (measured("own", 25), measured("other", 83));
        let json = json(&own, Some(&peer));
        let figure = &json["figures"]["honest.requests_per_nonce"];
        assert_eq!(figure["measured"].to_string(), "12.5");
        assert_eq!(figure["peer"].to_string(), "41.5");
        assert_eq!(figure["target"]["at_most"].to_string(), "12");
        assert_eq!(figure["met"], json!(false));
        assert_eq!(json["well"], json!(false));
        assert_eq!(json["figures"]["honest.max"]["measured"], Value::Null);
    }

    #[test]
    fn numbered_threads_are_grouped() {
        let names = ["topic-1", "topic-12", "broadcaster"].map(str::to_owned);
        assert_eq!(gathered(&names), "broadcaster, 2 × topic-N");
    }
}
