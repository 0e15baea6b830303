//! Why a window was missed. Of a window that no look has shown, what is known is when nothing was
//! seen, and why.

use std::fmt;
use std::mem;
use std::time::{Duration, SystemTime};

use time::OffsetDateTime;
use time::macros::format_description;

/// Why the window of a nonce ended without a payload in a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Miss {
    /// The window was seen; this kept the worker from serving it.
    Trouble(String),
    /// Nothing was seen of it, or of its end.
    Unseen(Unseen),
}

/// What may have kept a nonce from being served. Several of these are often true at once:
/// [`Causes::miss`] has the order in which they count.
#[derive(Clone, Debug, Default)]
pub struct Causes {
    /// The waiting state of the topic.
    pub topic: Option<String>,
    /// Since the last look that gave a status, nothing was seen.
    pub unseen: Option<Unseen>,
    /// How long the window has been known to be open.
    pub open_for: Duration,
    /// The payload was ready, and no node takes a transaction: its last answer.
    pub untaken: Option<String>,
    /// What failed last for the nonce.
    pub trouble: Option<String>,
}

impl Causes {
    /// The first one that there is of:
    ///
    /// 1. the topic waits for an operator: nothing could have been sent for any window;
    /// 2. nothing was seen for at least half of the time that the window was open;
    /// 3. the payload was ready, and no node took it;
    /// 4. the last failure;
    /// 5. nothing was seen for a shorter time;
    /// 6. none of these: there was too little time.
    pub fn miss(self) -> Miss {
        let is_most = |unseen: &Unseen| unseen.time() * 2 >= self.open_for;
        let (mostly, briefly) = match self.unseen {
            Some(unseen) if is_most(&unseen) => (Some(unseen), None),
            unseen => (None, unseen),
        };
        let order = [
            self.topic.map(Miss::Trouble),
            mostly.map(Miss::Unseen),
            self.untaken.map(Miss::Trouble),
            self.trouble.map(Miss::Trouble),
            briefly.map(Miss::Unseen),
        ];
        let none = || {
            "the window ended before a payload was ready"
                .to_owned()
                .into()
        };
        order.into_iter().flatten().next().unwrap_or_else(none)
    }
}

/// A time in which a topic was not looked at, or no look gave an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unseen {
    pub from: SystemTime,
    pub to: SystemTime,
    pub cause: Cause,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Every look failed, the last one with this error.
    NoAnswer(String),
    /// The machine was suspended.
    Suspended,
    /// The process got no time: it was stopped, or the machine had too much to do.
    NotRunning,
    /// No look failed, and none was answered: none was due so early, or an endpoint was slow.
    NoLook,
    /// The endpoint of this name gave no status, others did, and they disagree about the windows.
    Silent(String),
}

impl Miss {
    /// The names of all reasons. They are labels of metrics and keys of the JSON status.
    pub const REASONS: [&'static str; 5] =
        ["seen", "no_answer", "suspended", "not_running", "no_look"];

    /// Its reason among [`Miss::REASONS`].
    pub fn reason(&self) -> &'static str {
        match self {
            Miss::Trouble(_) => "seen",
            Miss::Unseen(unseen) => match unseen.cause {
                Cause::NoAnswer(_) | Cause::Silent(_) => "no_answer",
                Cause::Suspended => "suspended",
                Cause::NotRunning => "not_running",
                Cause::NoLook => "no_look",
            },
        }
    }
}

impl Miss {
    /// Whether it has the same cause as the other one. Numbers in a text do not count: they are times,
    /// heights and lengths of one moment.
    fn is_like(&self, other: &Miss) -> bool {
        let words = |text: &str| text.replace(|char: char| char.is_ascii_digit(), "");
        match (self, other) {
            (Miss::Trouble(one), Miss::Trouble(other)) => words(one) == words(other),
            (Miss::Unseen(one), Miss::Unseen(other)) => {
                mem::discriminant(&one.cause) == mem::discriminant(&other.cause)
            }
            (Miss::Trouble(_), Miss::Unseen(_)) | (Miss::Unseen(_), Miss::Trouble(_)) => false,
        }
    }
}

/// Counts the nonces that were missed in a row for one cause.
#[derive(Clone, Debug, Default)]
pub struct MissesInRow(Option<(Miss, u64)>);

impl MissesInRow {
    /// `count` more nonces have ended: missed, or not. Returns how many have been missed in a row for
    /// this cause.
    pub fn ended(&mut self, miss: Option<&Miss>, count: u64) -> u64 {
        let before = self.0.take();
        let Some(miss) = miss else {
            return 0;
        };
        let before = before.filter(|(before, _)| before.is_like(miss));
        let before = before.map_or(0, |(_, before)| before);
        let count = before.saturating_add(count);
        self.0 = Some((miss.clone(), count));
        count
    }
}

impl From<String> for Miss {
    fn from(trouble: String) -> Miss {
        Miss::Trouble(trouble)
    }
}

impl fmt::Display for Miss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Miss::Trouble(why) => f.write_str(why),
            Miss::Unseen(unseen) => unseen.fmt(f),
        }
    }
}

impl Unseen {
    pub fn time(&self) -> Duration {
        self.to.duration_since(self.from).unwrap_or_default()
    }
}

impl fmt::Display for Unseen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let span = format!(
            "from {} to {}",
            time_of_day(self.from),
            time_of_day(self.to)
        );
        match &self.cause {
            Cause::NoAnswer(error) => write!(f, "no endpoint answered {span} ({error})"),
            Cause::Suspended => write!(f, "the machine was suspended {span}"),
            Cause::NotRunning => write!(
                f,
                "the process did not run {span}: it was stopped, or the machine was overloaded"
            ),
            Cause::NoLook => write!(f, "no look was answered {span}, and none failed"),
            Cause::Silent(endpoint) => write!(f, "{endpoint} named no windows {span}"),
        }
    }
}

/// `12:01:05`, in UTC as all times of the log.
fn time_of_day(at: SystemTime) -> String {
    let form = format_description!("[hour]:[minute]:[second]");
    OffsetDateTime::from(at).format(form).unwrap_or_default()
}

/// What happened since the last look that gave a status, as far as it kept the topic from being
/// looked at.
#[derive(Clone, Debug, Default)]
pub struct BlindTime {
    /// When that look gave its status.
    seen_at: Option<SystemTime>,
    /// The longest time of each cause; failed looks in a row are one.
    failing: Option<Unseen>,
    away: Option<Unseen>,
}

impl BlindTime {
    /// A look gave a status: what was before is over.
    pub fn saw(&mut self, now: SystemTime) {
        *self = BlindTime {
            seen_at: Some(now),
            ..BlindTime::default()
        };
    }

    /// A look failed; it began at `from`.
    pub fn failed(&mut self, from: SystemTime, now: SystemTime, error: String) {
        let first = self.failing.as_ref().map(|failing| failing.from);
        self.failing = Some(Unseen {
            from: first.unwrap_or(from),
            to: now,
            cause: Cause::NoAnswer(error),
        });
    }

    /// The machine was suspended for this time until `now`.
    pub fn suspended(&mut self, time: Duration, now: SystemTime) {
        let from = now.checked_sub(time).unwrap_or(now);
        self.was_away(from, now, Cause::Suspended);
    }

    /// The thread got no time from one moment to the other.
    pub fn did_not_run(&mut self, from: SystemTime, to: SystemTime) {
        self.was_away(from, to, Cause::NotRunning);
    }

    fn was_away(&mut self, from: SystemTime, to: SystemTime, cause: Cause) {
        let away = Unseen { from, to, cause };
        let longer = |before: &Unseen| before.time() >= away.time();
        if !self.away.as_ref().is_some_and(longer) {
            self.away = Some(away);
        }
    }

    /// The cause that lasted longest; failed looks last until `now`. `None` if no look failed and
    /// the topic's thread always ran.
    pub fn cause(&self, now: SystemTime) -> Option<Unseen> {
        let failing = self.failing.clone().map(|failing| Unseen {
            to: now.max(failing.from),
            ..failing
        });
        // why: a look that fails after a time away does so because of it
        let away = self.away.iter().cloned();
        failing.into_iter().chain(away).max_by_key(Unseen::time)
    }

    /// Why a window was not seen that passed between the last status and the one at `now`.
    pub fn unseen(&self, now: SystemTime) -> Unseen {
        self.cause(now).unwrap_or_else(|| Unseen {
            from: self.seen_at.unwrap_or(now),
            to: now,
            cause: Cause::NoLook,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        // 12:01:05
        SystemTime::UNIX_EPOCH + Duration::from_secs(43_265 + seconds)
    }

    #[test]
    fn each_cause_has_its_line_and_reason() {
        let cases = [
            (
                Cause::NoAnswer("connect: timed out".to_owned()),
                "no endpoint answered from 12:01:05 to 12:01:50 (connect: timed out)",
            ),
            (
                Cause::Suspended,
                "the machine was suspended from 12:01:05 to 12:01:50",
            ),
            (
                Cause::NotRunning,
                "the process did not run from 12:01:05 to 12:01:50: it was stopped, or the machine \
                 was overloaded",
            ),
            (
                Cause::NoLook,
                "no look was answered from 12:01:05 to 12:01:50, and none failed",
            ),
            (
                Cause::Silent("http://a".to_owned()),
                "http://a named no windows from 12:01:05 to 12:01:50",
            ),
        ];
        let mut reasons = vec![Miss::from("no funds".to_owned()).reason()];
        for (cause, text) in cases {
            let unseen = Unseen {
                from: at(0),
                to: at(45),
                cause,
            };
            let miss = Miss::Unseen(unseen);
            assert_eq!(miss.to_string(), text);
            reasons.push(miss.reason());
        }
        assert_eq!(reasons.pop(), Some("no_answer"), "in a dispute");
        assert_eq!(reasons, Miss::REASONS);
    }

    /// Each row has the cause that counts, and all that count less.
    #[test]
    fn of_several_causes_the_first_one_in_the_order_counts() {
        let unseen = |seconds| {
            Some(Unseen {
                from: at(0),
                to: at(seconds),
                cause: Cause::NoAnswer("timed out".to_owned()),
            })
        };
        let text = |text: &str| Some(text.to_owned());
        let all = Causes {
            topic: text("inactive topic"),
            unseen: unseen(20),
            open_for: Duration::from_secs(40),
            untaken: text("a takes no transaction"),
            trouble: text("NaN"),
        };
        let mut causes = all.clone();
        let mut counts = |change: fn(&mut Causes)| {
            change(&mut causes);
            causes.clone().miss().to_string()
        };
        let table = [
            counts(|_| {}),
            counts(|causes| causes.topic = None),
            counts(|causes| causes.open_for += Duration::from_secs(1)),
            counts(|causes| causes.untaken = None),
            counts(|causes| causes.trouble = None),
            counts(|causes| causes.unseen = None),
        ];
        let unseen = "no endpoint answered from 12:01:05 to 12:01:25 (timed out)";
        assert_eq!(
            table.each_ref().map(String::as_str),
            [
                "inactive topic",
                unseen,
                "a takes no transaction",
                "NaN",
                unseen,
                "the window ended before a payload was ready",
            ]
        );
    }

    #[test]
    fn misses_of_one_cause_are_counted_until_another_one_or_a_success() {
        let mut row = MissesInRow::default();
        let status = |code| Miss::from(format!("status {code} after 12 ms"));
        let unseen = |seconds, cause| {
            Miss::Unseen(Unseen {
                from: at(0),
                to: at(seconds),
                cause,
            })
        };
        assert_eq!(row.ended(Some(&status(503)), 1), 1);
        assert_eq!(row.ended(Some(&status(502)), 1), 2, "only a number differs");
        assert_eq!(row.ended(Some(&"NaN".to_owned().into()), 1), 1);
        assert_eq!(row.ended(Some(&unseen(5, Cause::NoLook)), 1), 1);
        assert_eq!(row.ended(Some(&unseen(9, Cause::NoLook)), 20), 21);
        assert_eq!(row.ended(Some(&unseen(9, Cause::Suspended)), 1), 1);
        assert_eq!(row.ended(None, 1), 0);
        assert_eq!(
            row.ended(Some(&unseen(9, Cause::Suspended)), 1),
            1,
            "a success ends it"
        );
    }

    #[test]
    fn failed_looks_are_one_time_from_the_first_one_to_the_next_answer() {
        let mut blind = BlindTime::default();
        blind.saw(at(0));
        blind.failed(at(3), at(4), "502".to_owned());
        blind.failed(at(9), at(10), "timed out".to_owned());
        let unseen = blind.unseen(at(12));
        assert_eq!((unseen.from, unseen.to), (at(3), at(12)));
        assert_eq!(unseen.cause, Cause::NoAnswer("timed out".to_owned()));
        blind.saw(at(12));
        assert_eq!(blind.cause(at(13)), None, "an answer ends it");
        assert_eq!(blind.unseen(at(15)).cause, Cause::NoLook);
        assert_eq!(blind.unseen(at(15)).from, at(12));
    }

    #[test]
    fn what_lasted_longest_is_the_cause() {
        let mut blind = BlindTime::default();
        blind.saw(at(0));
        blind.did_not_run(at(1), at(21));
        blind.did_not_run(at(22), at(25));
        blind.failed(at(25), at(26), "timed out".to_owned());
        let unseen = blind.unseen(at(27));
        assert_eq!(unseen.cause, Cause::NotRunning);
        assert_eq!((unseen.from, unseen.to), (at(1), at(21)));
        blind.suspended(Duration::from_secs(60), at(100));
        // the looks fail for 75 s by then
        assert_eq!(blind.unseen(at(80)).cause, Cause::Suspended);
        assert_eq!(
            blind.unseen(at(100)).cause,
            Cause::NoAnswer("timed out".to_owned())
        );
    }

    #[test]
    fn a_clock_that_was_set_back_gives_no_negative_time() {
        let mut blind = BlindTime::default();
        blind.saw(at(50));
        blind.failed(at(60), at(61), String::new());
        let unseen = blind.unseen(at(5));
        assert_eq!(unseen.time(), Duration::ZERO);
    }
}
