//! The rules for labelled values, for topics that ask for several numbers (protocol.md section 7).

use std::collections::BTreeSet;

use crate::chain::decimal::Decimal;
use crate::chain::error::TxError;
use crate::chain::message::Inference;

const AT_CANONICAL: &str =
    "allora-network/allora-chain@v0.17.0/x/emissions/types/label_canonicalize.go:55";
const AT_DUPLICATE: &str =
    "allora-network/allora-chain@v0.17.0/x/emissions/types/validations.go:242";
const AT_WHITELIST: &str =
    "allora-network/allora-chain@v0.17.0/x/emissions/types/validations.go:248";
const AT_SINGLE: &str = "allora-network/allora-chain@v0.17.0/x/emissions/types/labels.go:21";
const AT_ARITY: &str = "allora-network/allora-chain@v0.17.0/x/emissions/keeper/worker.go:1114";
const AT_REGISTRY: &str = "allora-network/allora-chain@v0.17.0/x/emissions/keeper/topic.go:948";
const AT_UNITY: &str = "allora-network/allora-chain@v0.17.0/x/emissions/keeper/worker.go:1192";

const LABEL_BYTES_MAX: usize = 64;
const IN_LABELS: &str = "input inference failed label validation";
const IN_NORMALISE: &str = "failed to normalize admitted inference";

#[derive(Clone, Debug)]
pub struct Labels {
    /// If not empty, only these labels are valid.
    pub whitelist: Vec<String>,
    /// Largest number of labels in a submission.
    pub count_max: usize,
    /// Whether `UP` and `up` are different labels.
    pub case_sensitive: bool,
    /// Whether the values must add up to 1.
    pub require_unity: bool,
    /// How far the sum may be from 1.
    pub unity_tolerance: Decimal,
    /// Values that equal it are dropped.
    pub default_value: Decimal,
}

impl Labels {
    /// The rules of the recorded topic 2: up, down and flat, in any case, which add up to 1.
    ///
    /// # Errors
    /// None for these constants; [`Decimal::parse`] could fail for others.
    pub fn up_down_flat() -> Result<Labels, String> {
        Ok(Labels {
            whitelist: ["up", "down", "flat"].map(str::to_owned).to_vec(),
            count_max: 8,
            case_sensitive: true,
            require_unity: true,
            unity_tolerance: Decimal::parse("0.01")?,
            default_value: Decimal::parse("0")?,
        })
    }

    /// Checks the labels of a submission (protocol.md section 4.1, step 11). Returns them as they
    /// are stored.
    ///
    /// # Errors
    /// `emissions` 95, 96 or 97.
    pub fn check(&self, inference: &Inference) -> Result<Vec<String>, TxError> {
        let mut seen = Vec::new();
        check_count(inference, self.count_max)?;
        for (index, (label, _)) in inference.values.iter().enumerate() {
            let label = canonical(label, index, self.case_sensitive)?;
            if seen.contains(&label) {
                let what = format!("duplicate label after canonicalization at index {index}");
                let text = format!("{IN_LABELS}: {what}: {label:?}: invalid label name");
                return Err(TxError::emissions(95, text).at(AT_DUPLICATE));
            }
            if !self.whitelist.is_empty() && !self.whitelist.contains(&label) {
                let what = format!("label {label:?} is not in topic label whitelist");
                let why = "label is not in the topic's label whitelist";
                let text = format!("{IN_LABELS}: {what}: {why}");
                return Err(TxError::emissions(96, text).at(AT_WHITELIST));
            }
            seen.push(label);
        }
        Ok(seen)
    }

    /// Checks an admitted submission (step 14) to a nonce with these `registered` labels. Returns the labels that its nonce registers: those
    /// with another value than the default one.
    ///
    /// # Errors
    /// `sdk` 18 if there are no values, only default values, or a sum other than 1; `emissions` 100
    /// if the nonce has no room for a new label.
    pub fn normalise(
        &self,
        inference: &Inference,
        registered: &BTreeSet<String>,
        labels_max: usize,
    ) -> Result<Vec<String>, TxError> {
        let refuse = |what: &str, place| {
            Err(TxError::sdk(18, format!("{IN_NORMALISE}: {what}: invalid request")).at(place))
        };
        if inference.values.is_empty() {
            return refuse("multi-arity inference requires labeled values", AT_ARITY);
        }
        let used = inference.values.iter();
        let used = used.filter(|(_, value)| !value.equals(&self.default_value));
        let used: Vec<String> = used.map(|(label, _)| label.clone()).collect();
        if used.is_empty() {
            let what = "multi-arity inference requires at least one non-default label value";
            return refuse(what, AT_ARITY);
        }
        let new = used.iter().filter(|label| !registered.contains(*label));
        if registered.len() + new.count() > labels_max {
            let (id, nonce) = (inference.topic_id, inference.block_height);
            let size = format!("registry size {labels_max} reached max {labels_max}");
            let why = "epoch label registry is saturated";
            let text = format!(
                "{IN_NORMALISE}: failed to register inference labels: topic {id} nonce {nonce} {size}: \
                 {why}"
            );
            return Err(TxError::emissions(100, text).at(AT_REGISTRY));
        }
        if !self.require_unity {
            return Ok(used);
        }
        let sum = Decimal::sum(inference.values.iter().map(|(_, value)| value));
        let one = Decimal::parse("1").map_err(TxError::undefined)?;
        if sum.distance(&one).is_greater_than(&self.unity_tolerance) {
            let (sum, tolerance) = (sum.plain(), self.unity_tolerance.plain());
            let what = format!("require_unity violated: sum={sum} tol={tolerance}");
            return refuse(&what, AT_UNITY);
        }
        Ok(used)
    }
}

/// Checks the labels of a submission to a topic that asks for one number.
///
/// # Errors
/// `emissions` 95 or 97, or `sdk` 18 for a label other than `y`.
pub fn check_single(inference: &Inference) -> Result<Vec<String>, TxError> {
    let mut seen = Vec::new();
    check_count(inference, 1)?;
    for (index, (label, _)) in inference.values.iter().enumerate() {
        let label = canonical(label, index, true)?;
        if label != "y" {
            let text = format!("single-arity label must be \"y\", got {label:?}: invalid request");
            return Err(TxError::sdk(18, text).at(AT_SINGLE));
        }
        seen.push(label);
    }
    Ok(seen)
}

fn check_count(inference: &Inference, count_max: usize) -> Result<(), TxError> {
    let count = inference.values.len();
    if count <= count_max {
        return Ok(());
    }
    let why = "too many labels in one submission (exceeds per-topic cap)";
    let has = format!("submission has {count} labels, per-topic cap is {count_max}");
    let text = format!("{IN_LABELS}: {has}: {why}");
    Err(TxError::emissions(97, text).at(AT_DUPLICATE))
}

/// Trims a label and converts it to lower case, unless case matters.
fn canonical(label: &str, index: usize, case_sensitive: bool) -> Result<String, TxError> {
    let refuse = |what: &str| {
        let text = format!("{IN_LABELS}: input labeled value at index {index}: {what}");
        Err(TxError::emissions(95, format!("{text}: invalid label name")).at(AT_CANONICAL))
    };
    let trimmed = label.trim();
    if trimmed.is_empty() {
        return refuse("label is empty after trimming");
    }
    if trimmed.len() > LABEL_BYTES_MAX {
        return refuse("label is too long");
    }
    if !trimmed
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"_./ -".contains(&b))
    {
        return refuse("label has a character that is not allowed");
    }
    Ok(if case_sensitive {
        trimmed.to_owned()
    } else {
        trimmed.to_ascii_lowercase()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inference(values: &[(&str, &str)]) -> Inference {
        Inference {
            topic_id: 2,
            block_height: 1,
            inferer: String::new(),
            value: Decimal::parse("0").unwrap(),
            extra_data: Vec::new(),
            proof: String::new(),
            values: values
                .iter()
                .map(|(label, value)| ((*label).to_owned(), Decimal::parse(value).unwrap()))
                .collect(),
        }
    }

    fn code(values: &[(&str, &str)]) -> Option<u32> {
        let labels = Labels::up_down_flat().unwrap();
        let inference = inference(values);
        labels
            .check(&inference)
            .and_then(|_| labels.normalise(&inference, &BTreeSet::new(), 2))
            .err()
            .map(|e| e.code)
    }

    #[test]
    fn each_rule_rejects_with_its_code() {
        assert_eq!(code(&[("up", "0.4"), (" down ", "0.6")]), None);
        assert_eq!(code(&[("up", "0.4"), ("down", "0.61")]), None);
        assert_eq!(code(&[("up", "0.4"), ("down", "0.6100001")]), Some(18));
        assert_eq!(code(&[("up", "0.5"), ("up", "0.5")]), Some(95));
        assert_eq!(code(&[("UP", "1")]), Some(96));
        assert_eq!(code(&[("  ", "1")]), Some(95));
        assert_eq!(code(&[("u\u{e9}", "1")]), Some(95));
        assert_eq!(code(&[("up", "1"); 9]), Some(97));
        let three = [("up", "0.4"), ("down", "0.6"), ("flat", "0.2")];
        assert_eq!(code(&three), Some(100));
        assert_eq!(code(&[("up", "0"), ("down", "0.00")]), Some(18));
        assert_eq!(code(&[]), Some(18));
    }

    #[test]
    fn a_single_number_accepts_only_the_label_y() {
        assert!(check_single(&inference(&[])).is_ok());
        assert!(check_single(&inference(&[("y", "1")])).is_ok());
        assert_eq!(
            check_single(&inference(&[("up", "1")])).unwrap_err().code,
            18
        );
        assert_eq!(
            check_single(&inference(&[("y", "1"), ("z", "1")]))
                .unwrap_err()
                .code,
            97
        );
    }
}
