//! The chain over its sockets: what a client sees, with and without faults.

#![expect(
    clippy::unwrap_used,
    reason = "in helpers of a test, a panic is its failure"
)]

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use allora_localnet::play::faults::Fault;
use allora_localnet::play::handle::Upgrade;
use allora_localnet::play::options::NodeOptions;
use allora_localnet::play::rules::Rule;
use allora_localnet::server::answer::Answer;
use allora_localnet::{Api, Localnet, Options};

const LIMIT: Duration = Duration::from_secs(20);
const HEIGHT: &str = "Grpc-Metadata-X-Cosmos-Block-Height";

fn agent() -> ureq::Agent {
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(Duration::from_secs(2)))
        .build();
    config.into()
}

/// Status, height header and body.
fn get(agent: &ureq::Agent, url: &str) -> Result<(u16, Option<u64>, String), ureq::Error> {
    let mut answer = agent.get(url).call()?;
    let height = answer
        .headers()
        .get(HEIGHT)
        .map(|h| h.to_str().unwrap().parse().unwrap());
    let body = answer.body_mut().read_to_string()?;
    Ok((answer.status().as_u16(), height, body))
}

fn manual() -> Options {
    Options {
        block_time: None,
        ..Options::default()
    }
}

#[test]
fn queries_are_answered_over_one_connection_and_counted() {
    let localnet = Localnet::start(&manual()).unwrap();
    let agent = agent();
    let status = format!(
        "{}/emissions/v10/worker_submission_window_status/1",
        localnet.url()
    );
    for _ in 0..5 {
        let (code, height, body) = get(&agent, &status).unwrap();
        assert_eq!((code, height), (200, Some(100)), "{body}");
    }
    assert_eq!(localnet.block_now(), Some(101));
    assert_eq!(get(&agent, &status).unwrap().1, Some(101));
    let missing = format!("{}/emissions/v9/params", localnet.url());
    let (code, height, body) = get(&agent, &missing).unwrap();
    assert_eq!((code, height), (501, None), "{body}");

    let report = localnet.report();
    assert_eq!(report.requests_to("worker_submission_window_status/{}"), 6);
    assert_eq!(report.requests_total, 7);
    assert_eq!(report.connections, 1);
    let page = get(&agent, &format!("{}/localnet/report", localnet.url()))
        .unwrap()
        .2;
    let page: serde_json::Value = serde_json::from_str(&page).unwrap();
    assert_eq!(page["height"], 101);
    assert_eq!(page["requests_total"], 7);
}

#[test]
fn an_older_height_can_be_asked_for() {
    let localnet = Localnet::start(&manual()).unwrap();
    localnet.blocks_until(105);
    let url = format!(
        "{}/emissions/v10/worker_submission_window_status/1",
        localnet.url()
    );
    let mut answer = agent()
        .get(&url)
        .header("x-cosmos-block-height", "102")
        .call()
        .unwrap();
    assert_eq!(answer.headers()[HEIGHT], "102");
    let body = answer.body_mut().read_to_string().unwrap();
    assert!(body.contains("\"is_open\":false"), "{body}");
}

#[test]
fn blocks_are_made_and_windows_open() {
    let block_time = Some(Duration::from_millis(20));
    let options = Options {
        block_time,
        ..Options::default()
    }
    .with_topics(3, 12, 6);
    let localnet = Localnet::start(&options).unwrap();
    assert!(localnet.wait_for(LIMIT, |report| report.windows_opened() >= 6));
    let report = localnet.report();
    assert_eq!(report.windows(1)[0].nonce, 103);
    assert_eq!(report.windows(2)[0].nonce, 107);
    assert_eq!(report.windows(3)[0].nonce, 111);
    assert!(report.windows(1)[0].closed);
    assert_eq!(report.windows_served(), 0);
}

#[test]
fn each_fault_of_an_answer_reaches_the_client() {
    let localnet = Localnet::start(&manual()).unwrap();
    let url = format!("{}/cosmos/base/tendermint/v1beta1/syncing", localnet.url());
    let agent = agent();
    let play = |fault: Fault| {
        localnet.fault(Rule::new(fault).on("syncing").times(1));
        let answer = get(&agent, &url);
        let after = get(&agent, &url).unwrap();
        assert_eq!(after.0, 200, "the fault holds once");
        answer
    };
    assert!(play(Fault::Close).is_err());
    assert!(play(Fault::CutAfter(30)).is_err());
    assert!(play(Fault::Hang(LIMIT)).is_err());
    let started = Instant::now();
    assert_eq!(
        play(Fault::Delay(Duration::from_millis(80))).unwrap().0,
        200
    );
    assert!(started.elapsed() >= Duration::from_millis(80));
    assert!(play(Fault::Html).unwrap().2.starts_with("<!DOCTYPE html>"));
    assert!(play(Fault::WrongJson).unwrap().2.contains("unexpected"));
    assert_eq!(play(Fault::EmptyOk).unwrap().2, "");
    assert_eq!(play(Fault::Status(429, Some(2))).unwrap().0, 429);
    assert_eq!(play(Fault::Status(503, None)).unwrap().0, 503);
    assert_eq!(
        play(Fault::OldHeight(3)).unwrap().1,
        Some(100),
        "no older state is known yet"
    );
    let faults = localnet.report().faults;
    assert_eq!(faults["status_429_retry_after"], 1);
    assert_eq!(faults.values().sum::<u64>(), 10);
}

#[test]
fn a_node_that_is_down_refuses_and_comes_back_on_its_port() {
    let options = Options {
        nodes: vec![NodeOptions::default(); 2],
        ..manual()
    };
    let localnet = Localnet::start(&options).unwrap();
    let agent = agent();
    let url = |node| {
        format!(
            "{}/cosmos/base/tendermint/v1beta1/syncing",
            localnet.node_url(node)
        )
    };
    assert_eq!(get(&agent, &url(0)).unwrap().0, 200);
    localnet.set_node_up(0, false);
    let refused = |answer: Result<_, ureq::Error>| match answer {
        Err(ureq::Error::Io(error)) => error.kind() == io::ErrorKind::ConnectionRefused,
        _ => false,
    };
    let until = Instant::now() + LIMIT;
    while !refused(get(&agent, &url(0))) {
        assert!(Instant::now() < until, "the port goes on answering");
    }
    assert_eq!(get(&agent, &url(1)).unwrap().0, 200);
    localnet.set_node_up(0, true);
    let until = Instant::now() + LIMIT;
    while get(&agent, &url(0)).is_err() {
        assert!(Instant::now() < until, "the port does not come back");
    }
}

#[test]
fn a_port_that_refuses_connections_opens_again() {
    let localnet = Localnet::start(&manual()).unwrap();
    let agent = agent();
    let url = format!("{}/cosmos/base/tendermint/v1beta1/syncing", localnet.url());
    localnet.fault(Rule::new(Fault::Refuse(Duration::from_millis(100))).times(1));
    assert!(get(&agent, &url).is_err());
    let until = Instant::now() + LIMIT;
    while get(&agent, &url).is_err() {
        assert!(Instant::now() < until, "the port does not come back");
    }
}

#[test]
fn the_model_answers_and_its_answers_can_be_prepared() {
    let localnet = Localnet::start(&manual()).unwrap();
    let agent = agent();
    let url = localnet.model_url(2);
    localnet.prepare_model(2, [Answer::text(500, "text/plain", "no")]);
    assert_eq!(get(&agent, &url).unwrap().0, 500);
    let (status, _, body) = get(&agent, &url).unwrap();
    assert_eq!(status, 200);
    let number = body.trim().trim_matches('"');
    assert!(number.parse::<f64>().is_ok(), "{body}");
    localnet.fault(
        Rule::new(Fault::Body(200, b"NaN".to_vec()))
            .on("MODEL")
            .times(1),
    );
    assert_eq!(get(&agent, &url).unwrap().2, "NaN");
    assert_eq!(localnet.report().model_requests["/topic/2"], 3);
}

#[test]
fn an_upgrade_freezes_refuses_half_answers_and_recovers() {
    let step = Duration::from_millis(300);
    let block_time = Some(Duration::from_millis(20));
    let options = Options {
        api: Api::V9,
        block_time,
        ..Options::default()
    };
    let mut localnet = Localnet::start(&options).unwrap();
    let upgrade = Upgrade {
        height: 106,
        frozen: step,
        down: step,
        half_up: step,
    };
    localnet.upgrade_at(upgrade).unwrap();
    let agent = agent();
    let ask = |path: &str| get(&agent, &format!("{}{path}", localnet.url()));
    let mut seen = Vec::new();
    let until = Instant::now() + LIMIT;
    while Instant::now() < until {
        let v9 = ask("/emissions/v9/params").map_or(0, |a| a.0);
        let v10 = ask("/emissions/v10/params").map_or(0, |a| a.0);
        if seen.last() != Some(&(v9, v10)) {
            seen.push((v9, v10));
        }
        if (v9, v10) == (501, 200) {
            break;
        }
    }
    assert_eq!(seen.first(), Some(&(200, 501)), "{seen:?}");
    assert!(seen.contains(&(0, 0)), "{seen:?}");
    assert!(seen.contains(&(501, 503)), "{seen:?}");
    assert_eq!(seen.last(), Some(&(501, 200)), "{seen:?}");
    assert!(localnet.wait_for(LIMIT, |report| report.height > 106 && report.api == "v10"));
}

#[test]
fn the_error_for_a_taken_port_names_it() {
    let localnet = Localnet::start(&manual()).unwrap();
    let taken: SocketAddr = localnet
        .url()
        .trim_start_matches("http://")
        .parse()
        .unwrap();
    let nodes = vec![NodeOptions {
        listen: taken,
        ..NodeOptions::default()
    }];
    let error = Localnet::start(&Options { nodes, ..manual() })
        .err()
        .unwrap();
    assert!(error.to_string().contains(&taken.to_string()), "{error}");
}

#[test]
fn delayed_answers_do_not_wait_for_each_other() {
    const CLIENTS: u32 = 8;
    let delay = Duration::from_millis(400);
    let options = Options {
        delay,
        trace: true,
        ..manual()
    };
    let localnet = Localnet::start(&options).unwrap();
    let url = format!("{}/cosmos/base/tendermint/v1beta1/syncing", localnet.url());
    let started = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| assert_eq!(get(&agent(), &url).unwrap().0, 200));
        }
    });
    let took = started.elapsed();
    assert!(took >= delay, "{took:?}");
    assert!(took < delay * CLIENTS, "one after the other: {took:?}");

    assert_eq!(get(&agent(), &localnet.model_url(1)).unwrap().0, 200);
    let trace = localnet.trace();
    assert_eq!((trace.chain.len(), trace.model.len()), (8, 1));
    let first = &trace.chain[0];
    assert_eq!(first.route, "GET /cosmos/base/tendermint/v1beta1/syncing");
    assert_eq!(first.answered, first.at + delay);
    let model = &trace.model[0];
    assert_eq!(model.route, "/topic/1");
    assert_eq!(model.answered, model.at, "the model's delay is its own");
}

#[test]
fn bytes_are_counted_with_headers() {
    let localnet = Localnet::start(&manual()).unwrap();
    let path = "/cosmos/base/tendermint/v1beta1/syncing";
    let body = get(&agent(), &format!("{}{path}", localnet.url()))
        .unwrap()
        .2;
    assert!(localnet.wait_for(LIMIT, |report| report.bytes_sent > 0));
    let report = localnet.report();
    assert_eq!(report.answer_bytes, u64::try_from(body.len()).unwrap());
    assert!(report.bytes_sent > report.answer_bytes);
    assert!(report.bytes_received > u64::try_from(path.len()).unwrap());
    assert!(localnet.trace().chain.is_empty(), "nobody asked for it");
}
