//! Asks a model: a bounded request to its first URL, and to the second one if the first one fails
//! or its answer can't be used. Reading an answer is up to the caller.

use std::time::{Duration, Instant, SystemTime};

use crate::http::header::Secrets;
use crate::http::url::Url;
use crate::http::{self, Http, Limits, Reply, TransportError};
use crate::model::endpoint::ModelConfig;
use crate::model::template::Question;
use crate::text::Foreign;

/// Bytes of a model's answer: a number needs a few dozen, labelled values a few thousand.
pub const BODY_BYTES_MAX: usize = 64 * 1024;
/// The beginning of an error without an answer.
pub const NO_ANSWER: &str = "asking the model at";
/// The reason for an unusable answer when no reason can be quoted without what may be a key.
const REPEATS: &str = "the model's answer repeats a part of the request, and can't be used";

/// A model's answer, not yet read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelAnswer {
    pub body: String,
    pub last_modified: Option<SystemTime>,
}

/// The result of asking a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked<T> {
    /// What was read from the answer, or the errors of all URLs on one line.
    pub result: Result<T, String>,
    /// Why the first URL failed, if the second one answered.
    pub passed_over: Option<String>,
    /// Whether no URL answered, and one of them ran out of time.
    pub timed_out: bool,
}

/// Asks the model's URLs one after the other until `read` accepts an answer. All of them share
/// `limit`, and none gets more than the model's own limit.
pub fn ask<T>(
    http: &Http,
    model: &ModelConfig,
    question: Question,
    limit: Duration,
    read: impl Fn(&ModelAnswer) -> Result<T, String>,
) -> Asked<T> {
    let start = Instant::now();
    let mut errors: Vec<String> = Vec::new();
    let mut timed_out = false;
    for (at, url) in model.urls.iter().enumerate() {
        let more = at + 1 < model.urls.len();
        let time = model_time(limit, start.elapsed(), more);
        let time = time.max(http::REQUEST_TIME_MIN).min(model.time_max);
        let url = url.fill(question);
        let secrets = model.secrets(&url);
        let shown = shown(&url, &secrets);
        let reply = fetch(http, model, (&url, &shown), question, time);
        timed_out |= reply.as_ref().is_err_and(TransportError::timed_out);
        let value = reply
            .map_err(|error| format!("{NO_ANSWER} {shown} failed: {error}"))
            .and_then(|reply| answer_in(&secrets, &url, &shown, reply))
            .and_then(|answer| read_hiding(model, &secrets, answer, &read));
        match value {
            Ok(value) => {
                return Asked {
                    result: Ok(value),
                    passed_over: errors.pop(),
                    timed_out: false,
                };
            }
            Err(error) => errors.push(error),
        }
    }
    Asked {
        result: Err(errors.join("; then: ")),
        passed_over: None,
        timed_out,
    }
}

/// Reads an answer. An error quotes a part of what was read, so the error is that of reading the
/// answer without what may be a key.
fn read_hiding<T>(
    model: &ModelConfig,
    secrets: &Secrets,
    answer: ModelAnswer,
    read: impl Fn(&ModelAnswer) -> Result<T, String>,
) -> Result<T, String> {
    read(&answer).map_err(|error| {
        let body = secrets.hide(&answer.body);
        if body == answer.body {
            return error;
        }
        // why: what the pointer names may be in the URL too, as in `?ids=bitcoin` and `/bitcoin/usd`
        let is_found = |body: &str| {
            let pointer = model.pointer.as_ref();
            pointer.is_none_or(|pointer| pointer.find(body).is_some())
        };
        if is_found(&answer.body) && !is_found(&body) {
            return REPEATS.to_owned();
        }
        let again = read(&ModelAnswer { body, ..answer });
        again.err().unwrap_or_else(|| REPEATS.to_owned())
    })
}

/// Fetches what is at `url` within `time`, on a connection of its own: a model that serves one
/// connection at a time would keep the other topics waiting while it is open. Redirects are not
/// followed.
fn fetch(
    http: &Http,
    model: &ModelConfig,
    (url, shown): (&Url, &str),
    question: Question,
    time: Duration,
) -> Result<Reply, TransportError> {
    let headers = model.headers.iter();
    let headers: Vec<(&str, &str)> = headers
        .map(|header| (header.name.as_str(), header.value.as_str()))
        .chain([("Connection", "close")])
        .collect();
    let limits = Limits {
        time,
        body_bytes_max: BODY_BYTES_MAX,
    };
    let start = Instant::now();
    let url = url.as_str();
    let (method, result) = match &model.body {
        None => ("GET", http.get(url, &headers, limits)),
        Some(body) => (
            "POST",
            http.post(url, &body.fill(question), &headers, limits),
        ),
    };
    let ms = start.elapsed().as_millis();
    match &result {
        Err(error) => log::debug!("{method} model {shown}: {error}, {ms} ms"),
        Ok(reply) => {
            let (status, bytes) = (reply.status, reply.body.len());
            log::debug!("{method} model {shown}: {status}, {bytes} bytes, {ms} ms");
        }
    }
    result
}

/// A URL's origin and path, for messages: without what may be a key in its path.
fn shown(url: &Url, secrets: &Secrets) -> String {
    let (origin, whole) = (
        http::origin(url.as_str()),
        http::origin_and_path(url.as_str()),
    );
    let path = whole.strip_prefix(origin.as_str()).unwrap_or_default();
    origin + &secrets.hide(path)
}

/// The answer in a reply, or what is wrong with it, on one line that names the model's URL without
/// user, password, query or what may be a key in its path.
fn answer_in(
    secrets: &Secrets,
    url: &Url,
    shown: &str,
    reply: Reply,
) -> Result<ModelAnswer, String> {
    let hidden = |body: &[u8]| {
        let hidden = secrets.hide(&String::from_utf8_lossy(body));
        Foreign::beginning(hidden.as_bytes())
    };
    let status = reply.status;
    if status != 200 {
        let text = hidden(&reply.body);
        let location = reply.location.filter(|_| (300..400).contains(&status));
        let advice = match location.and_then(|to| http::redirect_of(url.as_str(), &to)) {
            Some(to) => {
                let to = Foreign::from(secrets.hide(&to));
                format!("; it redirects to {to}: set this as its URL")
            }
            None => advice_about(status).map_or_else(String::new, |advice| format!("; {advice}")),
        };
        return Err(format!(
            "the model at {shown} answered with status {status} instead of 200{advice}, its body \
             begins: {text}"
        ));
    }
    let body = String::from_utf8(reply.body).map_err(|error| {
        let text = hidden(error.as_bytes());
        format!("the model at {shown} answered with bytes that are not text, they begin: {text}")
    })?;
    Ok(ModelAnswer {
        body,
        last_modified: reply.last_modified,
    })
}

/// What to look at after an answer with this status.
fn advice_about(status: u16) -> Option<&'static str> {
    match status {
        401 | 403 => Some("check its key in the headers of the request"),
        404 => Some("check the path of its URL"),
        405 => Some("with a body the request is a POST, without one a GET"),
        500..600 => Some("the model itself failed: its own log says why"),
        _ => None,
    }
}

/// The time for the next URL, out of `limit`, of which `spent` is over. The last third is reserved
/// for the second URL (`more`: this is not the last one).
fn model_time(limit: Duration, spent: Duration, more: bool) -> Duration {
    let until = if more { limit / 3 * 2 } else { limit };
    until.saturating_sub(spent)
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;
    use std::thread;

    use super::*;
    use crate::http::header::Header;
    use crate::model::pointer::Pointer;
    use crate::model::template::{BodyTemplate, UrlTemplate};
    use crate::test_server::{Act, Server, answer, refusing_url};
    use crate::text::FOREIGN_CHARS_MAX;
    use crate::values::units::{Nonce, TopicId};

    const LIMIT: Duration = Duration::from_secs(2);
    const QUESTION: Question = Question {
        topic: TopicId(3),
        nonce: Nonce(1_000),
    };

    fn model(urls: &[&str]) -> ModelConfig {
        let urls = urls.iter().map(|url| UrlTemplate::parse(url).unwrap());
        ModelConfig {
            urls: urls.collect(),
            ..ModelConfig::at(UrlTemplate::parse("http://unused").unwrap())
        }
    }

    fn asked(model: &ModelConfig) -> Asked<String> {
        ask(
            &Http::default(),
            model,
            QUESTION,
            LIMIT,
            |answer| match answer.body.as_str() {
                "rubbish" => Err("that is rubbish".to_owned()),
                body => Ok(body.to_owned()),
            },
        )
    }

    fn refused(url: &str) -> String {
        asked(&model(&[url])).result.unwrap_err()
    }

    #[test]
    fn a_body_is_returned_unchanged() {
        let server = Server::start(|_| answer(200, "", " 1.50\n"));
        let url = format!("{}/inference/ETH?when={{block_height}}", server.url);
        assert_eq!(asked(&model(&[&url])).result.unwrap(), " 1.50\n");
        assert_eq!(server.requests(), ["GET /inference/ETH?when=1000"]);
    }

    #[test]
    fn a_body_template_makes_it_a_post_with_its_headers() {
        let server = Server::start_with_headers(|_| answer(200, "", "1"));
        let body = serde_json::json!({"topic": "{topic_id}", "at": "{block_height}"});
        let key = Header {
            name: "X-Api-Key".to_owned(),
            value: "secret".to_owned().into(),
        };
        let model = ModelConfig {
            headers: vec![key],
            body: Some(BodyTemplate(body)),
            ..model(&[&server.url])
        };
        assert!(!format!("{model:?}").contains("secret"));
        asked(&model).result.unwrap();
        let sent = server.requests().remove(0);
        assert!(sent.starts_with("POST / "), "{sent}");
        assert!(sent.contains("x-api-key: secret"), "{sent}");
        assert!(sent.ends_with(r#"{"at":"1000","topic":"3"}"#), "{sent}");
    }

    #[test]
    fn another_status_quotes_the_beginning_of_the_body() {
        let page = format!("<html>\n<p>not here{}</p>", "!".repeat(200));
        let server = Server::start(move |_| answer(404, "", &page));
        let url = server.url.replace("http://", "http://user:secret@") + "/x?key=secret";
        let line = refused(&url);
        let quoted = format!("begins: <html>\\n<p>not here{}", "!".repeat(200));
        assert!(line.contains("404") && line.contains(&quoted), "{line}");
        assert!(!line.contains("secret"), "{line}");
    }

    #[test]
    fn a_key_in_the_url_is_hidden_where_the_answer_repeats_it() {
        let path = "/v1/p4thk3y89/x?key=querysecret&ids=bitcoin";
        for status in [200, 401, 404] {
            let page = format!(r#"{{"error": "not here: {path}", "bitcoin": "none"}}"#);
            let server = Server::start(move |_| answer(status, "", &page));
            let model = ModelConfig {
                pointer: Some(Pointer::parse("/error").unwrap()),
                ..model(&[&(server.url.clone() + path)])
            };
            let quote = |answer: &ModelAnswer| Err::<(), _>(answer.body.clone());
            let asked = ask(&Http::default(), &model, QUESTION, LIMIT, quote);
            let text = asked.result.unwrap_err();
            let repeats = "not here: /v1/\u{2026}/x?key=\u{2026}&ids=\u{2026}";
            assert!(text.contains(repeats), "{text}");
            assert!(!text.contains("p4th") && !text.contains("querys"), "{text}");
            let pointer = Pointer::parse("/bitcoin").unwrap();
            let model = ModelConfig {
                pointer: Some(pointer),
                ..model
            };
            let asked = ask(&Http::default(), &model, QUESTION, LIMIT, quote);
            let is_repeated = asked.result.unwrap_err() == REPEATS;
            assert_eq!(is_repeated, status == 200, "the value is there");
        }
    }

    #[test]
    fn a_repeated_header_value_is_hidden_in_errors() {
        const KEY: &str = "s3cr3t/k3y";
        let model = |url: &str| ModelConfig {
            headers: vec![Header {
                name: "Authorization".to_owned(),
                value: format!("Bearer {KEY}").into(),
            }],
            ..model(&[url])
        };
        let far = "x".repeat(FOREIGN_CHARS_MAX - 5);
        for body in [
            format!("no key {KEY}"),
            format!("sent: Bearer {KEY}"),
            r#"{"key": "s3cr3t\/k3y"}"#.to_owned(),
            // why: the excerpt ends within the key
            format!("{far}{KEY}"),
        ] {
            let page = body.clone();
            let server = Server::start(move |_| answer(401, "", &page));
            let text = asked(&model(&server.url)).result.unwrap_err();
            assert!(
                !text.contains("s3cr") && text.contains('\u{2026}'),
                "{text}"
            );
            let server = Server::start(move |_| answer(200, "", &body));
            let quote = |answer: &ModelAnswer| {
                let body = Foreign::from(answer.body.as_str());
                Err::<(), _>(body.to_string())
            };
            let model = model(&server.url);
            let asked = ask(&Http::default(), &model, QUESTION, LIMIT, quote);
            let text = asked.result.unwrap_err();
            assert!(
                !text.contains("s3cr") && text.contains('\u{2026}'),
                "{text}"
            );
        }
        let short = ModelConfig {
            headers: vec![Header {
                name: "X-Team".to_owned(),
                value: "a 1".to_owned().into(),
            }],
            ..self::model(&["http://unused"])
        };
        assert_eq!(short.hide("a 1"), "a 1", "too short to be a key");
    }

    /// A model with one thread that would keep each connection open for the next request.
    #[test]
    fn each_request_has_a_connection_of_its_own() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                while matches!(stream.read(&mut [0; 4_096]), Ok(1..)) {
                    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1";
                    stream.write_all(answer).unwrap();
                }
            }
        });
        let http = Http::default();
        let read = |answer: &ModelAnswer| Ok(answer.body.clone());
        let ask = || ask(&http, &model(&[&url]), QUESTION, LIMIT, read).result;
        thread::scope(|scope| {
            let threads = [(); 4].map(|()| scope.spawn(ask));
            for thread in threads {
                assert_eq!(thread.join().unwrap().unwrap(), "1");
            }
        });
    }

    #[test]
    fn a_redirect_is_not_followed() {
        let server = Server::start(|_| answer(302, "Location: /elsewhere/?k=secret\r\n", ""));
        let (text, url) = (refused(&server.url), &server.url);
        let cure = format!("status 302 instead of 200; it redirects to {url}/elsewhere/: set this");
        assert!(text.contains(&cure) && !text.contains("secret"), "{text}");
        assert_eq!(server.count("elsewhere"), 0);
    }

    #[test]
    fn another_status_comes_with_its_own_advice() {
        for (status, expected) in [
            (500, "the model itself failed: its own log says why"),
            (404, "check the path of its URL"),
            (405, "with a body the request is a POST"),
            (403, "check its key"),
        ] {
            let server = Server::start(move |_| answer(status, "", "x"));
            let text = refused(&server.url);
            assert!(text.contains(expected), "{text}");
        }
    }

    #[test]
    fn a_body_is_bounded_and_text() {
        let large = Server::start(|_| answer(200, "", &"1".repeat(BODY_BYTES_MAX + 1)));
        assert!(refused(&large.url).contains("larger"));
        let bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n\xff\xfe";
        let binary = Server::start(|_| Act::Send(bytes.to_vec()));
        assert!(refused(&binary.url).contains("bytes that are not text"));
    }

    #[test]
    fn the_second_url_is_asked_when_the_first_one_fails_or_its_answer_is_unusable() {
        let good = Server::start(|_| answer(200, "", "2"));
        let rubbish = Server::start(|_| answer(200, "", "rubbish"));
        let broken = Server::start(|_| answer(500, "", "x"));
        for first in [&refusing_url(), &rubbish.url, &broken.url] {
            let asked = asked(&model(&[first, &good.url]));
            assert_eq!(asked.result.unwrap(), "2");
            assert!(asked.passed_over.is_some());
        }
        let both = asked(&model(&[&rubbish.url, &broken.url])).result;
        let text = both.unwrap_err();
        assert!(
            text.starts_with("that is rubbish; then: the model at "),
            "{text}"
        );
        let first = asked(&model(&[&good.url, &broken.url]));
        assert_eq!(
            (first.result.unwrap().as_str(), first.passed_over),
            ("2", None)
        );
        assert_eq!(
            broken.requests().len(),
            2,
            "not asked when the first one answers"
        );
    }

    #[test]
    fn a_first_url_that_hangs_leaves_a_third_of_the_time_for_the_second() {
        let hanging = Server::start(|_| Act::Hang);
        let good = Server::start(|_| answer(200, "", "2"));
        let model = ModelConfig {
            time_max: Duration::from_millis(200),
            ..model(&[&hanging.url, &good.url])
        };
        let asked = asked(&model);
        assert_eq!(asked.result.unwrap(), "2");
        assert!(asked.passed_over.unwrap().contains("timed out"));
    }

    #[test]
    fn a_model_that_is_not_there_is_an_error_with_its_cause() {
        assert!(refused(&refusing_url()).contains("refused"));
    }

    #[test]
    fn the_last_third_of_the_time_is_reserved_for_the_second_url() {
        let s = Duration::from_secs;
        assert_eq!(
            model_time(s(9), s(0), false),
            s(9),
            "there is no second one"
        );
        assert_eq!(model_time(s(9), s(0), true), s(6));
        assert_eq!(model_time(s(9), s(6), false), s(3), "the first one hung");
        assert_eq!(
            model_time(s(9), s(1), false),
            s(8),
            "the first one failed at once"
        );
        assert_eq!(model_time(s(9), s(10), false), s(0));
    }
}
