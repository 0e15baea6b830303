//! Endpoints that are asked through a proxy. Models never are.

use std::net::TcpListener;

use allora_localnet::Options;
use allora_localnet::chain::message::Api;
use allora_localnet::play::faults::Fault;
use allora_localnet::play::rules::Rule;
use serde_json::{Value, json};

use crate::support::*;

/// A scene with the setting `proxy` and these variables, and whether its node uses TLS.
fn scene(proxy: &Value, variables: &[(&str, String)], tls: bool) -> Scene {
    let topics = vec![topic(1, START + 6)];
    let mut scene = Scene::with(Api::V10, topics, |options| Options { tls, ..options });
    scene.register();
    if let Some(pem) = scene.net.authority_pem() {
        write_file(&scene.path("authority.pem"), pem, 0o644);
        let path = scene.path("authority.pem");
        scene.environment.push(variable("SSL_CERT_FILE", path));
    }
    if !proxy.is_null() {
        scene.config["api_params"]["proxy"] = proxy.clone();
    }
    let variables = variables.iter().map(|(name, value)| variable(name, value));
    scene.environment.extend(variables);
    scene
}

/// Serves a window; returns the log.
fn serve(scene: &mut Scene) -> String {
    let worker = scene.start();
    let report = scene.wait_for_windows(&[1], 1);
    let ended = worker.stop();
    assert_all_served(&report, &[1]);
    ended.stderr
}

/// `host:port` of the scene's node.
fn node(scene: &Scene) -> String {
    let url = scene.net.url();
    url.rsplit_once('/').unwrap().1.to_owned()
}

#[test]
fn endpoints_are_asked_through_the_proxy_that_is_named() {
    side_by_side([false, true], |tls| {
        let proxy = Proxy::start(None, 407);
        let url = json!(format!("http://{}", proxy.address));
        let mut scene = scene(&url, &[], tls);
        let log = serve(&mut scene);
        let (url, through) = (scene.net.url(), &proxy.address);
        let line = format!("{url} is asked through the proxy http://{through}");
        assert_eq!(lines_with(&log, &line).len(), 1, "{log}");
        let tunnels = proxy.tunnels();
        assert!(!tunnels.is_empty());
        assert!(tunnels.iter().all(|to| *to == node(&scene)), "{tunnels:?}");
        let connections = scene.net.report().connections;
        assert_eq!(tunnels.len() as u64, connections, "all through the proxy");
    });
}

#[test]
fn a_tunnel_that_closes_kept_connections_is_opened_again() {
    let proxy = Proxy::start(None, 407);
    let url = json!(format!("http://{}", proxy.address));
    let mut scene = scene(&url, &[], true);
    scene.net.fault(Rule::new(Fault::CloseKept));
    let log = serve(&mut scene);
    assert!(!log.contains("waiting: chain"), "{log}");
}

#[test]
fn the_environment_is_used_as_curl_reads_it_if_the_setting_says_so() {
    side_by_side([false, true], |tls| {
        let proxy = Proxy::start(Some("Basic dXNlcjpwQHNzLXF1b2trYQ=="), 407);
        let name = if tls { "HTTPS_PROXY" } else { "http_proxy" };
        let url = format!("user:p%40ss-quokka@{}", proxy.address);
        let environment = json!("environment");
        let mut through = scene(&environment, &[(name, url.clone())], tls);
        through.config["debug"] = json!(true);
        let log = serve(&mut through);
        assert!(!log.contains("quokka") && !log.contains("dXNlcj"), "{log}");
        let count = proxy.tunnels().len();
        assert!(count > 0);

        let direct = [
            (name, url),
            ("no_proxy", "localhost, 127.0.0.0/8".to_owned()),
        ];
        let mut direct = scene(&environment, &direct, tls);
        let log = serve(&mut direct);
        assert!(!log.contains("proxy"), "{log}");
        assert_eq!(proxy.tunnels().len(), count, "asked directly");
    });
}

#[test]
fn a_proxy_in_the_environment_is_mentioned_once_if_no_setting_says_whether_to_use_it() {
    let dead = ("HTTPS_PROXY", "http://127.0.0.1:1".to_owned());
    let variables = [dead.clone(), ("http_proxy", dead.1.clone())];
    let mut unset = scene(&Value::Null, &variables, false);
    let log = serve(&mut unset);
    let lines = lines_with(
        &log,
        "HTTPS_PROXY and http_proxy is set, but endpoints are asked",
    );
    assert_eq!(lines.len(), 1, "{log}");
    unset.arguments = vec!["check".into()];
    let checked = unset.start().ended();
    assert_eq!(checked.code(), 0);
    assert!(
        checked
            .stdout
            .contains("endpoints are asked without a proxy")
    );

    let mut none = scene(&json!("none"), &variables, false);
    let log = serve(&mut none);
    assert!(!log.contains("proxy"), "{log}");
}

#[test]
fn what_the_environments_proxies_do_not_do_is_said_once_and_the_worker_serves() {
    let socks = "socks5://user:pass-quokka@127.0.0.1:1";
    let cases = [
        (None, "HTTPS_PROXY and HTTP_PROXY are not set"),
        (
            Some(("HTTPS_PROXY", "http://127.0.0.1:1")),
            "for https nodes only, and all in api_url are http, so none is used; set HTTP_PROXY",
        ),
        (
            Some(("ALL_PROXY", socks)),
            "ALL_PROXY names a kind of proxy that is not supported (SOCKS, https) and is not used; name \
             an http proxy there, or write http://host:port",
        ),
    ];
    side_by_side(cases, |(set, text)| {
        let set = set.map(|(name, value)| (name, value.to_owned()));
        let mut scene = scene(&json!("environment"), set.as_slice(), false);
        let log = serve(&mut scene);
        assert_eq!(lines_with(&log, text).len(), 1, "{log}");
        assert!(!log.contains("quokka"), "{log}");
    });
}

#[test]
fn a_proxy_that_gives_no_tunnel_is_an_error_with_its_cure() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = listener.local_addr().unwrap().to_string();
    let dead = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().to_string()
    };
    let (asks, refuses) = (Proxy::start(Some("x"), 407), Proxy::start(Some("x"), 403));
    let cases = [
        (
            dead,
            "connection refused: nothing listens there; correct the proxy",
        ),
        (silent, "no answer in time; correct the proxy"),
        (
            asks.address,
            "it asks for a user and a password (status 407)",
        ),
        (
            refuses.address,
            "let it allow CONNECT to the endpoint's host and port",
        ),
    ];
    side_by_side(cases, |(address, cure)| {
        let url = json!(format!("http://user:pass-quokka@{address}"));
        let mut scene = scene(&url, &[], false);
        let worker = scene.start();
        let line = worker.wait_for_line("waiting: chain: no endpoint answers");
        let shown = format!("no connection through the proxy http://{address}: ");
        assert!(line.contains(&shown) && line.contains(cure), "{line}");
        let ended = worker.stop();
        assert!(!ended.stderr.contains("quokka"), "{}", ended.stderr);
        scene.arguments = vec!["check".into()];
        let checked = scene.start().ended();
        assert_eq!(checked.code(), 1);
        assert!(checked.stdout.contains(cure), "{}", checked.stdout);
        assert!(!checked.stdout.contains("quokka"), "{}", checked.stdout);
        assert_eq!(scene.net.report().requests_total, 0);
    });
}

#[test]
fn a_setting_that_names_no_proxy_is_a_problem() {
    let no_port = ("all_proxy", "http://user:pass-quokka@127.0.0.1".to_owned());
    for (setting, text) in [
        (
            "enviroment",
            "it may be \"environment\", \"none\", or http://host:port",
        ),
        ("http://127.0.0.1", "names no port"),
        (
            "environment",
            "the environment variable all_proxy names no port",
        ),
    ] {
        let mut scene = scene(&json!(setting), std::slice::from_ref(&no_port), false);
        let ended = scene.start().ended();
        assert_eq!(ended.code(), 3);
        let problem = lines_with(&ended.stderr, "api_params.proxy: ");
        assert!(problem[0].contains(text), "{problem:?}");
        assert!(!ended.stderr.contains("quokka"), "{}", ended.stderr);
    }
}
