//! Observing the worker: metrics, health, the JSON status, and the service manager.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

use allora_localnet::chain::message::Api;
use allora_localnet::play::faults::Fault;
use allora_localnet::play::rules::Rule;
use serde_json::{Value, json};

use crate::support::*;

/// The first window's nonce, late enough to observe the worker before it.
const FIRST: u64 = START + 15;

/// A registered worker whose topics each have one window, which opens at [`FIRST`].
fn scene(topics: u64) -> Scene {
    scene_from(topics, FIRST)
}

/// Like [`scene`], with windows that open at `first`.
fn scene_from(topics: u64, first: u64) -> Scene {
    let topics = (1..=topics).map(|id| one_window(id, first)).collect();
    let mut scene = Scene::new(Api::V10, topics);
    scene.register();
    scene.config["metrics_listen"] = json!("127.0.0.1:0");
    scene
}

/// The address of the metrics server, from the worker's log.
pub(crate) fn metrics_address(worker: &Worker) -> SocketAddr {
    let line = worker.wait_for_line("metrics: http://");
    let rest = line.split_once("http://").unwrap().1;
    rest.split_once('/').unwrap().0.parse().unwrap()
}

/// The status and body of a GET request.
pub(crate) fn get(address: SocketAddr, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: {address}\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap();
    (status.parse().unwrap(), body.to_owned())
}

/// Every sample by its name and labels; asserts that the format is valid.
fn metrics(address: SocketAddr) -> BTreeMap<String, String> {
    let (status, body) = get(address, "/metrics");
    assert_eq!(status, 200);
    assert!(body.ends_with("\n# EOF\n"), "the answer is cut off");
    let mut samples = BTreeMap::new();
    let mut family = String::new();
    for line in body.lines() {
        if let Some(declared) = line.strip_prefix("# TYPE ") {
            family = declared.split(' ').next().unwrap().to_owned();
        } else if !line.starts_with('#') {
            let (name, value) = line.rsplit_once(' ').unwrap();
            assert!(name.starts_with(&family), "{line} under {family}");
            let before = samples.insert(name.to_owned(), value.to_owned());
            assert_eq!(before, None, "{name} appears twice");
        }
    }
    samples
}

/// Waits until the worker's metrics meet a condition.
fn wait_for(
    address: SocketAddr,
    what: &str,
    condition: impl Fn(&BTreeMap<String, String>) -> bool,
) {
    let until = Instant::now() + LIMIT;
    while !condition(&metrics(address)) {
        assert!(Instant::now() < until, "waited for {what}");
    }
}

const INCLUDED: &str = r#"allora_worker_outcomes_total{topic="1",outcome="included"}"#;

#[test]
fn outcome_counters_start_at_0_and_count_the_first_window() {
    let mut scene = scene(2);
    let worker = scene.start();
    let address = metrics_address(&worker);
    let before = metrics(address);
    for topic in 1..=2 {
        for outcome in [
            "included",
            "not_admitted",
            "already_submitted",
            "missed",
            "refused",
            "skipped",
            "disputed",
        ] {
            let name =
                format!("allora_worker_outcomes_total{{topic=\"{topic}\",outcome=\"{outcome}\"}}");
            assert_eq!(before[&name], "0", "{name}");
        }
    }
    let success = r#"allora_worker_last_success_timestamp_seconds{topic="1"}"#;
    assert_eq!(before[success], "0");
    worker.wait_for_lines("included in block", 2);
    let after = metrics(address);
    assert_eq!(after[INCLUDED], "1");
    assert!(after[success].parse::<u64>().unwrap() > 1_700_000_000);
    let fees = scene.net.report().fees_uallo.to_string();
    for name in [
        "fees_offered_uallo_total",
        "fees_confirmed_uallo_total",
        "fees_signed_24h_uallo",
    ] {
        assert_eq!(after[&format!("allora_worker_{name}")], fees, "{name}");
    }
    let one = |name: &str| {
        let name = format!("allora_worker_{name}{{topic=\"1\"}}");
        assert_eq!(after[&name], "1", "{name}");
    };
    one("model_duration_seconds_count");
    one("inclusion_delay_blocks_count");
    one("window_open");
    let left = &after[r#"allora_worker_window_blocks_left_at_send{topic="1"}"#];
    assert!((1..=60).contains(&left.parse::<u64>().unwrap()), "{left}");
    for known in [
        "height",
        "gas_price_uallo",
        "balance_uallo",
        "max_fee_per_day_uallo",
        "start_time_seconds",
    ] {
        assert!(
            after.contains_key(&format!("allora_worker_{known}")),
            "{known}"
        );
    }
    let url = scene.net.url();
    let endpoint = format!("allora_worker_endpoint_in_use{{endpoint=\"{url}\"}}");
    assert_eq!(after[&endpoint], "1");
}

#[test]
fn counts_as_many_requests_as_the_chain_does() {
    let mut scene = scene(1);
    let worker = scene.start();
    let address = metrics_address(&worker);
    worker.wait_for_line("included in block");
    // The chain's counts before and after are the same, so no request came while metrics were read.
    let until = Instant::now() + LIMIT;
    let (report, metrics) = loop {
        let before = scene.net.report();
        let metrics = metrics(address);
        let after = scene.net.report();
        if before.requests == after.requests {
            break (after, metrics);
        }
        assert!(
            Instant::now() < until,
            "the worker never pauses between requests"
        );
    };
    for (route, path) in [
        ("window_status", "worker_submission_window_status"),
        ("account", "account_info"),
        ("simulate", "simulate"),
        ("broadcast", "POST /cosmos/tx/v1beta1/txs"),
        ("tx", "GET /cosmos/tx/v1beta1/txs/"),
        ("gas_price", "gas_price"),
        ("node_info", "node_info"),
    ] {
        let route = format!("allora_worker_requests_total{{route=\"{route}\",");
        let counted: u64 = metrics
            .iter()
            .filter(|(name, _)| name.starts_with(&route))
            .map(|(_, value)| value.parse::<u64>().unwrap())
            .sum();
        assert_eq!(counted, report.requests_to(path), "{route}");
    }
    let total = metrics["allora_worker_request_duration_seconds_count"].parse::<u64>();
    assert_eq!(total, Ok(report.requests_total));
}

#[test]
fn health_fails_while_no_endpoint_answers() {
    let mut scene = scene(1);
    scene.net.fault(Rule::new(Fault::Status(502, None)));
    let worker = scene.start();
    let address = metrics_address(&worker);
    let (status, reasons) = get(address, "/healthz");
    assert_eq!(status, 503);
    assert!(reasons.contains("topic 1: not polled yet"), "{reasons}");
    worker.wait_for_line("waiting: chain: no endpoint answers");
    let (status, reasons) = get(address, "/healthz");
    assert_eq!(status, 503);
    assert!(reasons.contains("chain: no endpoint answers"), "{reasons}");
    let waiting = r#"allora_worker_waiting{scope="chain",state="endpoint_down"}"#;
    assert_eq!(metrics(address)[waiting], "1");
    scene.net.clear_faults();
    wait_for(address, "health", |_| get(address, "/healthz").0 == 200);
    assert_eq!(get(address, "/healthz").1, "ready\n");
    assert!(!metrics(address).contains_key(waiting));
}

#[test]
fn the_json_status_has_every_fact_and_no_secret() {
    let mut scene = scene(2);
    let with_user = scene.net.url().replace("://", "://me:nodepassword@");
    scene.config["api_params"]["api_url"] = json!(with_user);
    let worker = scene.start();
    let address = metrics_address(&worker);
    worker.wait_for_lines("included in block", 2);
    let (status, body) = get(address, "/status.json");
    assert_eq!(status, 200);
    let state: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(state["address"], json!(scene.address));
    assert_eq!(state["endpoint"], json!(scene.net.url()));
    assert_eq!(state["emissions"], "v10");
    assert_eq!(state["ready"], true);
    assert_eq!(state["topics"].as_array().unwrap().len(), 2);
    let topic = &state["topics"][0];
    assert_eq!(topic["kind"], "single");
    assert_eq!(topic["included"], 1);
    assert_eq!(topic["last"]["outcome"], "included");
    assert_eq!(topic["last"]["nonce"], json!(FIRST));
    for page in ["/status.json", "/metrics", "/healthz"] {
        let (_, body) = get(address, page);
        assert!(!body.contains("nodepassword"), "{page}");
        assert!(!body.contains(&SEED_PHRASE[..20]), "{page}");
    }
}

#[test]
fn clients_that_hang_block_neither_the_worker_nor_the_next_client() {
    let mut scene = scene(1);
    let worker = scene.start();
    let address = metrics_address(&worker);
    let mut slow: Vec<TcpStream> = (0..2)
        .map(|_| TcpStream::connect(address).unwrap())
        .collect();
    for stream in &mut slow {
        stream.write_all(b"GET /metrics").unwrap();
    }
    assert_eq!(get(address, "/status.json").0, 200);
    let head = "HEAD /metrics HTTP/1.1\r\n\r\n";
    for (request, status) in [
        (head, "200"),
        ("GET /secrets HTTP/1.1\r\n\r\n", "404"),
        ("DELETE /metrics HTTP/1.1\r\n\r\n", "405"),
    ] {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert_eq!(answer.split(' ').nth(1), Some(status), "{request}");
        let body = answer.split_once("\r\n\r\n").unwrap().1;
        assert_eq!(body.is_empty(), request == head, "{request}");
    }
    worker.wait_for_line("included in block");
}

#[test]
fn exits_with_3_and_names_the_address_when_the_metrics_port_is_in_use() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let mut scene = scene(1);
    scene.config["metrics_listen"] = json!(address);
    let ended = scene.start().ended();
    assert_eq!(ended.code(), 3, "{}", ended.stderr);
    let lines = lines_with(&ended.stderr, "metrics_listen: ");
    assert_eq!(lines.len(), 1, "{}", ended.stderr);
    assert!(
        lines[0].contains(&address) && lines[0].contains("in use"),
        "{}",
        lines[0]
    );
}

#[test]
fn starts_no_server_and_no_extra_thread_unless_configured() {
    let threads = |worker: &Worker| {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", worker.pid())).unwrap();
        tasks.count()
    };
    let mut scene = scene(3);
    let worker = scene.start();
    worker.wait_for_line("metrics: http://");
    assert_eq!(threads(&worker), 3 + 4);
    worker.stop();
    scene.config["metrics_listen"] = json!(null);
    let worker = scene.start();
    worker.wait_for_line("connected");
    assert_eq!(threads(&worker), 3 + 3);
    assert!(!worker.stop().stderr.contains("metrics: "));
}

/// A service manager's socket.
struct Manager(UnixDatagram);

impl Manager {
    fn new(scene: &mut Scene, watchdog: Duration) -> Manager {
        let path = scene.path("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(LIMIT)).unwrap();
        let usec = watchdog.as_micros().to_string();
        scene.environment.push(variable("NOTIFY_SOCKET", path));
        scene.environment.push(variable("WATCHDOG_USEC", usec));
        Manager(socket)
    }

    /// The next message.
    fn next_message(&self) -> String {
        let mut bytes = [0; 4096];
        let count = self.0.recv(&mut bytes).unwrap();
        String::from_utf8(bytes[..count].to_vec()).unwrap()
    }

    /// Waits for a message that contains `part`.
    fn wait_for_message(&self, part: &str) -> String {
        loop {
            let message = self.next_message();
            if message.contains(part) {
                return message;
            }
        }
    }
}

#[test]
fn notifies_the_service_manager_of_every_state_even_without_an_endpoint() {
    let later = START + 45;
    let mut scene = scene_from(1, later);
    let manager = Manager::new(&mut scene, Duration::from_millis(400));
    scene.net.fault(Rule::new(Fault::Status(502, None)));
    let worker = scene.start();
    let ready = manager.next_message();
    assert!(ready.contains("READY=1\n"), "{ready}");
    assert!(
        ready.contains("STATUS=1 topic; last success: none yet"),
        "{ready}"
    );
    for _ in 0..3 {
        manager.wait_for_message("WATCHDOG=1");
    }
    manager.wait_for_message("STATUS=waiting: chain: endpoint down");
    scene.net.clear_faults();
    manager.wait_for_message(&format!("next window: topic 1 at block {later}"));
    manager.wait_for_message(&format!("last success: topic 1, nonce {later}"));
    manager.wait_for_message("WATCHDOG=1");
    worker.stop();
    manager.wait_for_message("STOPPING=1");
}

#[test]
fn warns_once_about_a_service_manager_that_does_not_listen() {
    let mut scene = scene(1);
    let nobody = scene.path("nobody");
    scene.environment.push(variable("NOTIFY_SOCKET", nobody));
    scene.environment.push(variable("WATCHDOG_USEC", "200000"));
    let worker = scene.start();
    worker.wait_for_line("included in block");
    let ended = worker.stop();
    assert_eq!(lines_with(&ended.stderr, "$NOTIFY_SOCKET").len(), 1);
}
