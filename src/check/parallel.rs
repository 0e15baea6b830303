//! Runs requests in parallel: a hundred topics with models that do not answer must not take minutes.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::threads;

/// Applies `ask` to each item, `threads` of them at a time at most, and gives the results in the
/// items' order. Threads that cannot be started are done without.
pub(super) fn each<T: Sync, R: Send>(
    items: &[T],
    threads: usize,
    ask: impl Fn(&T) -> R + Sync,
) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::with_capacity(items.len()));
    let work = || {
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(at) else { break };
            let result = ask(item);
            let mut results = results.lock().unwrap_or_else(PoisonError::into_inner);
            results.push((at, result));
        }
    };
    thread::scope(|scope| {
        for _ in 1..threads.min(items.len()) {
            if threads::spawn_scoped(scope, "check", work).is_err() {
                break;
            }
        }
        work();
    });
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_by_key(|(at, _)| *at);
    results.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_items_order() {
        let items: Vec<u32> = (0..100).collect();
        for threads in [0, 1, 7, 200] {
            let doubled = each(&items, threads, |item| item * 2);
            assert_eq!(doubled, (0..100).map(|n| n * 2).collect::<Vec<_>>());
        }
        assert!(each(&[] as &[u32], 4, |n| *n).is_empty());
    }
}
