//! A node behind TLS whose certificate authority is trusted only through `SSL_CERT_FILE`.

use allora_localnet::Options;
use allora_localnet::chain::message::Api;
use allora_localnet::chain::topic::Topic;
use serde_json::json;

use crate::support::*;

fn scene(api: Api, topics: Vec<Topic>) -> Scene {
    let scene = Scene::with(api, topics, |options| Options {
        tls: true,
        ..options
    });
    scene.register();
    let pem = scene.net.authority_pem().unwrap().to_owned();
    write_file(&scene.path("authority.pem"), &pem, 0o644);
    scene
}

#[test]
fn connects_to_a_node_whose_authority_is_in_ssl_cert_file() {
    on_both(|api| {
        let mut scene = scene(api, vec![topic(1, START + 5)]);
        let path = scene.path("authority.pem");
        scene.environment.push(variable("SSL_CERT_FILE", &path));
        let worker = scene.start();
        let report = scene.wait_for_windows(&[1], 2);
        let ended = worker.stop();
        assert_all_served(&report, &[1]);
        let lines = lines_with(&ended.stderr, "1 certificate(s)");
        assert_eq!(lines.len(), 1, "{lines:?}");
    });
}

#[test]
fn names_the_scheme_of_a_port_that_expects_the_other_one() {
    let tls = scene(Api::V10, vec![topic(1, START + 5)]);
    let plain = Scene::new(Api::V10, vec![topic(1, START + 5)]);
    for (mut scene, scheme, other) in [(tls, "http", "https"), (plain, "https", "http")] {
        let url = scene.net.node_url(0);
        let (_, place) = url.split_once("://").unwrap();
        scene.config["api_params"]["api_url"] = json!(format!("{scheme}://{place}"));
        let worker = scene.start();
        let cure = format!("write {other}:// instead of {scheme}://");
        let line = worker.wait_for_line(&cure);
        assert!(
            line.contains("waiting: chain: no endpoint answers"),
            "{line}"
        );
        worker.stop();
    }
}

#[test]
fn sends_no_request_to_a_node_with_an_untrusted_certificate() {
    let mut scene = scene(Api::V10, vec![topic(1, START + 5)]);
    let path = scene.path("nothing.pem");
    scene.environment.push(variable("SSL_CERT_FILE", &path));
    let worker = scene.start();
    worker.wait_for_line("SSL_CERT_FILE is not used");
    worker.wait_for_line("waiting: chain: no endpoint answers");
    worker.stop();
    assert_eq!(scene.net.report().requests_total, 0);
}
