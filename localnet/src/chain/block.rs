//! Runs one transaction of a block, ante handler and messages, and records the result in the
//! report (protocol.md sections 4 and 6).

use crate::chain::Chain;
use crate::chain::ante::{self, Env, Refused};
use crate::chain::error::TxError;
use crate::chain::events;
use crate::chain::execute::{self, Done};
use crate::chain::gas;
use crate::chain::included::Included;
use crate::chain::message::Message;
use crate::chain::node::Fate;
use crate::chain::report::{PayloadReport, count};
use crate::chain::state::State;
use crate::chain::tx::{self, Tx};

impl Chain {
    /// Runs one transaction of the current block.
    pub(crate) fn deliver(&mut self, raw: &[u8], fate: Fate) -> Included {
        let hash = tx::hash(raw);
        let free = |tx: Option<Tx>, error: TxError, gas: u64, state: &State| Included {
            tx,
            hash: hash.clone(),
            height: state.height,
            time: state.time,
            codespace: error.codespace.to_owned(),
            code: error.code,
            raw_log: error.text,
            gas_used: gas,
            events: Vec::new(),
        };
        let tx = match Tx::decode(raw, self.state.api) {
            Ok(tx) => tx,
            Err(error) => {
                count(&mut self.report.ante_failures, &error.key());
                return free(None, error, 0, &self.state);
            }
        };
        match self.deliver_ante(&tx, fate) {
            Ok(ante_gas) => self.deliver_messages(tx, ante_gas),
            Err(refused) => {
                count(&mut self.report.ante_failures, &refused.error.key());
                free(Some(tx), refused.error, refused.gas, &self.state)
            }
        }
    }

    fn deliver_ante(&mut self, tx: &Tx, fate: Fate) -> Result<u64, Refused> {
        if let Fate::FailsInBlock(code) = fate {
            let text = "refused in the block, as the test asked for";
            return Err(Refused {
                error: TxError::sdk(code, text),
                gas: gas::SEQUENCE,
            });
        }
        let env = Env::of(&self.chain_id, &self.state, false);
        let mut accounts = self.state.accounts.clone();
        let ante_gas = ante::run(&mut accounts, env, tx)?;
        self.state.accounts = accounts;
        Ok(ante_gas)
    }

    /// Runs the messages of a transaction whose fee has been taken.
    fn deliver_messages(&mut self, tx: Tx, ante_gas: u64) -> Included {
        let (height, time, price) = (self.state.height, self.state.time, self.state.price);
        let paid_again = self.is_paid_again(&tx);
        self.report.fees_uallo += tx.fee.first().map_or(0, |f| f.1);
        let mut after = self.state.clone();
        let result = execute::run(&mut after, height, &tx, ante_gas);
        let used = gas::FEE_MOVE
            + std::mem::take(&mut self.more_gas_once)
            + result
                .as_ref()
                .map_or_else(|refused| refused.gas, |d| d.gas);
        let mut events = events::ante(&tx, false);
        let (error, gas_used) = if used > tx.gas_limit {
            out_of_gas(tx.gas_limit)
        } else {
            match result {
                Ok(done) => {
                    self.state = after;
                    self.note_success(&tx, &done, height);
                    events.extend(done.events);
                    events.extend(events::post(&tx, price, used, false));
                    (None, used)
                }
                Err(refused) => (Some(refused.error), used),
            }
        };
        self.note_fee(error.as_ref(), paid_again);
        let error = error.unwrap_or_else(|| TxError::new("", 0, ""));
        Included {
            hash: tx.hash.clone(),
            tx: Some(tx),
            height,
            time,
            codespace: error.codespace.to_owned(),
            code: error.code,
            raw_log: error.text,
            gas_used,
            events,
        }
    }

    /// Whether one of the messages has already succeeded in an earlier transaction.
    fn is_paid_again(&self, tx: &Tx) -> bool {
        tx.messages.iter().any(|(_, message)| match message {
            Message::Register(register) => self
                .state
                .topics
                .get(&register.topic_id)
                .is_some_and(|t| t.workers.contains_key(&register.sender)),
            _ => message
                .payload_key()
                .is_some_and(|(topic, nonce, worker)| self.report.is_served(topic, nonce, &worker)),
        })
    }

    fn note_fee(&mut self, error: Option<&TxError>, paid_again: bool) {
        if paid_again {
            self.report.paid_twice += 1;
        }
        let Some(error) = error else { return };
        count(&mut self.report.included_failures, &error.key());
        if !paid_again {
            count(&mut self.report.fee_lost, &error.key());
        }
    }

    fn note_success(&mut self, tx: &Tx, done: &Done, height: u64) {
        for (_, message) in &tx.messages {
            if let Message::Register(_) = message {
                self.report.registrations_included += 1;
            }
            let (Some((topic, nonce, worker)), Message::Insert(insert)) =
                (message.payload_key(), message)
            else {
                continue;
            };
            let content = insert.bundle.as_ref().and_then(|b| b.content.as_ref());
            let inference = content.and_then(|c| c.inference.as_ref());
            let payload = PayloadReport {
                worker,
                height,
                txhash: tx.hash.clone(),
                fee_uallo: tx.fee.first().map_or(0, |f| f.1),
                value: inference.map(|i| i.value.canonical()).unwrap_or_default(),
                admitted: done.admitted.unwrap_or(false),
            };
            self.report.served(topic, nonce, payload);
        }
    }
}

fn out_of_gas(limit: u64) -> (Option<TxError>, u64) {
    let used = limit + 223;
    let text = format!(
        "out of gas in location: ReadFlat; gasWanted: {limit}, gasUsed: {used}: out of gas"
    );
    (Some(TxError::sdk(11, text)), used)
}
