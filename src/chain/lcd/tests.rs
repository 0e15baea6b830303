//! The client against servers that misbehave.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use crossbeam_channel::{Sender, bounded};

use super::*;
use crate::chain::counters::Count;
use crate::chain::endpoints::BACK_OFF_MAX;
use crate::chain::error::Class;
use crate::chain::meaning::Meaning;
use crate::http::TransportError;
use crate::test_server::{Act, Server, answer, at_height, refusing_url};
use crate::values::allowance::GrantProblem;
use crate::values::units::{ApiVersion, Sequence, TopicId, Uallo};

const BALANCE: &str = r#"{"balance":{"denom":"uallo","amount":"7"}}"#;
const NOT_SERVED: &str = r#"{"code":12,"message":"Not Implemented","details":[]}"#;
const PARAMS: &str = r#"{"params":{"registration_fee":"200","data_sending_fee":"10"}}"#;

fn lcd(servers: &[&Server]) -> Lcd {
    let urls: Vec<String> = servers.iter().map(|server| server.url.clone()).collect();
    Lcd::new(Http::default(), &urls, None, 7).within(http::REQUEST_TIME_MIN)
}

/// A node of the chain "localnet" that answers everything else by `act`.
fn node(act: impl Fn(&str) -> Act + Send + Sync + 'static) -> Server {
    node_of("localnet", act)
}

fn node_of(chain_id: &'static str, act: impl Fn(&str) -> Act + Send + Sync + 'static) -> Server {
    Server::start(move |request| {
        if request.contains("/node_info") {
            answer(
                200,
                "",
                &format!(r#"{{"default_node_info":{{"network":"{chain_id}"}}}}"#),
            )
        } else if request.contains("/syncing") {
            answer(200, "", r#"{"syncing":false}"#)
        } else {
            act(request)
        }
    })
}

/// A node that names this height with every answer.
fn node_at(height: &Arc<AtomicU64>) -> Server {
    let height = Arc::clone(height);
    Server::start(move |request| {
        let body = match request {
            _ if request.contains("/node_info") => {
                r#"{"default_node_info":{"network":"localnet"}}"#
            }
            _ if request.contains("/syncing") => r#"{"syncing":false}"#,
            _ => BALANCE,
        };
        at_height(height.load(Ordering::SeqCst), body)
    })
}

fn balance_error(act: impl Fn(&str) -> Act + Send + Sync + 'static) -> LcdError {
    lcd(&[&node(act)]).balance("allo1x").unwrap_err()
}

#[test]
fn an_answer_counts_from_the_height_known_when_it_was_requested() {
    let height = Arc::new(AtomicU64::new(10));
    let at = Arc::clone(&height);
    let server = node(move |_| at_height(at.load(Ordering::SeqCst), BALANCE));
    let lcd = lcd(&[&server]);
    let ask = |at| {
        height.store(at, Ordering::SeqCst);
        let answer = lcd.balance("allo1x").unwrap();
        assert_eq!((answer.value, answer.height), (Uallo(7), Some(Height(at))));
        answer.fresh
    };
    assert!(ask(10));
    assert!(ask(12));
    assert!(!ask(11), "from behind");
    assert!(ask(12));
    assert_eq!(lcd.clock().highest(), Some(Height(12)));
}

/// The chain writes addresses as raw bytes into the refusals of a fee grant.
#[test]
fn a_refusal_that_is_not_valid_utf_8_is_read() {
    let log =
        b"error escrowing funds: \xf0\x9f\xff\\u0001 does not allow to pay fees for \xc3\x28: \
                period limit: fee limit exceeded";
    let head = br#"{"tx_response":{"codespace":"feegrant","code":2,"txhash":"AB","raw_log":""#;
    let body = [head, log.as_slice(), br#""}}"#].concat();
    let server = node(move |_| {
        let length = body.len();
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
        Act::Send([head.as_bytes(), &body].concat())
    });
    let answer = lcd(&[&server]).broadcast(b"tx").unwrap().value;
    let problem = GrantProblem::Spent;
    assert_eq!(answer.meaning(), Meaning::NotGranted { problem });
    assert!(answer.raw_log.raw().ends_with(": fee limit exceeded"));
}

#[test]
fn a_height_that_cannot_be_does_not_make_the_next_ones_old() {
    let heights = [10, 11, Height::MAX.0 - 1, 11, 1_000_000_000, 12];
    let asked = AtomicU64::new(0);
    let server = node(move |_| {
        let place = asked.fetch_add(1, Ordering::SeqCst);
        at_height(heights[usize::try_from(place).unwrap()], BALANCE)
    });
    let lcd = lcd(&[&server]);
    let fresh = heights.map(|_| lcd.balance("allo1x").unwrap().fresh);
    assert_eq!(fresh, [true, true, false, true, false, true]);
    assert_eq!(lcd.clock().highest(), Some(Height(12)));
}

#[test]
fn an_endpoint_whose_height_another_one_contradicts_is_left_for_long() {
    let truth = Arc::new(AtomicU64::new(10));
    let lies = Arc::new(AtomicU64::new(10));
    let (liar, honest) = (node_at(&lies), node_at(&truth));
    let lcd = lcd(&[&liar, &honest]);
    assert!(lcd.balance("allo1x").unwrap().fresh, "both name the same");
    for height in [&truth, &lies] {
        height.store(11, Ordering::SeqCst);
    }
    assert!(lcd.balance("allo1x").unwrap().fresh);
    assert_eq!(honest.count("balances/"), 0, "only asked for its height");
    std::thread::sleep(Duration::from_millis(300)); // others are asked at most this often
    lies.store(1_000_000_000, Ordering::SeqCst);
    let refuted = lcd.balance("allo1x").unwrap();
    assert_eq!((refuted.endpoint, refuted.fresh), (EndpointId(0), false));
    let asked = liar.requests().len();
    for _ in 0..3 {
        let answer = lcd.balance("allo1x").unwrap();
        assert_eq!((answer.endpoint, answer.fresh), (EndpointId(1), true));
    }
    assert_eq!(lcd.clock().highest(), Some(Height(11)));
    std::thread::sleep(Duration::from_millis(1_100)); // longer than the pause after a failure
    lcd.balance("allo1x").unwrap();
    assert_eq!(liar.requests().len(), asked, "not asked within the minute");
}

#[test]
fn an_answer_asked_aside_counts_only_from_a_height_that_is_believed() {
    let (truth, other) = (Arc::new(AtomicU64::new(10)), Arc::new(AtomicU64::new(10)));
    let (first, second) = (node_at(&truth), node_at(&other));
    let lcd = lcd(&[&first, &second]);
    assert!(lcd.balance("allo1x").unwrap().fresh);
    let ask = |lcd: &Lcd| lcd.balance("allo1x");
    let contradicted = || lcd.contradicted(EndpointId(0), "no", ask, |_| true);
    other.store(1_000_000_000, Ordering::SeqCst);
    assert!(!contradicted(), "no chain gets there");
    other.store(11, Ordering::SeqCst);
    assert!(contradicted());
}

#[test]
fn an_endpoint_that_leads_by_a_few_blocks_is_contradicted_all_the_same() {
    for lead in 1..=4 {
        let (ahead, truth) = (Arc::new(AtomicU64::new(10)), Arc::new(AtomicU64::new(10)));
        let (liar, honest) = (node_at(&ahead), node_at(&truth));
        let lcd = lcd(&[&liar, &honest]);
        assert!(lcd.balance("allo1x").unwrap().fresh);
        ahead.store(10 + lead, Ordering::SeqCst);
        let answer = lcd.balance("allo1x").unwrap();
        assert_eq!((answer.endpoint, answer.fresh), (EndpointId(0), true));
        let ask = |lcd: &Lcd| lcd.balance("allo1x");
        let contradicted = lcd.contradicted(EndpointId(0), "no", ask, |_| true);
        assert!(contradicted, "{lead}");
        let answer = lcd.balance("allo1x").unwrap();
        assert_eq!(
            (answer.endpoint, answer.fresh),
            (EndpointId(1), true),
            "{lead}"
        );
        // asked beside the other one, its lead changes nothing
        let aside = lcd.asking(EndpointId(0)).balance("allo1x").unwrap();
        assert!(aside.fresh);
        assert!(lcd.balance("allo1x").unwrap().fresh, "{lead}");
    }
}

#[test]
fn an_endpoint_that_was_set_aside_is_asked_for_its_height() {
    let (truth, lie) = (Arc::new(AtomicU64::new(10)), Arc::new(AtomicU64::new(10)));
    let (honest, liar) = (node_at(&truth), node_at(&lie));
    let lcd = lcd(&[&honest, &liar]);
    for height in [10, 11] {
        truth.store(height, Ordering::SeqCst);
        lie.store(height, Ordering::SeqCst);
        assert!(lcd.balance("allo1x").unwrap().fresh);
    }
    lcd.use_another(EndpointId(0), "takes nothing");
    assert_eq!(lcd.balance("allo1x").unwrap().endpoint, EndpointId(1));
    std::thread::sleep(Duration::from_millis(300)); // others are asked at most this often
    let asked = honest.count("/syncing");
    lie.store(1_000_000_000, Ordering::SeqCst);
    let claim = lcd.balance("allo1x").unwrap();
    assert_eq!((claim.endpoint, claim.fresh), (EndpointId(1), false));
    assert_eq!(honest.count("/syncing"), asked + 1);
    let now = Instant::now();
    assert!(lcd.state().endpoints.is_avoided(EndpointId(1), now));
}

#[test]
fn an_endpoint_whose_answers_have_another_shape_is_left_for_long() {
    let odd = node(|_| at_height(5, r#"{"balance":[]}"#));
    let good = node(|_| at_height(5, BALANCE));
    let lcd = lcd(&[&odd, &good]);
    assert!(lcd.balance("allo1x").is_err());
    assert_eq!(lcd.balance("allo1x").unwrap().endpoint, EndpointId(1));
    std::thread::sleep(Duration::from_millis(1_100));
    let asked = odd.requests().len();
    assert_eq!(lcd.balance("allo1x").unwrap().endpoint, EndpointId(1));
    assert_eq!(odd.requests().len(), asked);
}

#[test]
fn an_endpoint_whose_errors_nobody_knows_is_left_for_another() {
    let odd = node(|_| answer(500, "", r#"{"code":2,"message":"the moon is full"}"#));
    let good = node(|_| at_height(5, BALANCE));
    let lcd = lcd(&[&odd, &good]);
    assert!(lcd.balance("allo1x").is_err());
    assert_eq!(lcd.balance("allo1x").unwrap().endpoint, EndpointId(1));
}

#[test]
fn an_endpoint_that_serves_neither_version_is_left_for_another() {
    let odd = node(|_| answer(501, "", NOT_SERVED));
    let good = node(|_| at_height(5, PARAMS));
    let lcd = lcd(&[&odd, &good]);
    assert!(lcd.api_version().is_err());
    let found = lcd.api_version().unwrap();
    assert_eq!(
        (found.value, found.endpoint),
        (ApiVersion::V10, EndpointId(1))
    );
}

#[test]
fn an_endpoint_stays_in_use_after_an_error_that_is_an_answer() {
    let first = node(|_| answer(404, "", r#"{"code":5,"message":"account x not found"}"#));
    let second = node(|_| at_height(5, BALANCE));
    let lcd = lcd(&[&first, &second]);
    for _ in 0..2 {
        let error = lcd.params(ApiVersion::V10).unwrap_err();
        assert_eq!(error.endpoint_id, Some(EndpointId(0)));
    }
}

#[test]
fn an_answer_without_a_height_counts_for_no_decision() {
    let lcd_without = lcd(&[&node(|_| answer(200, "", BALANCE))]);
    assert!(!lcd_without.balance("allo1x").unwrap().fresh);
}

#[test]
fn errors_distinguish_what_is_known() {
    let cut = balance_error(|_| Act::Send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{".into()));
    assert!(
        matches!(&cut.kind, ErrorKind::Transport(TransportError::Cut { .. })),
        "{cut:?}"
    );
    let hang = balance_error(|_| Act::Hang);
    assert!(matches!(
        &hang.kind,
        ErrorKind::Transport(TransportError::TimedOut { .. })
    ));
    let html = balance_error(|_| answer(502, "", "<html>Bad Gateway</html>"));
    assert!(matches!(
        &html.kind,
        ErrorKind::Server {
            status: 502,
            grpc_code: None,
            ..
        }
    ));
    let start_up = r#"{"code":14,"message":"connection error","details":[]}"#;
    let no_back_end = balance_error(move |_| answer(503, "", start_up));
    assert!(matches!(
        &no_back_end.kind,
        ErrorKind::Server {
            grpc_code: Some(14),
            ..
        }
    ));
    let empty = balance_error(|_| answer(200, "", ""));
    assert!(matches!(
        &empty.kind,
        ErrorKind::NotANode { status: 200, .. }
    ));
    let page = balance_error(|_| answer(400, "", "<html>bad request</html>"));
    assert!(matches!(
        &page.kind,
        ErrorKind::NotANode { status: 400, .. }
    ));
    let other_type = r#"{"balance":{"denom":"uallo","amount":7}}"#;
    let shape = balance_error(move |_| answer(200, "", other_type));
    assert!(matches!(&shape.kind, ErrorKind::Shape { .. }), "{shape:?}");
    let redirect = balance_error(|_| answer(301, "Location: /x/?key=secret\r\n", ""));
    let line = redirect.line();
    let leads_to = "the server redirects (status 301) to http://127.0.0.1:";
    assert!(
        line.contains(leads_to) && line.contains("/x/: put"),
        "{line}"
    );
    assert!(!line.contains("secret"), "{line}");
    let large = balance_error(|_| answer(200, "", &"x".repeat(300_000)));
    assert!(matches!(
        &large.kind,
        ErrorKind::Transport(TransportError::TooLarge { .. })
    ));
    for error in [
        cut,
        hang,
        html,
        no_back_end,
        empty,
        page,
        shape,
        redirect,
        large,
    ] {
        assert!(!error.never_left(), "{error:?}");
        assert_eq!(error.meaning(), None, "no word of the chain: {error:?}");
        assert!(error.line().contains("balance"), "{}", error.line());
    }
}

#[test]
fn the_rpc_of_a_node_is_recognised_by_its_answer() {
    let rpc_error = r#"{"jsonrpc":"2.0","id":-1,"error":{"code":-32601,"message":"x"}}"#;
    for (status, body, is_rpc) in [
        (404, "404 page not found\n", true),
        (200, rpc_error, true),
        (404, rpc_error, true),
        (404, "<html>no such page</html>", false),
        (200, r#"{"balance":{}}"#, false),
    ] {
        let server = node(move |_| answer(status, "", body));
        let line = lcd(&[&server]).gas_price().unwrap_err().line();
        let cure = "use its REST API (LCD), usually port 1317";
        assert_eq!(line.contains(cure), is_rpc, "{line}");
    }
}

#[test]
fn a_chain_error_is_definite_and_has_its_height() {
    let body = r#"{"code":2,"message":"codespace emissions code 23: topic does not exist: x"}"#;
    let headers = "Grpc-Metadata-X-Cosmos-Block-Height: 9\r\n";
    let server = node(move |_| answer(500, headers, body));
    let lcd = lcd(&[&server]);
    let error = lcd.topic(ApiVersion::V10, TopicId(999)).unwrap_err();
    assert_eq!(error.meaning(), Some(Meaning::UnknownTopic));
    let ErrorKind::Chain(chain) = &error.kind else {
        panic!("{error:?}")
    };
    assert_eq!(chain.registered, Some(("emissions".into(), 23)));
    assert_eq!((chain.status, chain.grpc_code), (500, 2));
    assert_eq!((chain.height, chain.fresh), (Some(Height(9)), true));
    // The chain answered: the endpoint is healthy, and the next request goes to it too.
    assert!(
        lcd.topic(ApiVersion::V10, TopicId(999))
            .unwrap_err()
            .meaning()
            .is_some()
    );
}

#[test]
fn an_unsent_request_is_known_as_such_and_errors_show_no_secrets() {
    let url = refusing_url().replace("http://", "http://user:secret@");
    let lcd = Lcd::new(Http::default(), &[url + "/?key=secret"], None, 7);
    let error = lcd.broadcast(b"tx").unwrap_err();
    assert!(error.never_left());
    assert!(
        !format!("{error:?} {} {}", error, error.line()).contains("secret"),
        "{error:?}"
    );
    assert!(matches!(
        &error.kind,
        ErrorKind::Transport(TransportError::Refused)
    ));
}

#[test]
fn a_key_that_an_answer_repeats_is_hidden_unless_it_is_the_answer() {
    let version = |key: &'static str| {
        let server = Server::start(move |request| {
            if request.contains("/syncing") {
                return answer(200, "", r#"{"syncing":false}"#);
            }
            let info = r#"{"default_node_info":{"network":"localnet"}"#;
            let body = format!(r#"{info},"application_version":{{"version":"v1 {key}"}}}}"#);
            answer(200, "", &body)
        });
        let url = format!("{}?key={key}", server.url);
        let lcd = Lcd::new(Http::default(), &[url], None, 7);
        let info = lcd.node_info().unwrap().value;
        (info.chain_id, info.version.to_string())
    };
    let [id, hidden, shown] = ["localnet", "v1 \u{2026}", "v1 localnet"].map(str::to_owned);
    assert_eq!(version("secretkey"), (id.clone(), hidden));
    assert_eq!(version("localnet"), (id, shown));
}

#[test]
fn a_key_that_stands_in_place_of_the_chains_id_is_hidden() {
    let server = node_of("a-secretkey-1", |_| answer(200, "", BALANCE));
    let url = format!("{}?key=secretkey", server.url);
    let lcd = Lcd::new(Http::default(), &[url], Some("localnet".to_owned()), 7);
    assert!(!format!("{lcd:?}").contains("secretkey"), "{lcd:?}");
    let error = lcd.balance("allo1w").unwrap_err().line();
    assert!(
        error.contains("serves chain a-\u{2026}-1, not localnet"),
        "{error}"
    );
}

#[test]
fn endpoints_at_one_place_have_different_names() {
    let urls = ["http://a/1", "http://b", "http://a/2", "http://a?x=y"].map(str::to_owned);
    let lcd = Lcd::new(Http::default(), &urls, None, 7);
    let names = (0..4).map(|at| lcd.endpoint_name(EndpointId(at)));
    let expected = ["http://a", "http://b", "http://a (2)", "http://a (3)"];
    assert!(names.eq(expected));
}

/// A node that reports when it is asked for its chain id, and hangs.
fn hanging(asked: Sender<Instant>) -> Server {
    Server::start(move |request| {
        if request.contains("/node_info") {
            // why: the test may be over
            let _ = asked.send(Instant::now());
        }
        Act::Hang
    })
}

/// The moments at which the first `count` endpoints, which hang, were tried while the last one served.
fn tried_beside(count: usize) -> Vec<Instant> {
    let (asked, times) = bounded(10);
    let better: Vec<Server> = (0..count).map(|_| hanging(asked.clone())).collect();
    // why: for a height, the other endpoints would be asked, too
    let last = node(|_| answer(200, "", BALANCE));
    let lcd = lcd(&better.iter().chain([&last]).collect::<Vec<_>>());
    lcd.identify(EndpointId(count)).unwrap();
    let until = Instant::now() + Duration::from_secs(20);
    while times.len() < count {
        let start = Instant::now();
        lcd.balance("allo1w").unwrap();
        assert!(start.elapsed() < Duration::from_secs(1), "it waits");
        assert!(start < until, "no better endpoint is tried");
    }
    assert_eq!(lcd.current_endpoint(), EndpointId(count));
    times.try_iter().collect()
}

#[test]
fn the_way_back_is_tried_beside_the_requests() {
    assert_eq!(tried_beside(1).len(), 1);
}

#[test]
fn better_endpoints_are_tried_one_after_the_other() {
    let times = tried_beside(2);
    let apart = times[1].duration_since(times[0]);
    assert!(apart > http::REQUEST_TIME_MIN / 2, "{apart:?}");
}

#[test]
fn a_failed_identification_sends_no_broadcast() {
    let server = Server::start(|_| Act::Send(Vec::new()));
    let error = lcd(&[&server]).broadcast(b"tx").unwrap_err();
    assert!(error.never_left(), "nothing of the transaction was sent");
    assert_eq!(error.route, Route::NodeInfo);
    assert_eq!(server.count("POST"), 0);
    assert_eq!(server.requests().len(), 1, "asked once");
}

#[test]
fn retry_after_is_respected() {
    let server = node(|_| answer(429, "Retry-After: 20\r\n", "slow down"));
    let lcd = lcd(&[&server]);
    let error = lcd.balance("allo1x").unwrap_err();
    let retry_after = Some(Duration::from_secs(20));
    assert_eq!(error.kind, ErrorKind::RateLimited { retry_after });
    let error = lcd.balance("allo1x").unwrap_err();
    assert!(
        matches!(&error.kind, ErrorKind::Wait { wait } if wait.as_secs() >= 18),
        "{error:?}"
    );
    assert!(error.never_left());
    assert_eq!(server.count("balances/"), 1);
}

#[test]
fn a_single_endpoint_is_asked_after_every_failure() {
    let server = node(|_| answer(503, "", ""));
    let lcd = lcd(&[&server]);
    for _ in 0..5 {
        assert!(matches!(
            lcd.balance("allo1x").unwrap_err().kind,
            ErrorKind::Server { .. }
        ));
    }
    assert_eq!(server.count("balances/"), 5);
}

#[test]
fn the_next_endpoint_takes_over() {
    let bad = node(|_| answer(502, "", "<html>"));
    let good = node(|_| at_height(5, BALANCE));
    let lcd = lcd(&[&bad, &good]);
    assert!(
        lcd.balance("allo1x").is_err(),
        "the call that meets the fault tells it"
    );
    assert_eq!(lcd.balance("allo1x").unwrap().endpoint, EndpointId(1));
    assert_eq!(lcd.current_endpoint(), EndpointId(1));
    assert_eq!(lcd.chain_id().as_deref(), Some("localnet"));
}

#[test]
fn the_gas_price_is_asked_of_another_endpoint_which_is_not_taken_into_use() {
    let price = |amount: &str| {
        let body = format!(r#"{{"price":{{"denom":"uallo","amount":"{amount}"}}}}"#);
        move |_: &str| at_height(5, &body)
    };
    let (first, second) = (node(price("7")), node(price("10")));
    let wrong = node_of("othernet", price("99"));
    let lcd_of_three = lcd(&[&first, &wrong, &second]);
    assert_eq!(lcd_of_three.gas_price().unwrap().value, "7");
    let elsewhere = lcd_of_three.gas_price_elsewhere(EndpointId(0)).unwrap();
    assert_eq!(
        (elsewhere.value.as_str(), elsewhere.endpoint),
        ("10", EndpointId(2))
    );
    assert_eq!(wrong.count("gas_price"), 0, "another chain's price");
    assert_eq!(lcd_of_three.current_endpoint(), EndpointId(0));
    let back = lcd_of_three.gas_price_elsewhere(EndpointId(2)).unwrap();
    assert_eq!(back.endpoint, EndpointId(0));

    let alone = lcd(&[&first]);
    let same = alone.gas_price_elsewhere(EndpointId(0)).unwrap();
    assert_eq!((same.value.as_str(), same.endpoint), ("7", EndpointId(0)));
}

#[test]
fn the_older_route_is_asked_of_the_endpoint_that_refused_the_other_one() {
    let client: Arc<OnceLock<Lcd>> = Arc::default();
    let known = Arc::clone(&client);
    let first = node(move |request| {
        if !request.contains("spendable") {
            return at_height(5, BALANCE);
        }
        // another thread leaves it for the second endpoint before the next request
        known.get().unwrap().set_aside(EndpointId(0), "lies");
        answer(501, "", NOT_SERVED)
    });
    let second = node(|request| {
        let uallo = if request.contains("spendable") { 3 } else { 9 };
        let body = format!(r#"{{"balance":{{"denom":"uallo","amount":"{uallo}"}}}}"#);
        at_height(5, &body)
    });
    let lcd = client.get_or_init(|| lcd(&[&first, &second]));
    let whole = lcd.balance("allo1x").unwrap();
    assert_eq!((whole.value, whole.endpoint), (Uallo(7), EndpointId(0)));
    let spendable = lcd.balance("allo1x").unwrap();
    assert_eq!(
        (spendable.value, spendable.endpoint),
        (Uallo(3), EndpointId(1)),
        "what one endpoint refuses is asked of the next one"
    );
}

#[test]
fn a_501_is_no_fault_of_the_endpoint() {
    let first = node(|_| answer(501, "", NOT_SERVED));
    let second = node(|_| at_height(5, PARAMS));
    let lcd = lcd(&[&first, &second]);
    assert!(lcd.params(ApiVersion::V10).unwrap_err().is_not_served());
    assert!(lcd.params(ApiVersion::V10).unwrap_err().is_not_served());
    assert_eq!(second.requests().len(), 0);
}

#[test]
fn an_endpoint_of_another_chain_gets_no_request() {
    let right = node(|_| answer(502, "", ""));
    let wrong = node_of("othernet", |_| at_height(5, BALANCE));
    let lcd = lcd(&[&right, &wrong]);
    for _ in 0..3 {
        assert!(lcd.broadcast(b"tx").is_err());
    }
    assert_eq!(wrong.count("POST"), 0);
    assert_eq!(
        wrong.count("node_info"),
        1,
        "asked again only after a pause"
    );
    assert_eq!(
        lcd.clock().highest(),
        None,
        "another chain's heights do not count"
    );
}

#[test]
fn the_version_is_found_or_stays_undecided() {
    let serving = |v9: (u16, &'static str), v10: (u16, &'static str)| {
        let server = node(move |request| {
            let (status, body) = if request.contains("/v9/") { v9 } else { v10 };
            answer(status, "", body)
        });
        lcd(&[&server]).api_version()
    };
    let (yes, no, starting) = ((200, PARAMS), (501, NOT_SERVED), (503, ""));
    assert_eq!(serving(no, yes).unwrap().value, ApiVersion::V10);
    assert_eq!(serving(yes, no).unwrap().value, ApiVersion::V9);
    let undecided = serving(starting, no).unwrap_err();
    assert!(
        matches!(undecided.kind, ErrorKind::UndecidedVersion { .. }),
        "{undecided:?}"
    );
    let both_gone = serving(no, no).unwrap_err();
    assert!(matches!(both_gone.kind, ErrorKind::UndecidedVersion { .. }));
    let start_up = serving(no, starting).unwrap_err();
    assert!(
        matches!(start_up.kind, ErrorKind::Server { .. }),
        "{start_up:?}"
    );
}

#[test]
fn a_broadcast_carries_the_bytes_as_base64() {
    let answer = r#"{"tx_response":{"txhash":"AB","codespace":"sdk","code":32,
        "raw_log":"account sequence mismatch, expected 4, got 7: incorrect account sequence"}}"#;
    let server = node(move |_| at_height(5, answer));
    let check_tx = lcd(&[&server]).broadcast(&[0, 255, 7, 1]).unwrap().value;
    let meaning = Meaning::Sequence {
        expected: Sequence(4),
        got: Sequence(7),
    };
    assert_eq!(check_tx.meaning(), meaning);
    let sent = r#"{"tx_bytes":"AP8HAQ==","mode":"BROADCAST_MODE_SYNC"}"#;
    assert_eq!(server.count(sent), 1);
}

#[test]
fn requests_are_counted_by_result() {
    let lcd = lcd(&[&node(|_| answer(429, "", ""))]);
    assert!(lcd.balance("allo1x").is_err());
    let mut counts = lcd.counters().all();
    counts.retain(|count| count.requests > 0);
    let count = |route, class| Count {
        route,
        class,
        requests: 1,
    };
    assert_eq!(
        counts,
        [
            count(Route::NodeInfo, Class::Ok),
            count(Route::Syncing, Class::Ok),
            count(Route::Balance, Class::RateLimited)
        ]
    );
}

#[test]
fn an_empty_list_fails_without_a_request() {
    let error = Lcd::new(Http::default(), &[], None, 7)
        .broadcast(b"tx")
        .unwrap_err();
    assert!(error.never_left());
}

#[test]
fn limits_stay_within_their_bounds() {
    let lcd = lcd(&[]);
    assert_eq!(lcd.within(Duration::ZERO).limit, http::REQUEST_TIME_MIN);
    assert_eq!(lcd.within(Duration::MAX).limit, http::REQUEST_TIME_MAX);
}

#[test]
fn a_node_that_is_catching_up_is_not_used_before_it_has() {
    let syncing = Arc::new(AtomicU64::new(1));
    let state = Arc::clone(&syncing);
    let server = Server::start(move |request| match request {
        _ if request.contains("/node_info") => {
            answer(200, "", r#"{"default_node_info":{"network":"localnet"}}"#)
        }
        _ if request.contains("/syncing") => {
            let is = state.load(Ordering::SeqCst) == 1;
            answer(200, "", &format!(r#"{{"syncing":{is}}}"#))
        }
        _ => at_height(10, BALANCE),
    });
    let lcd = lcd(&[&server]);
    let error = lcd.balance("allo1x").unwrap_err();
    assert!(
        matches!(error.kind, ErrorKind::Syncing) && error.never_left(),
        "{error:?}"
    );
    assert_eq!(
        (server.count("balances/"), lcd.clock().highest()),
        (0, None)
    );
    syncing.store(0, Ordering::SeqCst);
    assert_eq!(lcd.balance("allo1x").unwrap().value, Uallo(7));
}

#[test]
fn a_preferred_endpoint_that_is_late_is_returned_to_once_it_has_caught_up() {
    for late in [3, 4] {
        let [behind, truth] = [20 - late, 20].map(|height| Arc::new(AtomicU64::new(height)));
        let (preferred, good) = (node_at(&behind), node_at(&truth));
        let lcd = lcd(&[&preferred, &good]);
        let failed = |now| lcd.state().endpoints.failed(EndpointId(0), now, None);
        failed(Instant::now());
        assert_eq!(lcd.balance("allo1x").unwrap().endpoint, EndpointId(1));
        for _ in 0..3 {
            assert_eq!(lcd.identify(EndpointId(0)), Err(ErrorKind::Behind));
            let answer = lcd.balance("allo1x").unwrap();
            assert_eq!((answer.endpoint, answer.fresh), (EndpointId(1), true));
            assert_eq!(lcd.clock().highest(), Some(Height(20)), "{late}");
        }
        behind.store(19, Ordering::SeqCst);
        assert_eq!(lcd.identify(EndpointId(0)), Ok(()));
        assert_eq!(lcd.balance("allo1x").unwrap().endpoint, EndpointId(0));
    }
}

/// Which of two endpoints is right is not known: the one in use may have invented its lead.
#[test]
fn a_preferred_endpoint_keeps_its_say_beside_a_lead_of_a_few_blocks() {
    for (lead, has_say) in [(3, true), (4, true), (5, false)] {
        let height = Arc::new(AtomicU64::new(20));
        let (preferred, leader) = (node_at(&height), node_at(&height));
        let lcd = lcd(&[&preferred, &leader]);
        let (first, second) = (EndpointId(0), EndpointId(1));
        let now = Instant::now();
        lcd.state().endpoints.failed(first, now, None);
        assert_eq!(lcd.balance("allo1x").unwrap().endpoint, second);
        // its pause is over
        let later = now + BACK_OFF_MAX;
        let admitted = lcd.admit(first, Some(Height(20 - lead)), later);
        assert_eq!(admitted, Err(ErrorKind::Behind), "{lead}");
        assert_eq!(lcd.current_endpoint(), second, "{lead}");
        let comparable = lcd.state().endpoints.comparable(second, later);
        assert_eq!(comparable == [first], has_say, "{lead}");
    }
}

/// While the one in use fails, a preferred one that is a few blocks late is paused: another one's turn.
#[test]
fn a_late_preferred_endpoint_does_not_keep_the_next_one_from_its_turn() {
    let [late, height] = [16, 20].map(|height| Arc::new(AtomicU64::new(height)));
    let (preferred, used, third) = (node_at(&late), node_at(&height), node_at(&height));
    let lcd = lcd(&[&preferred, &used, &third]);
    let now = Instant::now();
    lcd.state().endpoints.failed(EndpointId(0), now, None);
    assert_eq!(lcd.balance("allo1x").unwrap().endpoint, EndpointId(1));
    lcd.state().endpoints.failed(EndpointId(1), now, None);
    assert_eq!(lcd.identify(EndpointId(0)), Err(ErrorKind::Behind));
    assert_eq!(lcd.balance("allo1x").unwrap().endpoint, EndpointId(2));
}

#[test]
fn a_pause_keeps_the_height_that_an_endpoint_named() {
    let [high, low] = [12, 11].map(|height| Arc::new(AtomicU64::new(height)));
    let (first, second) = (node_at(&high), node_at(&low));
    let lcd = lcd(&[&first, &second]);
    assert_eq!(lcd.balance("allo1x").unwrap().endpoint, EndpointId(0));
    lcd.pause(EndpointId(0), Instant::now());
    assert_eq!(lcd.balance("allo1x").unwrap().endpoint, EndpointId(1));
    assert_eq!(lcd.clock().highest(), Some(Height(12)));
    let later = Instant::now() + Duration::from_secs(2);
    assert!(lcd.state().endpoints.is_healthy(EndpointId(0), later));
}

/// The nodes behind one address are up to a block apart, and the next ones come up soon.
#[test]
fn a_balancer_whose_nodes_are_a_block_apart_for_a_moment_is_not_left() {
    let truth = Arc::new(AtomicU64::new(10));
    let asked = Arc::new(AtomicU64::new(0));
    let (at, count) = (Arc::clone(&truth), Arc::clone(&asked));
    // of each height, the first eight balances are from the block before
    let balancer = node(move |request| {
        let height = at.load(Ordering::SeqCst);
        if request.contains("/gas_price/") {
            let price = r#"{"price":{"denom":"uallo","amount":"7"}}"#;
            return at_height(height, price);
        }
        let is_late = count.fetch_add(1, Ordering::SeqCst) < 8;
        at_height(height - u64::from(is_late), BALANCE)
    });
    let other = node_at(&truth);
    let lcd = lcd(&[&balancer, &other]);
    for height in 10..30 {
        truth.store(height, Ordering::SeqCst);
        asked.store(0, Ordering::SeqCst);
        lcd.gas_price().unwrap();
        let fresh = (0..9).fold(false, |_, _| lcd.balance("allo1x").unwrap().fresh);
        assert!(fresh, "{height}");
        assert_eq!(lcd.current_endpoint(), EndpointId(0), "{height}");
    }
    // a route that is always late is left
    let left = (30..40).any(|height| {
        truth.store(height, Ordering::SeqCst);
        asked.store(0, Ordering::SeqCst);
        lcd.gas_price().unwrap();
        lcd.balance("allo1x").unwrap().endpoint == EndpointId(1)
    });
    assert!(left);
}
