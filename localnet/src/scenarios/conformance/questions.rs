//! The questions: every route that a worker asks, and the refusals that it knows.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::super::rest::{Rest, number};
use super::super::test_chain::{CHAIN_ID, TestChain};
use super::compare::Answered;
use crate::chain::bytes;
use crate::chain::message::Api;
use crate::signer::{Terms, Wallet};

/// Longest wait for a window or a block.
const TIME_MAX: Duration = Duration::from_secs(90);
const LOOK_EVERY: Duration = Duration::from_millis(150);
/// A topic that does not exist, and an address with an invalid checksum.
const NO_TOPIC: u64 = 999;
const NO_ADDRESS: &str = "allo1jjj3dl4kqpu4n2efjx5mr9dr04rjl4gdkl8ujr";
const GAS: u64 = 400_000;
/// Twice the lowest price of a node.
const PRICE_UALLO: u128 = 20;

/// The wallets that take part.
pub(super) struct Cast {
    worker: Wallet,
    /// Funded, but never registered.
    other: Wallet,
    /// Never funded.
    poor: Wallet,
}

impl Cast {
    pub(super) fn new() -> Result<Cast, k256::ecdsa::Error> {
        Ok(Cast {
            worker: Wallet::new(7)?,
            other: Wallet::new(8)?,
            poor: Wallet::new(9)?,
        })
    }

    pub(super) fn funded(&self) -> Vec<String> {
        let funded = [&self.worker, &self.other];
        funded.map(|wallet| wallet.address.clone()).into()
    }
}

/// Asks all questions of one chain.
pub(super) fn answers(chain: &dyn TestChain, cast: &Cast) -> io::Result<Vec<Answered>> {
    let mut asking = Asking {
        url: chain.url(),
        api: chain.api(),
        rest: Rest::new(),
        cast,
        answers: Vec::new(),
    };
    asking.ask_routes("at the start")?;
    asking.ask_registrations()?;
    let nonce = asking.next_window()?;
    asking.ask_routes("in a window")?;
    asking.ask_refusals(nonce)?;
    if asking.api == Api::V10 {
        asking.ask_labels(nonce)?;
    }
    asking.ask_payloads(nonce)?;
    asking.ask_routes("with an inference")?;
    Ok(asking.answers)
}

struct Asking<'a> {
    url: String,
    api: Api,
    rest: Rest,
    cast: &'a Cast,
    answers: Vec<Answered>,
}

impl Asking<'_> {
    /// Keeps an answer for the comparison, and returns its body.
    fn keep(&mut self, name: String, status: u16, body: &[u8]) -> Value {
        let text = || Value::from(String::from_utf8_lossy(body).into_owned());
        let body = serde_json::from_slice(body).unwrap_or_else(|_| text());
        self.answers.push(Answered {
            name,
            status,
            body: body.clone(),
        });
        body
    }

    fn get(&mut self, name: String, path: &str) -> io::Result<Value> {
        let answer = self.rest.ask(&format!("{}{path}", self.url), None)?;
        Ok(self.keep(name, answer.status, &answer.body))
    }

    fn post(&mut self, name: String, path: &str, body: &Value) -> io::Result<Value> {
        let body = body.to_string();
        let url = format!("{}{path}", self.url);
        let answer = self.rest.post(&url, body.as_bytes())?;
        Ok(self.keep(name, answer.status, &answer.body))
    }

    /// Every route that a worker asks, with what is there and with what is not.
    fn ask_routes(&mut self, when: &str) -> io::Result<()> {
        let (api, worker) = (self.api.name(), self.cast.worker.address.clone());
        let poor = self.cast.poor.address.clone();
        let other_api = match self.api {
            Api::V9 => "v10",
            Api::V10 => "v9",
        };
        let status = format!("/emissions/{api}/worker_submission_window_status");
        let mut paths = vec![
            format!("/emissions/{other_api}/params"),
            format!("/emissions/{api}/params"),
            format!("/emissions/{api}/topics/abc"),
            format!("{status}/1?address={NO_ADDRESS}"),
            format!("{status}/2?address={worker}"),
            format!("/emissions/{api}/inferer_score_ema/1/{poor}"),
            format!("/cosmos/auth/v1beta1/account_info/{NO_ADDRESS}"),
            format!("/cosmos/bank/v1beta1/balances/{NO_ADDRESS}/by_denom?denom=uallo"),
            format!("/cosmos/feegrant/v1beta1/allowance/{poor}/{worker}"),
            format!("/cosmos/tx/v1beta1/txs/{}", "0".repeat(64)),
            "/cosmos/base/tendermint/v1beta1/syncing".to_owned(),
            "/cosmos/base/node/v1beta1/status".to_owned(),
            "/cosmos/upgrade/v1beta1/module_versions?module_name=emissions".to_owned(),
            "/cosmos/upgrade/v1beta1/current_plan".to_owned(),
            "/feemarket/v1/gas_price/uallo".to_owned(),
        ];
        for topic in [1, NO_TOPIC] {
            paths.push(format!("/emissions/{api}/topics/{topic}"));
            paths.push(format!("{status}/{topic}?address={worker}"));
            for route in [
                "latest_inferences",
                "is_topic_active",
                "unfulfilled_worker_nonces",
            ] {
                paths.push(format!("/emissions/{api}/{route}/{topic}"));
            }
            for route in [
                "inferer_score_ema",
                "forecaster_score_ema",
                "worker_registered",
                "can_submit_worker_payload",
            ] {
                paths.push(format!("/emissions/{api}/{route}/{topic}/{worker}"));
            }
        }
        for address in [worker, poor] {
            paths.push(format!("/cosmos/auth/v1beta1/account_info/{address}"));
            paths.push(format!(
                "/cosmos/bank/v1beta1/balances/{address}/by_denom?denom=uallo"
            ));
        }
        for path in paths {
            self.get(format!("{when}: {path}"), &path)?;
        }
        Ok(())
    }

    fn ask_registrations(&mut self) -> io::Result<()> {
        let worker = &self.cast.worker;
        let raw = worker.register(1, &self.terms(worker)?);
        self.play("a registration, the account's first transaction", &raw)?;
        let raw = worker.register(1, &self.terms(worker)?);
        self.play("a registration that is there", &raw)?;
        let raw = worker.register(NO_TOPIC, &self.terms(worker)?);
        self.play("a registration in a topic that is not there", &raw)?;
        for (name, topic) in [("second", 2), ("third", 3)] {
            let raw = worker.register(topic, &self.terms(worker)?);
            self.play(&format!("a registration in a {name} topic"), &raw)?;
        }
        Ok(())
    }

    /// What a simulation or CheckTx refuses at no cost.
    fn ask_refusals(&mut self, nonce: u64) -> io::Result<()> {
        let Cast {
            worker,
            other,
            poor,
        } = self.cast;
        let terms = self.terms(worker)?;
        let others = self.terms(other)?;
        let payload = |topic, nonce, terms: &Terms| worker.payload(topic, nonce, "12.5", terms);
        for (name, raw) in [
            ("a closed window", payload(1, nonce + 1, &terms)),
            (
                "a topic that is not there",
                payload(NO_TOPIC, nonce, &terms),
            ),
            ("a whitelist", payload(2, nonce, &terms)),
            ("no registration", other.payload(1, nonce, "12.5", &others)),
            (
                "a value that is not canonical",
                worker.payload(1, nonce, "1e5", &terms),
            ),
            (
                "a value that is no number",
                worker.payload(1, nonce, "NaN", &terms),
            ),
        ] {
            self.simulate(&format!("{name}: simulation"), &raw)?;
        }
        let changed = |change: &dyn Fn(&mut Terms)| {
            let mut changed = terms.clone();
            change(&mut changed);
            payload(1, nonce, &changed)
        };
        let other_api = match self.api {
            Api::V9 => Api::V10,
            Api::V10 => Api::V9,
        };
        for (name, raw) in [
            ("too low a fee", changed(&|terms| terms.fee_uallo = 10)),
            ("too high a sequence", changed(&|terms| terms.sequence += 5)),
            (
                "another chain",
                changed(&|terms| terms.chain_id = "other".to_owned()),
            ),
            (
                "a timeout that is over",
                changed(&|terms| terms.timeout_height = 1),
            ),
            (
                "too long a memo",
                changed(&|terms| terms.memo = "m".repeat(257)),
            ),
            ("another version", changed(&|terms| terms.api = other_api)),
            ("no gas", changed(&|terms| terms.gas_limit = 0)),
            (
                "a grant that is not there",
                changed(&|terms| terms.granter = other.address.clone()),
            ),
            (
                "too much for the balance",
                changed(&|terms| terms.fee_uallo = u128::MAX / 2),
            ),
            (
                "an account that is not there",
                poor.payload(1, nonce, "12.5", &terms),
            ),
        ] {
            self.simulate(&format!("{name}: simulation"), &raw)?;
            self.broadcast(&format!("{name}: CheckTx"), &raw)?;
        }
        Ok(())
    }

    /// Labelled values, those that the topic takes last: it has the labels up, down and flat, which
    /// add up to 1.
    fn ask_labels(&mut self, nonce: u64) -> io::Result<()> {
        let worker = &self.cast.worker;
        let terms = self.terms(worker)?;
        let labels = |values: &[(&str, &str)]| worker.labelled(3, nonce, values, &terms);
        for (name, raw) in [
            ("an unknown label", labels(&[("sideways", "1")])),
            ("a label twice", labels(&[("up", "0.5"), ("up", "0.5")])),
            ("an empty label", labels(&[("", "1")])),
            ("too many labels", labels(&[("up", "1"); 9])),
            (
                "a sum that is not 1",
                labels(&[("up", "0.5"), ("down", "0.7")]),
            ),
            ("default values only", labels(&[("up", "0")])),
            ("no labels", worker.payload(3, nonce, "12.5", &terms)),
            (
                "a label for one number",
                worker.labelled(1, nonce, &[("up", "1")], &terms),
            ),
        ] {
            self.simulate(&format!("{name}: simulation"), &raw)?;
        }
        let raw = labels(&[("up", "0.3"), ("down", "0.3"), ("flat", "0.4")]);
        self.play("labelled values", &raw)
    }

    /// A payload, a second one for the same nonce, and a forecast.
    fn ask_payloads(&mut self, nonce: u64) -> io::Result<()> {
        let worker = &self.cast.worker;
        let raw = worker.payload(1, nonce, "12.5", &self.terms(worker)?);
        self.play("a payload", &raw)?;
        self.broadcast("the same payload: CheckTx", &raw)?;
        let raw = worker.payload(1, nonce, "12.75", &self.terms(worker)?);
        self.play("a second payload", &raw)?;
        let elements = [(worker.address.as_str(), "0.5")];
        let raw = worker.forecast(1, nonce, &elements, &self.terms(worker)?);
        self.play("a forecast alone", &raw)
    }

    /// A wallet's next transaction.
    fn terms(&self, wallet: &Wallet) -> io::Result<Terms> {
        let path = format!("/cosmos/auth/v1beta1/account_info/{}", wallet.address);
        let (answer, _) = self.rest.get(&format!("{}{path}", self.url))?;
        Ok(Terms {
            api: self.api,
            chain_id: CHAIN_ID.to_owned(),
            account_number: number(&answer["info"]["account_number"])?,
            gas_limit: GAS,
            fee_uallo: u128::from(GAS) * PRICE_UALLO,
            ..Terms::at(number(&answer["info"]["sequence"])?)
        })
    }

    /// Simulates a transaction, sends it and waits for its block.
    fn play(&mut self, name: &str, raw: &[u8]) -> io::Result<()> {
        self.simulate(&format!("{name}: simulation"), raw)?;
        let answer = self.broadcast(&format!("{name}: CheckTx"), raw)?;
        let hash = answer["tx_response"]["txhash"].as_str().unwrap_or_default();
        let url = format!("{}/cosmos/tx/v1beta1/txs/{hash}", self.url);
        let answer = wait(&format!("block with {name}"), || {
            let answer = self.rest.ask(&url, None)?;
            Ok((answer.status == 200).then_some(answer))
        })?;
        self.keep(format!("{name}: block"), answer.status, &answer.body);
        Ok(())
    }

    fn simulate(&mut self, name: &str, raw: &[u8]) -> io::Result<Value> {
        let body = json!({"tx_bytes": bytes::base64(raw)});
        self.post(name.to_owned(), "/cosmos/tx/v1beta1/simulate", &body)
    }

    fn broadcast(&mut self, name: &str, raw: &[u8]) -> io::Result<Value> {
        let body = json!({"tx_bytes": bytes::base64(raw), "mode": "BROADCAST_MODE_SYNC"});
        self.post(name.to_owned(), "/cosmos/tx/v1beta1/txs", &body)
    }

    /// Waits for the next window of topic 1 that opens from now on; returns its nonce.
    fn next_window(&self) -> io::Result<u64> {
        let api = self.api.name();
        let path = format!("emissions/{api}/unfulfilled_worker_nonces/1");
        let open = || -> io::Result<Option<u64>> {
            let (answer, _) = self.rest.get(&format!("{}/{path}", self.url))?;
            let nonce = answer["nonces"]["nonces"].get(0);
            nonce
                .map(|nonce| number(&nonce["block_height"]))
                .transpose()
        };
        wait("end of a window", || Ok(open()?.is_none().then_some(())))?;
        wait("window", open)
    }
}

/// Waits until `look` gives something.
fn wait<T>(what: &str, mut look: impl FnMut() -> io::Result<Option<T>>) -> io::Result<T> {
    let until = Instant::now() + TIME_MAX;
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        if Instant::now() >= until {
            let time_s = TIME_MAX.as_secs();
            return Err(io::Error::other(format!("no {what} within {time_s} s")));
        }
        thread::sleep(LOOK_EVERY);
    }
}
