//! Wakes threads at a height. Each thread that sleeps names the height that concerns it; any
//! thread's answer that brings this height ends the sleep. Without it, a topic would sleep through
//! windows of a few blocks that the process already knows to be open.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use crossbeam_channel::{Sender, bounded, select};

use crate::shutdown::Stop;
use crate::threads::lock;
use crate::values::units::Height;

/// The threads that wait for a height; shared by all threads.
#[derive(Debug, Default)]
pub struct HeightAlarm(Mutex<Sleepers>);

#[derive(Debug, Default)]
struct Sleepers {
    /// The highest height known.
    height: Height,
    /// By the height that each waits for; the number tells those of one height apart.
    waiting: BTreeMap<(Height, u64), Sender<()>>,
    /// The number of the last one.
    last: u64,
}

impl HeightAlarm {
    /// The highest height known is this one, which may be lower than before: wakes those that wait
    /// for it or for a lower one.
    pub fn is_at(&self, height: Height) {
        let mut sleepers = lock(&self.0);
        sleepers.height = height;
        let later = sleepers.waiting.split_off(&(height.plus(1), 0));
        // why: dropping a sender ends the sleep
        sleepers.waiting = later;
    }

    /// Sleeps for `time`, until the chain has reached `height`, or until the stop signal.
    pub fn sleep(&self, time: Duration, height: Height, stop: &Stop) {
        let (sender, reached) = bounded(0);
        let key = {
            let mut sleepers = lock(&self.0);
            if sleepers.height >= height {
                return;
            }
            sleepers.last = sleepers.last.wrapping_add(1);
            let key = (height, sleepers.last);
            sleepers.waiting.insert(key, sender);
            key
        };
        select! {
            recv(reached) -> _ => {}
            recv(stop.receiver()) -> _ => {}
            default(time) => {}
        }
        lock(&self.0).waiting.remove(&key);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Instant;

    use super::*;
    use crate::shutdown;

    const LONG: Duration = Duration::from_secs(60);

    fn sleepers(alarm: &HeightAlarm) -> usize {
        lock(&alarm.0).waiting.len()
    }

    #[test]
    fn a_height_wakes_those_that_wait_for_it_or_a_lower_one() {
        let alarm = Arc::new(HeightAlarm::default());
        let (stopper, stop) = shutdown::channel();
        let sleeps = |height: u64| {
            let (alarm, stop) = (Arc::clone(&alarm), stop.clone());
            std::thread::spawn(move || alarm.sleep(LONG, Height(height), &stop))
        };
        let (first, second, third) = (sleeps(10), sleeps(12), sleeps(13));
        while sleepers(&alarm) < 3 {
            std::thread::yield_now();
        }
        alarm.is_at(Height(9));
        assert_eq!(sleepers(&alarm), 3);
        alarm.is_at(Height(12));
        first.join().unwrap();
        second.join().unwrap();
        assert!(!third.is_finished());
        drop(stopper);
        third.join().unwrap();
        assert_eq!(sleepers(&alarm), 0);
    }

    #[test]
    fn a_height_that_is_there_already_ends_the_sleep_at_once() {
        let alarm = HeightAlarm::default();
        let (_stopper, stop) = shutdown::channel();
        alarm.is_at(Height(20));
        let start = Instant::now();
        alarm.sleep(LONG, Height(20), &stop);
        assert!(start.elapsed() < LONG / 2);
        alarm.is_at(Height(5));
        let short = Duration::from_millis(5);
        alarm.sleep(short, Height(20), &stop);
        assert!(start.elapsed() >= short, "the highest height has fallen");
        assert_eq!(sleepers(&alarm), 0);
    }
}
