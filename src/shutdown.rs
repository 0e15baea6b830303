//! The stop signal: a channel on which nothing is ever sent. When the [`Stopper`] is dropped, the
//! channel closes, and every wait of every thread ends at once, also inside a `select!`.

use std::convert::Infallible;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TryRecvError, bounded};

/// Dropping it gives the stop signal.
#[derive(Debug)]
pub struct Stopper {
    _alive: Sender<Infallible>,
}

/// The receiving end, which every thread has.
#[derive(Clone, Debug)]
pub struct Stop(Receiver<Infallible>);

pub fn channel() -> (Stopper, Stop) {
    let (alive, stop) = bounded(0);
    (Stopper { _alive: alive }, Stop(stop))
}

impl Stop {
    pub fn is_given(&self) -> bool {
        matches!(self.0.try_recv(), Err(TryRecvError::Disconnected))
    }

    /// Waits for `time`, or until the signal is given; true if it was given.
    pub fn wait(&self, time: Duration) -> bool {
        match self.0.recv_timeout(time) {
            Err(RecvTimeoutError::Timeout) => false,
            Err(RecvTimeoutError::Disconnected) => true,
            Ok(never) => match never {},
        }
    }

    /// For a `select!`: ready once the signal is given.
    pub fn receiver(&self) -> &Receiver<Infallible> {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_ends_when_the_signal_is_given() {
        let (stopper, stop) = channel();
        assert!(!stop.is_given());
        assert!(!stop.wait(Duration::from_millis(1)));
        let waiting = std::thread::spawn({
            let stop = stop.clone();
            move || stop.wait(Duration::from_secs(60))
        });
        drop(stopper);
        assert!(waiting.join().unwrap());
        assert!(stop.is_given());
    }
}
