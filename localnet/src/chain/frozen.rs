//! A frozen node stays at one height while the chain continues, as if it had lost its peers. Its
//! LCD answers and its CheckTx accepts transactions, but none of them is included.

use super::Chain;

impl Chain {
    /// Freezes a node at the last block.
    pub fn freeze(&mut self, node: usize) {
        let height = self.state.height;
        self.nodes[node].frozen_at.get_or_insert(height);
    }

    /// Lets a frozen node catch up with the chain.
    pub fn thaw(&mut self, node: usize) {
        let included = &self.included;
        let node = &mut self.nodes[node];
        node.frozen_at = None;
        // Transactions of the blocks that it missed stay in its cache.
        node.mempool
            .retain(|pending| !included.contains_key(&pending.hash));
        self.publish();
    }
}
