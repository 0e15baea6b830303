//! A node that stands still while the chain goes on, as one does that has lost its peers: its LCD
//! answers on, its CheckTx takes transactions, and none of them gets anywhere.

use super::Chain;

impl Chain {
    /// Has a node stand still at the last block, while the chain goes on without it.
    pub fn freeze(&mut self, node: usize) {
        let height = self.state.height;
        self.nodes[node].frozen_at.get_or_insert(height);
    }

    /// Has a node that stands still catch up with the chain.
    pub fn thaw(&mut self, node: usize) {
        let included = &self.included;
        let node = &mut self.nodes[node];
        node.frozen_at = None;
        // What the blocks that it missed have included stays in its cache.
        node.mempool
            .retain(|pending| !included.contains_key(&pending.hash));
        self.publish();
    }
}
