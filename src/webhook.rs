//! Tells people what only they can fix, by a POST of `{"text": "..."}` to `webhook_url`, which Slack,
//! Discord (with `/slack`), Mattermost and ntfy understand. A thread of its own takes the lines that
//! wait in `status::news`: nothing waits for it, and it ends with the process. What is said and when is
//! decided by `text`, `rate` and `low`.

mod low;
mod rate;
mod text;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::select;
use log::{debug, info, warn};
use serde_json::json;

use crate::chain::Chain;
use crate::http::header::Header;
use crate::http::url::Url;
use crate::http::{self, Http, Limits};
use crate::shutdown::Stop;
use crate::webhook::low::Low;
use crate::webhook::rate::Rate;

/// The time limit of a POST.
const POST_TIME_MAX: Duration = Duration::from_secs(5);
/// Bytes of an answer that are read; it is not used.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// What happens at the same moment is said in one POST.
const JOIN_TIME: Duration = Duration::from_secs(1);
/// How often the funds are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// The webhook's settings.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookConfig {
    /// `webhook_url`. The whole of it may be a key.
    pub url: Url,
    /// `webhook_headers`.
    pub headers: Vec<Header>,
    /// `webhook_after_misses`: a message is sent after this many missed windows in a row of a topic.
    pub after_misses: u32,
}

impl WebhookConfig {
    /// The webhook's scheme, host and port: a path such as Slack's is a key.
    pub fn name(&self) -> String {
        http::origin(self.url.as_str())
    }
}

impl fmt::Debug for WebhookConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WebhookConfig({})", self.name())
    }
}

/// The thread that sends.
#[derive(Debug)]
pub struct Webhook {
    config: WebhookConfig,
    http: Http,
    chain: Arc<Chain>,
    rate: Rate,
    low: Low,
}

impl Webhook {
    /// Says what is reported from now on.
    pub fn new(config: WebhookConfig, http: Http, chain: Arc<Chain>) -> Webhook {
        chain.news.listen(u64::from(config.after_misses));
        Webhook {
            config,
            http,
            chain,
            rate: Rate::default(),
            low: Low::default(),
        }
    }

    /// Sends until the stop signal. What waits then is not sent: a stop waits for nothing.
    pub fn run(mut self, stop: &Stop) {
        let mut due = None;
        while !stop.is_given() {
            let now = Instant::now();
            let money = self.chain.board.money(now);
            for line in self.low.lines(&money, &self.chain.sender) {
                self.chain.news.say(line);
            }
            let time = due.map_or(LOOK_EVERY, |due: Instant| {
                due.saturating_duration_since(now)
            });
            if due.is_some() && time.is_zero() {
                due = self.send();
                continue;
            }
            select! {
                recv(self.chain.news.woken()) -> _ => {
                    let now = Instant::now();
                    due = due.or(Some(self.rate.next(now).max(now + JOIN_TIME)));
                }
                recv(stop.receiver()) -> _ => return,
                default(time.min(LOOK_EVERY)) => {}
            }
        }
    }

    /// Sends the lines that wait. If that fails, they wait on; gives when to try it again.
    fn send(&mut self) -> Option<Instant> {
        let lines = self.chain.news.take();
        if lines.is_empty() {
            return None;
        }
        let error = self.post(&text::joined(&self.chain.address, &lines)).err();
        let now = Instant::now();
        let (name, was_failing) = (self.config.name(), self.rate.is_failing());
        let Some(Failed { error, retry_after }) = error else {
            self.rate.sent(now);
            if was_failing {
                info!("webhook {name}: answers again");
            }
            return None;
        };
        self.rate.failed(now, retry_after);
        if was_failing {
            debug!("webhook {name}: {error}");
        } else {
            warn!("webhook {name}: {error}; the messages are sent once it answers again");
        }
        self.chain.news.put_back(lines);
        Some(self.rate.next(now))
    }

    fn post(&self, text: &str) -> Result<(), Failed> {
        let headers = self.config.headers.iter();
        let headers: Vec<(&str, &str)> = headers
            .map(|header| (header.name.as_str(), header.value.as_str()))
            .chain([("Connection", "close")])
            .collect();
        let limits = Limits {
            time: POST_TIME_MAX,
            body_bytes_max: ANSWER_BYTES_MAX,
        };
        let body = json!({"text": text}).to_string();
        let reply = self
            .http
            .post(self.config.url.as_str(), &body, &headers, limits);
        let reply = reply.map_err(|error| Failed {
            error: error.to_string(),
            retry_after: None,
        })?;
        match reply.status {
            200..300 => Ok(()),
            // why: its body may repeat what is secret in the request
            status => Err(Failed {
                error: format!("it answered with status {status}{}", advice_about(status)),
                retry_after: reply.retry_after,
            }),
        }
    }
}

/// Why a POST failed, and the pause that the server asks for.
struct Failed {
    error: String,
    retry_after: Option<Duration>,
}

fn advice_about(status: u16) -> &'static str {
    match status {
        300..400 => ", a redirect, which is not followed: set its address as webhook_url",
        400 => "; webhook_url must take JSON with a text (Discord: add /slack to it)",
        401 | 403 => "; check webhook_headers, or make a new webhook",
        404 | 405 | 410 => "; check webhook_url, or make a new webhook",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_part_of_the_url_but_its_origin_is_printed() {
        let config = WebhookConfig {
            url: Url::parse("https://user:pass@hooks.example/services/T0/B0/key?token=secret")
                .unwrap(),
            headers: Vec::new(),
            after_misses: 3,
        };
        assert_eq!(
            format!("{config:?}"),
            "WebhookConfig(https://hooks.example)"
        );
    }
}
