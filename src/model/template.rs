//! URLs and request bodies with placeholders for the topic and the nonce. A URL template is checked
//! when the file is read, so that it can't turn out to be invalid while a window is open.

use std::fmt;

use serde_json::Value;

use crate::http::url::{Url, UrlError};
use crate::values::units::{Nonce, TopicId};

/// The placeholders.
pub const PLACES: [&str; 2] = ["{topic_id}", "{block_height}"];

/// What a model is asked for; fills the placeholders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question {
    pub topic: TopicId,
    /// The nonce is the height of the block that opened the window: `{block_height}`.
    pub nonce: Nonce,
}

impl Question {
    fn fill(self, text: &str) -> String {
        let [topic, height] = PLACES;
        text.replace(topic, &self.topic.to_string())
            .replace(height, &self.nonce.to_string())
    }
}

/// A model's URL with placeholders. `Display` and `Debug` leave out what [`Url`] leaves out.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UrlTemplate(Url);

impl UrlTemplate {
    /// Checks that the text is a URL for any numbers that are filled in.
    ///
    /// # Errors
    /// Like [`Url::parse`].
    pub fn parse(text: &str) -> Result<UrlTemplate, UrlError> {
        for number in [1, u64::MAX] {
            let question = Question {
                topic: TopicId(number),
                nonce: Nonce(number),
            };
            Url::parse(&question.fill(text))?;
        }
        Ok(UrlTemplate(Url::unchecked(text)))
    }

    pub fn fill(&self, question: Question) -> Url {
        Url::unchecked(&question.fill(self.as_str()))
    }

    /// The text, which may hold a password.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl fmt::Display for UrlTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A request's JSON body with placeholders in its texts. It may hold a key, so it is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct BodyTemplate(pub Value);

impl BodyTemplate {
    pub fn fill(&self, question: Question) -> String {
        let mut value = self.0.clone();
        fill_texts(&mut value, question);
        value.to_string()
    }
}

impl fmt::Debug for BodyTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BodyTemplate(\u{2026})")
    }
}

fn fill_texts(value: &mut Value, question: Question) {
    match value {
        Value::String(text) => *text = question.fill(text),
        Value::Array(items) => items.iter_mut().for_each(|item| fill_texts(item, question)),
        Value::Object(members) => members
            .values_mut()
            .for_each(|member| fill_texts(member, question)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUESTION: Question = Question {
        topic: TopicId(69),
        nonce: Nonce(1_349_577),
    };

    #[test]
    fn placeholders_are_filled_in_anywhere() {
        let url = UrlTemplate::parse("http://h/{topic_id}?at={block_height}&t={topic_id}").unwrap();
        assert_eq!(url.fill(QUESTION).as_str(), "http://h/69?at=1349577&t=69");
        assert_eq!(url.to_string(), "http://h/{topic_id}?\u{2026}");
        assert!(!format!("{url:?}").contains("at="));
        let plain = UrlTemplate::parse("http://h/x").unwrap();
        assert_eq!(plain.fill(QUESTION).as_str(), "http://h/x");
    }

    #[test]
    fn a_template_that_can_become_an_invalid_url_is_refused() {
        for wrong in [
            "http://h/{topic}",
            "http://h:8{topic_id}/",
            "{topic_id}://h",
            "http://h/{",
        ] {
            assert!(UrlTemplate::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn placeholders_in_a_body_are_filled_in_at_any_depth() {
        let body = r#"{"n": 1.50, "a": [{"b": "t{topic_id}"}, "{block_height}"], "{topic_id}": 1}"#;
        let body = BodyTemplate(serde_json::from_str(body).unwrap());
        let sent: Value = serde_json::from_str(&body.fill(QUESTION)).unwrap();
        assert_eq!(sent["a"][0]["b"], "t69");
        assert_eq!(sent["a"][1], "1349577");
        assert_eq!(
            sent["{topic_id}"].to_string(),
            "1",
            "names stay as they are"
        );
        assert_eq!(sent["n"].to_string(), "1.50");
        assert!(!format!("{body:?}").contains("69"));
    }
}
