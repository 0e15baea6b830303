//! A node behind TLS whose certificate authority is trusted only through `SSL_CERT_FILE`.

use allora_localnet::Options;
use allora_localnet::chain::message::Api;
use allora_localnet::chain::topic::Topic;

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
