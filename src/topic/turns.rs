//! How many topics ask the chain at the same time. A hundred topics whose windows open in one block
//! want to ask in the same moment; one connection for each of them would be opened, used once and
//! closed, and the sender's connection would have to share the line with them. So they take turns,
//! and one that had to wait looks first whether another's answer was its own.

use crossbeam_channel::{Receiver, Sender, bounded, select};

use crate::shutdown::Stop;

/// So many ask at a time: several times as many as the single sender can send of what they find.
pub const TURNS: usize = 12;

/// The turns of all topics; clones share them.
#[derive(Clone, Debug)]
pub struct Turns {
    give_back: Sender<()>,
    free: Receiver<()>,
}

/// A turn; dropping it gives it to the next.
#[derive(Debug)]
pub struct Turn<'a>(&'a Turns);

impl Default for Turns {
    fn default() -> Turns {
        let (give_back, free) = bounded(TURNS);
        for _ in 0..TURNS {
            // why: there is room for each
            let _ = give_back.try_send(());
        }
        Turns { give_back, free }
    }
}

impl Turns {
    /// Waits for a turn; `None` when stopping: what is asked then is asked at once.
    #[must_use]
    pub fn take(&self, stop: &Stop) -> Option<Turn<'_>> {
        if self.free.try_recv().is_ok() {
            return Some(Turn(self));
        }
        select! {
            recv(self.free) -> turn => turn.ok().map(|()| Turn(self)),
            recv(stop.receiver()) -> _ => None,
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        // why: there is room for as many as were taken
        let _ = self.0.give_back.try_send(());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shutdown;

    #[test]
    fn there_are_so_many_and_they_come_back() {
        let (stopper, stop) = shutdown::channel();
        let turns = Turns::default();
        let taken: Vec<_> = (0..TURNS).map(|_| turns.take(&stop).unwrap()).collect();
        assert!(turns.free.is_empty());
        drop(taken);
        assert_eq!(turns.free.len(), TURNS);
        let taken: Vec<_> = (0..TURNS).map(|_| turns.take(&stop).unwrap()).collect();
        drop(stopper);
        assert!(turns.take(&stop).is_none(), "a stop is not waited through");
        drop(taken);
    }
}
