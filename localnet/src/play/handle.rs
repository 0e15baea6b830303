//! A running simulation: its servers, the thread that makes blocks, and the methods that change it.

mod clock;
mod upgrade;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::chain::Chain;
use crate::chain::allowance::Allowance;
use crate::chain::report::Report;
use crate::chain::state::Price;
use crate::play::faults::Fault;
use crate::play::key::Key;
use crate::play::lies::LieSpan;
use crate::play::options::Options;
use crate::play::rules::{Rule, When};
use crate::play::trace::Trace;
use crate::play::world::{LOOK_AGAIN, Lcd, ModelEndpoint, Shared, World, block_line};
use crate::server::answer::Answer;
use crate::server::tls::Tls;
use crate::server::{Server, Service};

pub use self::upgrade::Upgrade;

/// Number of block times after which the thread does not try to catch up.
const BEHIND_BLOCKS_MAX: u32 = 3;

/// A running simulated chain with its nodes and its model. Dropping it stops everything.
pub struct Localnet {
    shared: Arc<Shared>,
    servers: Arc<Vec<Server>>,
    tls: Option<Tls>,
    model: Option<Server>,
    maker: Option<JoinHandle<()>>,
    upgrader: Option<JoinHandle<()>>,
}

/// Receives a line of text about each block that is not empty.
pub type Narrator = Box<dyn Fn(&str) + Send>;

impl Localnet {
    /// Starts the chain in threads of this process.
    ///
    /// # Errors
    /// When a port is taken or a thread cannot be started.
    pub fn start(options: &Options) -> io::Result<Localnet> {
        Localnet::start_with(options, Box::new(|_| {}))
    }

    /// Like [`Localnet::start`]. `narrator` receives a line about each block that is not empty.
    ///
    /// # Errors
    /// When a port is taken or a thread cannot be started; the text names the address.
    pub fn start_with(options: &Options, narrator: Narrator) -> io::Result<Localnet> {
        let mut world = World::new(options.chain(), options.seed, options.block_time);
        (world.delay, world.model_delay) = (options.delay, options.model_delay);
        world.trace = options.trace.then(Trace::default);
        let tls = options.tls.then(Tls::new).transpose()?;
        let shared = Shared::new(world);
        let mut servers = Vec::new();
        for (node, of_node) in options.nodes.iter().enumerate() {
            let lcd = Arc::new(Lcd {
                shared: Arc::clone(&shared),
                node,
                balances: options.balanced && node == 0,
            });
            servers.push(serve("lcd", of_node.listen, lcd, tls.as_ref())?);
        }
        let model = match options.model {
            Some(address) => {
                let endpoint = ModelEndpoint {
                    shared: Arc::clone(&shared),
                };
                Some(serve("model", address, Arc::new(endpoint), None)?)
            }
            None => None,
        };
        let for_maker = Arc::clone(&shared);
        let maker = thread::Builder::new()
            .name("blocks".to_owned())
            .spawn(move || make_blocks(&for_maker, &narrator))?;
        let servers = Arc::new(servers);
        Ok(Localnet {
            shared,
            servers,
            tls,
            model,
            maker: Some(maker),
            upgrader: None,
        })
    }

    /// The URL of the first node, for `api_url`.
    #[must_use]
    pub fn url(&self) -> String {
        self.node_url(0)
    }

    /// The URL of a node, counted from 0.
    #[must_use]
    pub fn node_url(&self, node: usize) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.servers[node].address())
    }

    /// The URL of the sample model for a topic; empty if there is no model.
    #[must_use]
    pub fn model_url(&self, topic: u64) -> String {
        self.model_path(&format!("topic/{topic}"))
    }

    /// The URL of the sample model for labelled values.
    #[must_use]
    pub fn labels_url(&self, topic: u64) -> String {
        self.model_path(&format!("labels/{topic}"))
    }

    /// The URL of the sample model for forecasts.
    #[must_use]
    pub fn forecast_url(&self, topic: u64) -> String {
        self.model_path(&format!("forecast/{topic}"))
    }

    fn model_path(&self, path: &str) -> String {
        let address = self.model.as_ref().map(Server::address);
        address.map_or_else(String::new, |a| format!("http://{a}/{path}"))
    }

    /// The certificate that clients have to trust, in PEM form; `None` without TLS.
    #[must_use]
    pub fn authority_pem(&self) -> Option<&str> {
        self.tls.as_ref().map(|tls| tls.authority_pem.as_str())
    }

    /// All requests so far; empty unless `Options::trace` is set.
    #[must_use]
    pub fn trace(&self) -> Trace {
        self.shared.lock().trace.clone().unwrap_or_default()
    }

    /// The height of the last block.
    #[must_use]
    pub fn height(&self) -> u64 {
        self.shared.lock().chain.state.height
    }

    /// The observations so far.
    #[must_use]
    pub fn report(&self) -> Report {
        self.shared.lock().report()
    }

    /// Waits until the report fulfils a condition; `false` after the time-out.
    pub fn wait_for(&self, timeout: Duration, condition: impl Fn(&Report) -> bool) -> bool {
        let until = Instant::now() + timeout;
        let mut world = self.shared.lock();
        loop {
            if condition(&world.report()) {
                return true;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            world = self.shared.wait(world, left);
        }
    }

    /// Makes a block at once. Returns its height, or `None` while the chain is halted.
    pub fn block_now(&self) -> Option<u64> {
        let height = self.shared.lock().make_block();
        self.shared.ring();
        height
    }

    /// Makes blocks at once, up to a height.
    pub fn blocks_until(&self, height: u64) {
        while self.height() < height && self.block_now().is_some() {}
    }

    /// Changes the chain from outside a block. CheckTx and queries see the change at once.
    pub fn with_chain<R>(&self, change: impl FnOnce(&mut Chain) -> R) -> R {
        let mut world = self.shared.lock();
        let result = change(&mut world.chain);
        world.chain.publish();
        drop(world);
        self.shared.ring();
        result
    }

    /// From now on, the nodes demand this key.
    pub fn demand(&self, key: Key) {
        self.shared.lock().key = Some(key);
    }

    /// Adds to an account's balance; creates the account if necessary.
    pub fn fund(&self, address: &str, amount_uallo: u128) {
        self.with_chain(|chain| chain.state.fund(address, amount_uallo));
    }

    pub fn set_balance(&self, address: &str, amount_uallo: u128) {
        self.with_chain(|chain| {
            if let Some(account) = chain.state.accounts.get_mut(address) {
                account.balance_uallo = amount_uallo;
            }
        });
    }

    /// Locks a part of an account's balance, as of a vesting account.
    pub fn lock_funds(&self, address: &str, amount_uallo: u128) {
        self.with_chain(|chain| {
            if let Some(account) = chain.state.accounts.get_mut(address) {
                account.locked_uallo = amount_uallo;
            }
        });
    }

    /// Grants an account a fee allowance, or replaces the granter's earlier one.
    pub fn grant(&self, granter: &str, grantee: &str, allowance: Allowance) {
        self.with_chain(|chain| chain.state.grant(granter, grantee, allowance));
    }

    /// Revokes a granter's fee allowance for an account.
    pub fn revoke(&self, granter: &str, grantee: &str) {
        self.with_chain(|chain| {
            if let Some(account) = chain.state.accounts.get_mut(grantee) {
                account.allowances.remove(granter);
            }
        });
    }

    /// Registers a worker with a topic, without a transaction.
    pub fn register(&self, topic: u64, worker: &str) {
        self.with_chain(|chain| {
            if let Some(topic) = chain.state.topics.get_mut(&topic) {
                topic.workers.insert(worker.to_owned(), worker.to_owned());
            }
        });
    }

    /// Adds a worker to a topic's whitelist or removes it, and turns the whitelist on.
    pub fn set_whitelisted(&self, topic: u64, worker: &str, listed: bool) {
        self.with_chain(|chain| {
            let Some(topic) = chain.state.topics.get_mut(&topic) else {
                return;
            };
            let list = topic.whitelist.get_or_insert_default();
            if listed {
                list.insert(worker.to_owned());
            } else {
                list.remove(worker);
            }
        });
    }

    /// Deactivates or activates a topic (protocol.md section 5).
    pub fn set_active(&self, topic: u64, active: bool) {
        self.with_chain(|chain| {
            let height = chain.state.height;
            if let Some(topic) = chain.state.topics.get_mut(&topic) {
                topic.set_active(active, height);
            }
        });
    }

    pub fn set_gas_price(&self, price: Price) {
        self.with_chain(|chain| chain.state.price = price);
    }

    /// Stops or resumes block production. Nodes answer all the same.
    pub fn set_halted(&self, halted: bool) {
        self.with_chain(|chain| chain.halted = halted);
    }

    /// Sets the time between blocks; with `None`, blocks are made only on demand.
    pub fn set_block_time(&self, block_time: Option<Duration>) {
        self.shared.lock().block_time = block_time;
        self.shared.ring();
    }

    /// Disconnects a node, which then refuses connections, or connects it again.
    pub fn set_node_up(&self, node: usize, up: bool) {
        self.servers[node].set_listening(up);
    }

    /// Clears a node's mempool and cache, as a restart does.
    pub fn restart_node(&self, node: usize) {
        self.with_chain(|chain| {
            let committed = chain.state.accounts.clone();
            chain.nodes[node].restart(&committed);
        });
    }

    /// Disconnects the sample model or connects it again.
    pub fn set_model_up(&self, up: bool) {
        if let Some(model) = &self.model {
            model.set_listening(up);
        }
    }

    /// Schedules the upgrade from v9 to v10 at its height.
    ///
    /// # Errors
    /// When a thread cannot be started.
    pub fn upgrade_at(&mut self, upgrade: Upgrade) -> io::Result<()> {
        self.with_chain(|chain| chain.upgrade_height = Some(upgrade.height));
        let (shared, servers) = (Arc::clone(&self.shared), Arc::clone(&self.servers));
        let thread = thread::Builder::new()
            .name("upgrade".to_owned())
            .spawn(move || upgrade::play(&shared, &servers, upgrade))?;
        self.upgrader = Some(thread);
        Ok(())
    }

    pub fn fault(&self, rule: Rule) {
        self.shared.lock().rules.add(rule);
    }

    /// Makes a node lie, each strategy during its span.
    pub fn lie(&self, node: usize, spans: &[LieSpan]) {
        for span in spans {
            let rule = Rule::new(Fault::Lies(span.strategy.clone())).at_node(node);
            self.fault(rule.when(When::Elapsed(span.from, span.to)));
        }
    }

    pub fn clear_faults(&self) {
        self.shared.lock().rules.clear();
    }

    /// Makes the model give its numbers without quotes.
    pub fn plain_model(&self) {
        self.shared.lock().model.plain = true;
    }

    /// Sets the model's next answers for a topic's path.
    pub fn prepare_model(&self, topic: u64, answers: impl IntoIterator<Item = Answer>) {
        self.shared
            .lock()
            .model
            .prepare(&format!("/topic/{topic}"), answers);
    }
}

impl Drop for Localnet {
    fn drop(&mut self) {
        self.shared.lock().over = true;
        self.shared.ring();
        for thread in [self.maker.take(), self.upgrader.take()]
            .into_iter()
            .flatten()
        {
            // The thread has already printed its panic.
            let _ = thread.join();
        }
    }
}

fn serve(
    name: &str,
    address: SocketAddr,
    service: Arc<dyn Service>,
    tls: Option<&Tls>,
) -> io::Result<Server> {
    let tls = tls.map(|tls| Arc::clone(&tls.config));
    Server::start(name, address, service, tls).map_err(|error| {
        io::Error::new(
            error.kind(),
            format!("cannot listen on {address} ({name}): {error}"),
        )
    })
}

/// Makes blocks at absolute times, so that delays do not add up.
fn make_blocks(shared: &Shared, narrator: &Narrator) {
    let mut world = shared.lock();
    let mut last = Instant::now();
    while !world.over {
        let now = Instant::now();
        let Some(time) = world.block_time else {
            world = shared.wait(world, LOOK_AGAIN);
            last = Instant::now();
            continue;
        };
        let due = last + time;
        if now < due {
            world = shared.wait(world, due - now);
            continue;
        }
        last = if now > due + time * BEHIND_BLOCKS_MAX {
            now
        } else {
            due
        };
        let made = world.make_block();
        shared.ring();
        let line = made.and_then(|height| block_line(&world.chain, height));
        if let Some(line) = line {
            // Writing a line may block, which must not delay the chain.
            drop(world);
            narrator(&line);
            world = shared.lock();
        }
    }
}
