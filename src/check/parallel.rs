//! Runs requests in parallel: a hundred topics with models that do not answer must not take
//! minutes.

use std::sync::Mutex;
use std::thread;

use crate::threads;

/// Applies `ask` to each item, to at most `threads` of them at a time; to fewer if a thread cannot
/// be started.
pub(super) fn each<T: Send>(items: &mut [T], threads: usize, ask: impl Fn(&mut T) + Sync) {
    let count = threads.min(items.len());
    let items = Mutex::new(items.iter_mut());
    let next = || threads::lock(&items).next();
    let work = || {
        while let Some(item) = next() {
            ask(item);
        }
    };
    thread::scope(|scope| {
        for _ in 1..count {
            if threads::spawn_scoped(scope, "check", work).is_err() {
                break;
            }
        }
        work();
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_item_is_asked_once() {
        for threads in [0, 1, 7, 200] {
            let mut items: Vec<u32> = (0..100).collect();
            each(&mut items, threads, |item| *item *= 2);
            assert_eq!(items, (0..100).map(|n| n * 2).collect::<Vec<_>>());
        }
        let mut none: [u32; 0] = [];
        each(&mut none, 4, |n| *n += 1);
        assert!(none.is_empty());
    }
}
