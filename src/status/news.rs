//! What the webhook is to say: waiting states that begin or end, windows that are missed in a row, and
//! funds that run low. Threads report to it for a moment under one lock. The lines wait in a bounded
//! queue; when it is full, the oldest one is dropped and counted.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::status::history::Ended;
use crate::status::outcome::Outcome;
use crate::threads::lock;
use crate::values::units::TopicId;

/// The most lines that wait.
pub const LINES_MAX: usize = 50;

/// The lines that wait, oldest first, and how many were dropped before them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewsLines {
    pub kept: VecDeque<String>,
    pub dropped: u64,
}

/// What there is to say. Clones share it. Until [`News::listen`] is called, nothing is kept.
#[derive(Clone, Debug)]
pub struct News {
    heard: Arc<Mutex<Option<Heard>>>,
    wake: Sender<()>,
    woken: Receiver<()>,
}

/// What was heard and not taken yet.
#[derive(Debug)]
struct Heard {
    /// This many windows missed in a row are worth a line.
    after_misses: u64,
    /// The windows that each topic missed in a row.
    missed: BTreeMap<TopicId, u64>,
    lines: NewsLines,
}

impl Default for News {
    fn default() -> News {
        let (wake, woken) = bounded(1);
        let heard = Arc::default();
        News { heard, wake, woken }
    }
}

impl News {
    /// Keeps from now on what is worth a line, such as `after_misses` windows missed in a row.
    pub fn listen(&self, after_misses: u64) {
        *lock(&self.heard) = Some(Heard {
            after_misses,
            missed: BTreeMap::new(),
            lines: NewsLines::default(),
        });
    }

    /// Adds a line.
    pub fn say(&self, line: String) {
        if let Some(heard) = lock(&self.heard).as_mut() {
            heard.lines.push(line);
            // why: one signal is enough, however many lines there are
            let _ = self.wake.try_send(());
        }
    }

    /// As many nonces of the topic ended in this way; `ended` is the last of them.
    pub fn ended(&self, topic: TopicId, ended: &Ended, count: u64) {
        let mut heard = lock(&self.heard);
        let line = heard
            .as_mut()
            .and_then(|heard| heard.line_of(topic, ended, count));
        drop(heard);
        line.into_iter().for_each(|line| self.say(line));
    }

    /// Ready when there is a new line.
    pub fn woken(&self) -> &Receiver<()> {
        &self.woken
    }

    /// Takes all lines.
    pub fn take(&self) -> NewsLines {
        let mut heard = lock(&self.heard);
        heard
            .as_mut()
            .map(|heard| std::mem::take(&mut heard.lines))
            .unwrap_or_default()
    }

    /// Puts back lines that could not be sent, before those that came since.
    pub fn put_back(&self, lines: NewsLines) {
        if let Some(heard) = lock(&self.heard).as_mut() {
            let newer = std::mem::replace(&mut heard.lines, lines);
            heard.lines.dropped = heard.lines.dropped.saturating_add(newer.dropped);
            newer
                .kept
                .into_iter()
                .for_each(|line| heard.lines.push(line));
        }
    }
}

impl Heard {
    /// A line once the topic has missed enough windows in a row, and one when it is served again.
    fn line_of(&mut self, topic: TopicId, ended: &Ended, count: u64) -> Option<String> {
        let nonce = ended.nonce;
        match &ended.outcome {
            Outcome::Missed(why) => {
                let missed = self.missed.entry(topic).or_default();
                let before = std::mem::replace(missed, missed.saturating_add(count));
                let is_news = before < self.after_misses && *missed >= self.after_misses;
                is_news.then(|| {
                    format!("topic {topic}: {missed} windows missed in a row, nonce {nonce}: {why}")
                })
            }
            Outcome::Included(_) | Outcome::NotAdmitted(_) | Outcome::AlreadySubmitted => {
                let missed = self.missed.remove(&topic)?;
                (missed >= self.after_misses).then(|| {
                    format!("topic {topic}: served again with nonce {nonce}, after {missed} missed windows")
                })
            }
            // why: the model or the chain rejected the payload, so nothing kept the topic from its window
            Outcome::Refused(_) | Outcome::Skipped(_) | Outcome::Disputed(_) => None,
        }
    }
}

impl NewsLines {
    fn push(&mut self, line: String) {
        while self.kept.len() >= LINES_MAX {
            self.kept.pop_front();
            self.dropped = self.dropped.saturating_add(1);
        }
        self.kept.push_back(line);
    }

    pub fn is_empty(&self) -> bool {
        self.kept.is_empty() && self.dropped == 0
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::values::units::Nonce;

    const TOPIC: TopicId = TopicId(3);

    fn listening(after_misses: u64) -> News {
        let news = News::default();
        news.listen(after_misses);
        news
    }

    fn ended(news: &News, nonce: u64, outcome: Outcome, count: u64) {
        let (nonce, at) = (Nonce(nonce), SystemTime::UNIX_EPOCH);
        news.ended(
            TOPIC,
            &Ended {
                nonce,
                outcome,
                at,
                in_row: 0,
            },
            count,
        );
    }

    fn missed() -> Outcome {
        Outcome::Missed("why".to_owned().into())
    }

    fn taken(news: &News) -> Vec<String> {
        news.take().kept.into()
    }

    #[test]
    fn nothing_is_kept_before_somebody_listens() {
        let news = News::default();
        ended(&news, 10, missed(), 9);
        news.say("x".to_owned());
        assert!(news.take().is_empty());
        news.put_back(NewsLines::default());
        assert!(news.take().is_empty());
    }

    #[test]
    fn who_listens_is_woken_once() {
        let news = listening(3);
        assert!(news.woken().is_empty());
        news.say("one".to_owned());
        news.say("two".to_owned());
        assert_eq!(news.woken().len(), 1);
        assert_eq!(taken(&news), ["one", "two"]);
        assert!(news.take().is_empty());
    }

    #[test]
    fn misses_are_one_line_when_there_are_enough_in_a_row() {
        let news = listening(3);
        for nonce in [10, 20] {
            ended(&news, nonce, missed(), 1);
        }
        ended(&news, 25, Outcome::Skipped("guard".to_owned()), 1);
        assert_eq!(taken(&news), [""; 0]);
        for nonce in [30, 40] {
            ended(&news, nonce, missed(), 1);
        }
        let line = "topic 3: 3 windows missed in a row, nonce 30: why";
        assert_eq!(
            taken(&news),
            [line],
            "once, and what a guard skips is no miss"
        );
        ended(&news, 50, Outcome::AlreadySubmitted, 1);
        let line = "topic 3: served again with nonce 50, after 4 missed windows";
        assert_eq!(taken(&news), [line]);
        ended(&news, 60, Outcome::AlreadySubmitted, 1);
        ended(&news, 70, missed(), 2);
        ended(&news, 80, Outcome::AlreadySubmitted, 1);
        assert_eq!(taken(&news), [""; 0], "two in a row are not three");
        ended(&news, 90, missed(), 7);
        let line = "topic 3: 7 windows missed in a row, nonce 90: why";
        assert_eq!(taken(&news), [line]);
    }

    #[test]
    fn a_full_queue_drops_the_oldest_and_counts() {
        let news = listening(1);
        for number in 0..=LINES_MAX {
            news.say(number.to_string());
        }
        let lines = news.take();
        assert_eq!((lines.kept.len(), lines.dropped), (LINES_MAX, 1));
        assert_eq!(lines.kept[0], "1");
        news.say("new".to_owned());
        news.put_back(lines);
        let lines = news.take();
        assert_eq!((lines.kept.len(), lines.dropped), (LINES_MAX, 2));
        assert_eq!(lines.kept[0], "2", "what was put back is older");
        assert_eq!(lines.kept[LINES_MAX - 1], "new");
    }
}
