//! A node of a released version, as the only validator of a chain on loopback.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::genesis::{self, ADMIN, Ports};
use super::landed;
use super::messages::{self, Messages, coins};
use super::rest::Rest;
use super::test_chain::{CHAIN_ID, Granted, Landed, Needs, PRICE_FACTOR, TestChain};
use super::version::Version;
use crate::chain::message::Api;
use crate::worker::Process;

/// Longest time for a node to answer after its start.
const START_TIME_MAX: Duration = Duration::from_secs(90);
/// Longest time for a node to stop.
const STOP_TIME_MAX: Duration = Duration::from_secs(20);
/// Longest time for a transaction to get into a block.
const BLOCK_TIME_MAX: Duration = Duration::from_secs(60);
/// Longest time for a vote.
const VOTE_TIME_MAX: Duration = Duration::from_secs(60);
/// Longest wait for an upgrade's height.
const UPGRADE_TIME_MAX: Duration = Duration::from_secs(180);
const LOOK_EVERY: Duration = Duration::from_millis(150);
/// The administrator offers enough gas for any of its transactions, at twice the lowest price.
const GAS: u64 = 100_000_000;
const PRICE_UALLO: u64 = 20;
/// Transactions on one page of an answer.
const PAGE: usize = 100;
/// Without it, a node sets `timeout_commit` to 5 s at each start.
const OWN_BLOCK_TIME: &str = "--unsafe-override-recommended-settings";
/// Lines of the node's log in an error.
const LOG_LINES: usize = 15;

/// A running node.
pub(super) struct Allorad {
    home: PathBuf,
    ports: Ports,
    admin: String,
    rest: Rest,
    /// The version to upgrade to.
    next: Option<Version>,
    running: Mutex<Running>,
    /// Held while a transaction of the administrator is on its way: the next one takes the next
    /// sequence.
    sending: Mutex<()>,
}

struct Running {
    node: PathBuf,
    process: Option<Process>,
    api: Api,
}

impl Allorad {
    /// Starts a chain with these topics and funded accounts. Its files are in `home`.
    pub(super) fn start(
        version: &Version,
        next: Option<Version>,
        home: &Path,
        block_time: Duration,
        needs: &Needs,
    ) -> io::Result<Allorad> {
        let ports = Ports::find()?;
        let admin = genesis::create(&version.node, home, ports, block_time, needs)?;
        let allorad = Allorad {
            home: home.to_owned(),
            ports,
            admin,
            rest: Rest::new(),
            next,
            running: Mutex::new(Running {
                node: version.node.clone(),
                process: None,
                api: Api::V10,
            }),
            sending: Mutex::default(),
        };
        allorad.start_node()?;
        allorad.set_up(needs)?;
        Ok(allorad)
    }

    fn running(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts the node and waits until it has made a block and serves a version.
    fn start_node(&self) -> io::Result<()> {
        let mut running = self.running();
        let log = OpenOptions::new()
            .append(true)
            .create(true)
            .open(self.home.join("node.log"))?;
        let mut command = Command::new(&running.node);
        command
            .arg("start")
            .arg(OWN_BLOCK_TIME)
            .arg("--home")
            .arg(&self.home)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        let process = running.process.insert(Process::spawn(&mut command)?);
        let before = Instant::now();
        loop {
            if let Some(status) = process.ended()? {
                return Err(self.failed(&format!("the node stopped ({status})")));
            }
            let version = [Api::V9, Api::V10].into_iter().find(|api| {
                let params = format!("{}/emissions/{}/params", self.url(), api.name());
                self.rest
                    .get(&params)
                    .is_ok_and(|(_, height)| height.is_some_and(|h| h > 0))
            });
            if let Some(api) = version {
                running.api = api;
                return Ok(());
            }
            if before.elapsed() > START_TIME_MAX {
                return Err(self.failed("the node does not answer"));
            }
            thread::sleep(LOOK_EVERY);
        }
    }

    fn stop_node(&self) -> io::Result<()> {
        let Some(mut process) = self.running().process.take() else {
            return Ok(());
        };
        process.terminate();
        let before = Instant::now();
        while process.ended()?.is_none() && before.elapsed() < STOP_TIME_MAX {
            thread::sleep(LOOK_EVERY);
        }
        // A node that has not stopped is killed here.
        drop(process);
        Ok(())
    }

    fn failed(&self, text: &str) -> io::Error {
        let log = fs::read_to_string(self.home.join("node.log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let end = lines[lines.len().saturating_sub(LOG_LINES)..].join("\n");
        io::Error::other(format!("{text}; the end of its log:\n{end}"))
    }

    fn messages(&self) -> Messages<'_> {
        Messages {
            api: self.api(),
            admin: &self.admin,
        }
    }

    /// Creates the topics and funds the accounts in one transaction, so that all windows open in
    /// the same block.
    fn set_up(&self, needs: &Needs) -> io::Result<()> {
        let Needs { topics, funded, .. } = needs;
        let messages = self.messages();
        let mut all = Vec::from(messages.permissions());
        all.extend(topics.iter().map(|spec| messages.create_topic(*spec)));
        for (topic, spec) in (1..).zip(topics) {
            if spec.active {
                all.extend(messages.activate(topic));
            }
        }
        all.extend(messages.fund(funded));
        self.send(&all).map(|_| ())
    }

    /// Signs messages as the administrator and waits for their block; returns the transaction's
    /// result.
    fn send(&self, messages: &[Value]) -> io::Result<Value> {
        let _sending = self.sending.lock().unwrap_or_else(PoisonError::into_inner);
        let fee = json!({"amount": coins(&(GAS * PRICE_UALLO).to_string()),
            "gas_limit": GAS.to_string(), "payer": "", "granter": ""});
        let unsigned = json!({
            "body": {"messages": messages, "memo": "", "timeout_height": "0",
                "extension_options": [], "non_critical_extension_options": []},
            "auth_info": {"signer_infos": [], "fee": fee, "tip": null}, "signatures": []});
        let path = self.home.join("tx.json");
        fs::write(&path, unsigned.to_string())?;
        let node = self.running().node.clone();
        let rpc = format!("tcp://127.0.0.1:{}", self.ports.rpc);
        let signed = self.home.join("signed.json");
        let (path, signed) = (path.to_string_lossy(), signed.to_string_lossy());
        let sign = [
            "tx",
            "sign",
            &path,
            "--from",
            ADMIN,
            "--keyring-backend",
            "test",
            "--chain-id",
            CHAIN_ID,
            "--node",
            &rpc,
            "--output-document",
            &signed,
        ];
        genesis::output(&node, &self.home, &sign)?;
        let broadcast = [
            "tx",
            "broadcast",
            &signed,
            "--node",
            &rpc,
            "--output",
            "json",
        ];
        let answer = genesis::output(&node, &self.home, &broadcast)?;
        let answer: Value = serde_json::from_str(answer.trim())?;
        if answer["code"] != 0 {
            return Err(io::Error::other(format!("CheckTx: {answer}")));
        }
        let hash = answer["txhash"].as_str().unwrap_or_default().to_owned();
        let url = format!("{}/cosmos/tx/v1beta1/txs/{hash}", self.url());
        let before = Instant::now();
        loop {
            match self.rest.get(&url) {
                Ok((found, _)) if found["tx_response"]["code"] == 0 => return Ok(found),
                Ok((found, _)) => {
                    let why = &found["tx_response"]["raw_log"];
                    return Err(io::Error::other(format!(
                        "the administrator's transaction: {why}"
                    )));
                }
                Err(error) if before.elapsed() > BLOCK_TIME_MAX => return Err(error),
                Err(_) => thread::sleep(LOOK_EVERY),
            }
        }
    }

    /// Proposes a message and votes for it.
    fn pass(&self, message: Value) -> io::Result<()> {
        let gov = format!("{}/cosmos/auth/v1beta1/module_accounts/gov", self.url());
        let (answer, _) = self.rest.get(&gov)?;
        let government = answer["account"]["base_account"]["address"]
            .as_str()
            .unwrap_or_default();
        let messages = self.messages();
        self.send(&[messages.propose(government, message)])?;
        let last = "cosmos/gov/v1/proposals?pagination.reverse=true&pagination.limit=1";
        let (proposals, _) = self.rest.get(&format!("{}/{last}", self.url()))?;
        let id = proposals["proposals"][0]["id"].as_str().unwrap_or_default();
        self.send(&[messages.vote(id)]).map(|_| ())
    }
}

impl Drop for Allorad {
    fn drop(&mut self) {
        // A node that cannot be stopped is killed with its process.
        let _ = self.stop_node();
    }
}

impl TestChain for Allorad {
    fn api(&self) -> Api {
        self.running().api
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports.rest)
    }

    fn fund(&self, addresses: &[String]) -> io::Result<()> {
        self.send(&self.messages().fund(addresses)).map(|_| ())
    }

    fn allow(&self, topic: u64, address: &str) -> io::Result<()> {
        self.send(&[self.messages().allow(topic, address)])
            .map(|_| ())
    }

    fn activate(&self, topic: u64) -> io::Result<()> {
        self.send(&self.messages().activate(topic)).map(|_| ())
    }

    fn granter(&self) -> String {
        self.admin.clone()
    }

    fn grant(&self, grantee: &str, has_one: bool, granted: Granted) -> io::Result<()> {
        let messages = self.messages().grant(grantee, has_one, granted);
        self.send(&messages).map(|_| ())
    }

    fn restart(&self) -> io::Result<()> {
        self.stop_node()?;
        self.start_node()
    }

    fn raise_price(&self) -> io::Result<()> {
        let market = format!("{}/feemarket/v1", self.url());
        let mut params = self.rest.get(&format!("{market}/params"))?.0["params"].take();
        // With the defaults, this is the price of every block that is not full.
        let old = params["min_base_gas_price"].as_str().unwrap_or_default();
        let whole: Option<u64> = old.split('.').next().and_then(|text| text.parse().ok());
        let whole = whole.ok_or_else(|| io::Error::other(format!("the price is {old:?}")))?;
        let new = whole * PRICE_FACTOR;
        params["min_base_gas_price"] = format!("{new}.000000000000000000").into();
        self.pass(json!({"@type": "/feemarket.feemarket.v1.MsgParams", "params": params}))?;
        let before = Instant::now();
        loop {
            let price = self.rest.gas_price(&self.url())?;
            if price == new {
                return Ok(());
            }
            if before.elapsed() > VOTE_TIME_MAX {
                return Err(self.failed(&format!("the price is {price}")));
            }
            thread::sleep(LOOK_EVERY);
        }
    }

    fn upgrade(&self, height: u64, frozen: &mut dyn FnMut()) -> io::Result<()> {
        let next = self.next.clone();
        let next = next.ok_or_else(|| io::Error::other("there is no next version"))?;
        self.pass(messages::upgrade(&next.name, height))?;
        let before = Instant::now();
        // At this height the node writes the file and freezes, but goes on answering. The new
        // version reads in the file what it has to change.
        let plan = self.home.join("data/upgrade-info.json");
        while !plan.exists() {
            if before.elapsed() > UPGRADE_TIME_MAX {
                return Err(self.failed("the upgrade's height was not reached"));
            }
            thread::sleep(LOOK_EVERY);
        }
        frozen();
        self.stop_node()?;
        self.running().node = next.node;
        self.start_node()
    }

    fn landed(&self, address: &str) -> io::Result<Vec<Landed>> {
        let mut all = Vec::new();
        for page in 1.. {
            let path = landed::path(address, page, PAGE);
            let (answer, _) = self
                .rest
                .get(&format!("http://127.0.0.1:{}/{path}", self.ports.rpc))?;
            let (found, total) = landed::page(&answer)?;
            all.extend(found);
            if u64::try_from(page * PAGE).is_ok_and(|read| read >= total) {
                break;
            }
        }
        all.sort_by_key(|landed| landed.height);
        Ok(all)
    }
}
