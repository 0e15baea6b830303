//! What the log says of a configuration that was read: a hundred topics that leave three settings
//! out are one line and not three hundred.

use super::NOT_SET;

/// Before the settings that take their defaults.
const DEFAULTS: &str = "not set, using the defaults: ";

/// The warnings as lines of a log: those about settings that are missing together in one line,
/// which names them all, and the others as they are, behind it.
#[must_use]
pub fn lines(warnings: &[String]) -> Vec<String> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    let mut others = Vec::new();
    for warning in warnings {
        let Some(unset) = Unset::of(warning) else {
            others.push(warning.clone());
            continue;
        };
        match groups.iter_mut().find(|group| group.unset.is_like(&unset)) {
            Some(group) => group.ats.extend(unset.at),
            None => groups.push(Group {
                ats: unset.at.into_iter().collect(),
                unset,
            }),
        }
    }
    let groups: Vec<String> = groups.iter().map(Group::text).collect();
    let defaults = (!groups.is_empty()).then(|| format!("{DEFAULTS}{}", groups.join(", ")));
    defaults.into_iter().chain(others).collect()
}

/// A setting that is missing: `before[at]after` and its default.
struct Unset<'a> {
    before: &'a str,
    at: Option<usize>,
    after: &'a str,
    default: &'a str,
}

impl<'a> Unset<'a> {
    fn of(warning: &'a str) -> Option<Unset<'a>> {
        let (path, default) = warning.split_once(NOT_SET)?;
        let indexed = || {
            let (before, rest) = path.split_once('[')?;
            let (at, after) = rest.split_once(']')?;
            Some((before, at.parse().ok()?, after))
        };
        let (before, at, after) = match indexed() {
            Some((before, at, after)) => (before, Some(at), after),
            None => (path, None, ""),
        };
        Some(Unset {
            before,
            at,
            after,
            default,
        })
    }

    fn is_like(&self, other: &Unset<'_>) -> bool {
        let key = |unset: &Unset<'a>| (unset.before, unset.after, unset.default);
        let other = (other.before, other.after, other.default);
        key(self) == other
    }
}

/// The same setting in several places.
struct Group<'a> {
    unset: Unset<'a>,
    ats: Vec<usize>,
}

impl Group<'_> {
    /// `topics[0-99].nonce_fetch_freq 5 s`.
    fn text(&self) -> String {
        let Unset {
            before,
            after,
            default,
            ..
        } = self.unset;
        match self.ats.is_empty() {
            true => format!("{before} {default}"),
            false => format!("{before}[{}]{after} {default}", ranges(&self.ats)),
        }
    }
}

/// Ascending numbers, those in a row as a range.
fn ranges(numbers: &[usize]) -> String {
    let mut rows: Vec<(usize, usize)> = Vec::new();
    for number in numbers {
        match rows.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(*number) => *last = *number,
            _ => rows.push((*number, *number)),
        }
    }
    let text = |(first, last): (usize, usize)| match first == last {
        true => first.to_string(),
        false => format!("{first}-{last}"),
    };
    let texts: Vec<String> = rows.into_iter().map(text).collect();
    texts.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_one_line_that_names_it_all() {
        let mut warnings = vec![
            format!("gas_adjustment{NOT_SET}1.5"),
            "api_params.tx_check_freq: is zero or negative, using 3 s".to_owned(),
        ];
        for at in [0, 1, 2, 5] {
            warnings.push(format!("topics[{at}].nonce_fetch_freq{NOT_SET}5 s"));
            warnings.push(format!("topics[{at}].inference_fetch_retries{NOT_SET}5"));
        }
        assert_eq!(
            lines(&warnings),
            [
                "not set, using the defaults: gas_adjustment 1.5, topics[0-2,5].nonce_fetch_freq \
                 5 s, topics[0-2,5].inference_fetch_retries 5",
                "api_params.tx_check_freq: is zero or negative, using 3 s"
            ]
        );
        assert_eq!(lines(&[]), [""; 0]);
    }
}
