//! Limits how many topics ask the chain at the same time. A hundred topics whose windows open in
//! one block ask at the same moment: a connection for each would be opened, used once and closed,
//! and would compete with the broadcaster's. So they take turns, and a topic that had to wait first
//! checks whether another topic's answer made its own request unnecessary.

use crossbeam_channel::{Receiver, Sender, bounded, select};

use crate::shutdown::Stop;

/// Topics that ask at the same time: several times what the single broadcaster can send.
pub const TURNS: usize = 12;

/// The turns of all topics; shared by clones.
#[derive(Clone, Debug)]
pub struct Turns {
    give_back: Sender<()>,
    free: Receiver<()>,
}

/// A turn; dropping it gives it to the next topic.
#[derive(Debug)]
pub struct Turn(Sender<()>);

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
    /// Waits for a turn; `None` when stopping: then a topic asks without one.
    pub fn take(&self, stop: &Stop) -> Option<Turn> {
        if let Some(turn) = self.try_take() {
            return Some(turn);
        }
        let turn = Turn(self.give_back.clone());
        select! {
            recv(self.free) -> free => free.ok().map(|()| turn),
            recv(stop.receiver()) -> _ => None,
        }
    }

    /// A turn, if one is free now.
    pub fn try_take(&self) -> Option<Turn> {
        let turn = || Turn(self.give_back.clone());
        self.free.try_recv().ok().map(|()| turn())
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        // why: the channel has room for every turn that was taken
        let _ = self.0.try_send(());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shutdown;

    #[test]
    fn a_dropped_turn_is_free_again() {
        let (stopper, stop) = shutdown::channel();
        let turns = Turns::default();
        let taken: Vec<_> = (0..TURNS).map(|_| turns.take(&stop).unwrap()).collect();
        assert!(turns.free.is_empty());
        assert!(turns.try_take().is_none(), "it does not wait");
        drop(taken);
        assert_eq!(turns.free.len(), TURNS);
        let one = turns.try_take();
        assert_eq!((one.is_some(), turns.free.len()), (true, TURNS - 1));
        drop(one);
        let taken: Vec<_> = (0..TURNS).map(|_| turns.take(&stop).unwrap()).collect();
        drop(stopper);
        assert!(turns.take(&stop).is_none(), "a stop is not waited through");
        drop(taken);
    }
}
