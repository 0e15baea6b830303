//! Tests of lies: each affects its routes, changes the answer, and follows from its seed.

use std::collections::BTreeSet;
use std::time::SystemTime;

use serde_json::{Value, json};

use super::*;
use crate::api::routes::{Twist, answer};
use crate::chain::Chain;
use crate::play::options::Options;
use crate::server::answer::Request;

const ADDRESS: &str = "allo15yk64u7zc9g9k2yr2wmzeva5qgwxps6ygp4vw8";

/// A chain at block 100 that knows the blocks before.
fn chain() -> Chain {
    let options = Options {
        start_height: 96,
        ..Options::default()
    };
    let mut chain = options.with_account(ADDRESS, 1_000).chain();
    while chain.state.height < 100 {
        chain.make_block(SystemTime::now()).unwrap();
    }
    chain
}

fn get(path: &str, query: &str) -> Request {
    Request {
        method: "GET".to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        ..Request::default()
    }
}

fn broadcast() -> Request {
    Request {
        method: "POST".to_owned(),
        path: "/cosmos/tx/v1beta1/txs".to_owned(),
        body: json!({"tx_bytes": "AAEC", "mode": "BROADCAST_MODE_SYNC"})
            .to_string()
            .into_bytes(),
        ..Request::default()
    }
}

/// A request to each route that a lie can affect.
fn requests() -> Vec<Request> {
    let of_worker = |name: &str| get(&format!("/emissions/v10/{name}/1/{ADDRESS}"), "");
    let mut simulate = broadcast();
    simulate.path = "/cosmos/tx/v1beta1/simulate".to_owned();
    vec![
        get(
            "/emissions/v10/worker_submission_window_status/1",
            &format!("address={ADDRESS}"),
        ),
        get("/emissions/v10/topics/1", ""),
        of_worker("inferer_score_ema"),
        get("/emissions/v10/params", ""),
        get("/cosmos/base/tendermint/v1beta1/node_info", ""),
        get("/cosmos/base/tendermint/v1beta1/syncing", ""),
        get(&format!("/cosmos/auth/v1beta1/account_info/{ADDRESS}"), ""),
        get(
            &format!("/cosmos/bank/v1beta1/spendable_balances/{ADDRESS}/by_denom"),
            "denom=uallo",
        ),
        get("/feemarket/v1/gas_price/uallo", ""),
        get(&format!("/cosmos/tx/v1beta1/txs/{}", "AB".repeat(32)), ""),
        simulate,
        broadcast(),
    ]
}

/// What a strategy makes of the answer to a request, and whether the chain was asked.
fn told(strategy: &Strategy, request: &Request) -> (Play, Option<Effect>) {
    let (mut chain, mut asked_chain) = (chain(), None);
    let route = request.route();
    let asked = Asked {
        request,
        route: &route,
        height: chain.state.height,
        elapsed: Duration::from_secs(3),
    };
    let play = strategy.tell(asked, |effect| {
        asked_chain = Some(effect);
        if route == SIMULATE {
            // These bytes are no transaction.
            return Answer::ok(&json!({"gas_info": {"gas_used": "100000"}}), Some(100));
        }
        answer(&mut chain, 0, request, effect.twist())
    });
    (play, asked_chain)
}

fn one(name: &str, number: u64) -> Strategy {
    Strategy::of(vec![Lie::named(name, number).unwrap()])
}

fn honest(request: &Request) -> Play {
    told(&Strategy::default(), request).0
}

fn differs(one: &Play, other: &Play) -> bool {
    one.interim != other.interim || one.answer != other.answer
}

#[test]
fn every_lie_changes_an_answer_on_its_routes_and_no_other() {
    for name in Lie::names() {
        let mut changed = 0;
        for request in requests() {
            let route = request.route();
            for number in 0..12 {
                let strategy = one(name, number);
                let (play, _) = told(&strategy, &request);
                let is_changed = differs(&play, &honest(&request));
                assert!(!is_changed || strategy.affects(&route), "{name}: {route}");
                changed += u32::from(is_changed);
            }
        }
        assert!(changed > 0, "{name} changes nothing");
    }
}

#[test]
fn the_same_seed_gives_the_same_schedule() {
    let (second, minute) = (Duration::from_secs(1), Duration::from_secs(60));
    let draw = |seed| {
        schedule(
            &mut Rng::with_seed(seed),
            (second, minute),
            (second, 5 * second),
        )
    };
    assert_eq!(draw(7), draw(7));
    assert_ne!(draw(7), draw(8));
    let spans = draw(7);
    assert_eq!(spans.first().unwrap().from, second);
    assert_eq!(spans.last().unwrap().to, minute);
    assert!(spans.windows(2).all(|pair| pair[0].to == pair[1].from));
}

#[test]
fn every_lie_is_drawn_alone_and_with_others() {
    let mut random = Rng::with_seed(1);
    let drawn: Vec<Strategy> = (0..1_000).map(|_| Strategy::draw(&mut random)).collect();
    let alone = drawn.iter().filter(|strategy| strategy.lies().len() == 1);
    let alone: BTreeSet<String> = alone.map(Strategy::name).collect();
    assert_eq!(alone.len(), DRAWN);
    assert!(drawn.iter().any(|strategy| strategy.lies().len() > 2));
}

#[test]
fn a_refused_transaction_is_forwarded_or_kept() {
    let kept = 1 << 32;
    assert_eq!(
        told(&one("fee", 0), &broadcast()).1,
        Some(Effect::Forwarded)
    );
    assert_eq!(told(&one("fee", kept), &broadcast()).1, Some(Effect::Kept));
    assert_eq!(
        told(&one("swallow", 0), &broadcast()).1,
        Some(Effect::Doomed)
    );
    let (play, _) = told(&one("fee", 0), &broadcast());
    let body: Value = serde_json::from_slice(&play.answer.body).unwrap();
    let text = body["tx_response"]["raw_log"].as_str().unwrap();
    assert!(
        text.contains("required: 999999000000000000000000uallo"),
        "{text}"
    );
}

#[test]
fn a_lagging_node_answers_one_route_from_earlier_blocks() {
    for (number, blocks) in [(0, 1), (4, 2), (9, 3)] {
        let lag = one("lag", number);
        let changed = requests().into_iter().map(|request| {
            let (_, effect) = told(&lag, &request);
            (effect == Some(Effect::Late(blocks))).then(|| request.route())
        });
        let changed: Vec<_> = changed.flatten().collect();
        assert_eq!(changed.len(), 1, "{changed:?}");
    }
}

#[test]
fn invented_windows_fit_the_invented_heights() {
    let lies = ["height", "window"].map(|name| Lie::named(name, 4).unwrap());
    let mut lies = lies.to_vec();
    lies[1].number = 0;
    let (play, _) = told(&Strategy::of(lies), &requests()[0]);
    assert_eq!(play.answer.height, Some(200), "the chain is at 100");
    let body: Value = serde_json::from_slice(&play.answer.body).unwrap();
    assert_eq!(body["current_nonce_block_height"], "200");
    assert_eq!(body["window_end_block"], "202");
}

/// The windows and lengths that an invented schedule names at a height.
fn scheduled(number: u64, height: u64) -> (u64, Value) {
    windows_told("schedule", number, height)
}

fn windows_told(name: &str, number: u64, height: u64) -> (u64, Value) {
    let lie = one(name, number);
    let [status, topic] = [&requests()[0], &requests()[1]].map(|request| {
        let mut chain = chain();
        let route = request.route();
        let asked = Asked {
            request,
            route: &route,
            height,
            elapsed: Duration::ZERO,
        };
        let play = lie.tell(asked, |_| answer(&mut chain, 0, request, Twist::default()));
        serde_json::from_slice::<Value>(&play.answer.body).unwrap()
    });
    let epoch = topic["topic"]["epoch_length"].as_str().unwrap();
    (epoch.parse().unwrap(), status)
}

#[test]
fn an_invented_schedule_fits_its_own_lengths() {
    let number =
        |status: &Value, field: &str| -> u64 { status[field].as_str().unwrap().parse().unwrap() };
    for detail in 0..40_u64 {
        let mut opened = 0;
        for height in 100..200 {
            let (epoch, status) = scheduled(detail << 16 | detail << 10, height);
            let next = number(&status, "next_window_start_block");
            assert!((height + 1..=height + epoch).contains(&next), "{status}");
            if status["is_open"] == true {
                let open = number(&status, "current_nonce_block_height");
                assert_eq!(open + epoch, next);
                opened += 1;
            }
        }
        assert!(opened > 10, "{detail}: {opened}");
    }
    let (epoch, status) = scheduled(1, 100);
    assert_eq!(epoch, 1_000_000);
    assert!(number(&status, "next_window_start_block") <= 100 + epoch);
    let slides = |height| number(&scheduled(2, height).1, "next_window_start_block");
    assert_eq!((slides(100), slides(101)), (150, 151));
    let (_, status) = scheduled(3, 100);
    assert_eq!(status["next_window_start_block"], "0");
    assert_eq!(status["is_topic_active"], true);
    let (epoch, status) = windows_told("overdue", 10 << 8, 100);
    assert_eq!((epoch, status["is_open"].as_bool()), (20, Some(false)));
    assert_eq!(number(&status, "next_window_start_block"), 20);
    assert_eq!(number(&status, "next_window_end_block"), 32);
}
