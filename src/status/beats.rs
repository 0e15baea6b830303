//! Detects threads that hang. Each thread announces when it will report next: before a request,
//! after the time that the request may take; before a wait, after that wait. A watcher compares
//! this with the clock, which distinguishes a thread that hangs from one that has nothing to do for
//! an hour.
//!
//! A beat is kept in a thread-local variable, because requests are made deep inside the client,
//! which does not know for whom. Threads without a beat, such as those of tests, report nothing.

use std::cell::RefCell;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::threads::lock;

/// How long a thread may be overdue before it counts as hanging.
pub const GRACE: Duration = Duration::from_secs(30);
/// What a request may take beyond its time limit: the system's resolver has no limit, and a request
/// on a stale connection is repeated.
const REQUEST_MARGIN: Duration = Duration::from_secs(30);

thread_local! {
    static BEAT: RefCell<Option<Beat>> = const { RefCell::new(None) };
}

/// When one thread will report next; `None` while it waits for another thread, without a limit of
/// its own.
#[derive(Clone, Debug, Default)]
pub struct Beat(Arc<Mutex<Option<Instant>>>);

/// The beats of all threads.
#[derive(Debug, Default)]
pub struct Beats(Mutex<Vec<(String, Beat)>>);

impl Beats {
    /// Adds a thread that is about to start. It is never overdue before its first report.
    pub fn enlist(&self, name: &str) -> Beat {
        let beat = Beat::default();
        lock(&self.0).push((name.to_owned(), beat.clone()));
        beat
    }

    /// The threads that should have reported more than [`GRACE`] ago.
    pub fn hanging(&self, now: Instant) -> Vec<String> {
        let threads = lock(&self.0);
        let hanging = threads
            .iter()
            .filter(|(_, beat)| is_overdue(beat.due(), now));
        hanging.map(|(name, _)| name.clone()).collect()
    }
}

impl Beat {
    /// Makes it the beat of the calling thread.
    pub fn adopt(self) {
        BEAT.with_borrow_mut(|beat| *beat = Some(self));
    }

    fn set(&self, due: Option<Instant>) {
        *lock(&self.0) = due;
    }

    fn due(&self) -> Option<Instant> {
        *lock(&self.0)
    }
}

/// Whether a thread that should have reported at `due` hangs.
fn is_overdue(due: Option<Instant>, now: Instant) -> bool {
    due.is_some_and(|due| now.saturating_duration_since(due) > GRACE)
}

/// The calling thread will report again within this time.
pub fn reports_within(time: Duration) {
    let due = Instant::now().checked_add(time);
    BEAT.with_borrow(|beat| beat.iter().for_each(|beat| beat.set(due)));
}

/// The calling thread is about to make a request with this time limit.
pub fn asks_within(limit: Duration) {
    reports_within(limit.saturating_add(REQUEST_MARGIN));
}

/// The calling thread waits for another one, which reports for itself.
pub fn rests() {
    BEAT.with_borrow(|beat| beat.iter().for_each(|beat| beat.set(None)));
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    #[test]
    fn a_thread_hangs_when_it_is_overdue_by_more_than_the_grace() {
        let due = Instant::now();
        assert!(!is_overdue(Some(due), due));
        assert!(!is_overdue(Some(due), due + GRACE));
        assert!(is_overdue(Some(due), due + GRACE + Duration::from_nanos(1)));
        assert!(
            !is_overdue(None, due + 1_000_000 * S),
            "it waits for another"
        );
    }

    #[test]
    fn one_of_many_that_hangs_is_named() {
        let beats = Beats::default();
        let now = Instant::now();
        let (one, two, three) = (
            beats.enlist("one"),
            beats.enlist("two"),
            beats.enlist("three"),
        );
        assert_eq!(beats.hanging(now + 9_999 * S), [""; 0], "none has reported");
        one.set(Some(now + 3_600 * S));
        two.set(Some(now + S));
        three.set(None);
        assert_eq!(beats.hanging(now + 30 * S), [""; 0]);
        assert_eq!(beats.hanging(now + 32 * S), ["two"]);
        two.set(Some(now + 40 * S));
        assert_eq!(beats.hanging(now + 32 * S), [""; 0], "it has reported");
    }

    #[test]
    fn a_report_counts_for_the_calling_thread_only() {
        let beats = Beats::default();
        let (mine, other) = (beats.enlist("mine"), beats.enlist("other"));
        reports_within(S); // without a beat nothing happens
        other.set(Some(Instant::now()));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                mine.clone().adopt();
                asks_within(8 * S);
            });
        });
        let due = mine.due().unwrap();
        assert!(due > Instant::now() + 8 * S + REQUEST_MARGIN - S, "{due:?}");
        assert_eq!(beats.hanging(Instant::now() + 32 * S), ["other"]);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                mine.clone().adopt();
                rests();
            });
        });
        assert_eq!(mine.due(), None);
    }
}
