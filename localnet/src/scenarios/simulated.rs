//! The simulated chain as a chain under test.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use super::landed;
use super::test_chain::{
    CHAIN_ID, EPOCH_BLOCKS, Granted, Landed, Limit, Needs, PLACES, PRICE_FACTOR, TestChain,
    TopicSpec, WINDOW_BLOCKS,
};
use crate::chain::allowance::{Allowance, Period};
use crate::chain::bech32;
use crate::chain::included::Included;
use crate::chain::labels::Labels;
use crate::chain::message::Api;
use crate::chain::state::Price;
use crate::chain::topic::{Score, Topic};
use crate::play::handle::{Localnet, Upgrade};
use crate::play::options::{Options, multi};

/// 1 ALLO.
const FUNDS_UALLO: u128 = 1_000_000_000_000_000_000;
/// The gas price at the start.
const PRICE_UALLO: u64 = 10;
/// The account that grants allowances.
const GRANTER: [u8; 20] = [7; 20];
/// How often an allowance's limit begins anew.
const PERIOD: Duration = Duration::from_secs(3_600);
/// How long the node is down when it restarts.
const RESTART: Duration = Duration::from_secs(2);
/// How long each phase of an upgrade takes.
const UPGRADE_PHASE: Duration = Duration::from_secs(1);
/// Time between two looks at the version.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Longest wait for an upgrade.
const UPGRADE_TIME_MAX: Duration = Duration::from_secs(180);

/// A simulated chain.
pub(super) struct Simulated {
    localnet: Mutex<Localnet>,
    start_height: u64,
}

impl Simulated {
    pub(super) fn start(api: Api, block_time: Duration, needs: &Needs) -> io::Result<Simulated> {
        let options = Options {
            api,
            chain_id: CHAIN_ID.to_owned(),
            block_time: Some(block_time),
            model: None,
            accounts: needs
                .funded
                .iter()
                .map(|address| (address.clone(), FUNDS_UALLO))
                .collect(),
            ..Options::default()
        };
        let first = options.start_height + EPOCH_BLOCKS;
        let topics: Result<Vec<Topic>, String> = (1..)
            .zip(&needs.topics)
            .map(|(id, spec)| topic(id, first, *spec))
            .collect();
        let topics = topics.map_err(io::Error::other)?;
        let start_height = options.start_height;
        let localnet = Localnet::start(&Options { topics, ..options })?;
        localnet.with_chain(|chain| {
            chain.state.params.max_top_inferers = needs.places.unwrap_or(PLACES);
            if let Some(most) = needs.labels_max {
                chain.state.params.max_epoch_labels = most;
            }
            for (topic, nonce) in &needs.stale {
                if let Some(topic) = chain.state.topics.get_mut(topic) {
                    topic.leave_stale(*nonce);
                }
            }
            if let Some(most) = needs.mempool_txs_max {
                chain.nodes[0].mempool_txs_max = most;
            }
            for (topic, address, score) in &needs.scores {
                let score = Score {
                    height: 1,
                    score: i64::from(*score),
                };
                if let Some(topic) = chain.state.topics.get_mut(topic) {
                    topic.scores.insert(address.clone(), score);
                }
            }
        });
        Ok(Simulated {
            localnet: Mutex::new(localnet),
            start_height,
        })
    }

    fn localnet(&self) -> MutexGuard<'_, Localnet> {
        self.localnet.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn topic(id: u64, first: u64, spec: TopicSpec) -> Result<Topic, String> {
    let topic = Topic::new(id, EPOCH_BLOCKS, WINDOW_BLOCKS, first);
    let topic = Topic {
        active: spec.active,
        whitelist: spec.whitelisted.then(Default::default),
        ..topic
    };
    Ok(match spec.labelled {
        true => {
            let mut labels = Labels::up_down_flat()?;
            if spec.any_labels {
                labels.whitelist.clear();
            }
            multi(topic, labels)
        }
        false => topic,
    })
}

impl TestChain for Simulated {
    fn api(&self) -> Api {
        self.localnet().with_chain(|chain| chain.state.api)
    }

    fn url(&self) -> String {
        self.localnet().url()
    }

    fn fund(&self, addresses: &[String]) -> io::Result<()> {
        let localnet = self.localnet();
        for address in addresses {
            localnet.fund(address, FUNDS_UALLO);
        }
        Ok(())
    }

    fn allow(&self, topic: u64, address: &str) -> io::Result<()> {
        self.localnet().set_whitelisted(topic, address, true);
        Ok(())
    }

    fn activate(&self, topic: u64) -> io::Result<()> {
        self.localnet().set_active(topic, true);
        Ok(())
    }

    fn granter(&self) -> String {
        bech32::encode(&GRANTER)
    }

    fn grant(&self, grantee: &str, _has_one: bool, granted: Granted) -> io::Result<()> {
        let api = self.api().name();
        let names = granted.messages.iter();
        let now = SystemTime::now();
        let (spend_limit_uallo, period) = match granted.limit {
            Limit::PerPeriod(limit) => (None, Some(Period::new(PERIOD, limit, now))),
            Limit::Whole(limit) => (Some(limit), None),
        };
        let allowance = Allowance {
            spend_limit_uallo,
            expires: granted.lasts.map(|time| now + time),
            period,
            messages: Some(
                names
                    .map(|name| format!("/emissions.{api}.{name}"))
                    .collect(),
            ),
        };
        let localnet = self.localnet();
        localnet.fund(&self.granter(), FUNDS_UALLO);
        localnet.grant(&self.granter(), grantee, allowance);
        Ok(())
    }

    fn restart(&self) -> io::Result<()> {
        let localnet = self.localnet();
        localnet.set_halted(true);
        localnet.set_node_up(0, false);
        localnet.restart_node(0);
        thread::sleep(RESTART);
        localnet.set_node_up(0, true);
        localnet.set_halted(false);
        Ok(())
    }

    fn raise_price(&self) -> io::Result<()> {
        let price = PRICE_UALLO * PRICE_FACTOR;
        self.localnet().set_gas_price(Price::from_uallo(price));
        Ok(())
    }

    fn upgrade(&self, height: u64, frozen: &mut dyn FnMut()) -> io::Result<()> {
        self.localnet().upgrade_at(Upgrade {
            height,
            frozen: UPGRADE_PHASE,
            down: UPGRADE_PHASE,
            half_up: UPGRADE_PHASE,
        })?;
        let until = Instant::now() + UPGRADE_TIME_MAX;
        let is_frozen = || {
            self.localnet()
                .with_chain(|chain| chain.waits_for_upgrade())
        };
        while !is_frozen() && Instant::now() < until {
            thread::sleep(LOOK_EVERY);
        }
        frozen();
        while self.api() == Api::V9 {
            if Instant::now() > until {
                return Err(io::Error::other("the upgrade did not come"));
            }
            thread::sleep(LOOK_EVERY);
        }
        Ok(())
    }

    fn landed(&self, address: &str) -> io::Result<Vec<Landed>> {
        let start = self.start_height;
        Ok(self.localnet().with_chain(|chain| {
            let heights = start..=chain.state.height;
            let included = heights.flat_map(|height| chain.included_at(height));
            included
                .filter_map(|included| of_signer(included, address))
                .collect()
        }))
    }
}

/// A transaction, if this address has signed it.
fn of_signer(included: &Included, address: &str) -> Option<Landed> {
    let tx = included.tx.as_ref().filter(|tx| tx.signer == address)?;
    let kinds = included.events.iter().map(|event| event.kind.as_str());
    let attributes = included.events.iter().flat_map(|event| &event.attributes);
    let scored = attributes.filter(|(key, _)| *key == landed::SCORED);
    let scored = scored.map(|(_, value)| value.as_str()).next();
    Some(Landed {
        height: included.height,
        codespace: included.codespace.clone(),
        code: included.code,
        gas_wanted: tx.gas_limit,
        gas_used: included.gas_used,
        fee_uallo: tx.fee.iter().map(|(_, amount)| amount).sum(),
        purpose: landed::purpose(tx)?,
        place: landed::place(address, kinds, scored),
    })
}
