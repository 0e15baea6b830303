//! The known name that somebody who mistyped one may have meant.

/// As many characters of what was typed are compared.
const TYPED_CHARS_MAX: usize = 64;

/// The known name that differs least from what was typed: by one letter in three at most, and at
/// least one. Case does not matter. `None` if none is as close.
pub fn nearest<'k>(typed: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let start: String = typed.chars().take(TYPED_CHARS_MAX).collect();
    let start = start.to_lowercase();
    let distance = |name: &str| strsim::damerau_levenshtein(&start, &name.to_lowercase());
    let known = known.into_iter().map(|name| (distance(name), name));
    let (letters, name) = known.min_by_key(|(letters, _)| *letters)?;
    (letters <= (name.chars().count() / 3).max(1)).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_close_name_is_suggested() {
        let known = ["run", "check", "keygen", "address", "--config"];
        for (typed, expected) in [
            ("rum", Some("run")),
            ("RUN", Some("run")),
            ("chekc", Some("check")),
            ("adress", Some("address")),
            ("--confg", Some("--config")),
            ("start", None),
            ("", None),
            ("ru n!", None),
        ] {
            assert_eq!(nearest(typed, known), expected, "{typed}");
        }
        assert_eq!(nearest("run", []), None);
    }
}
