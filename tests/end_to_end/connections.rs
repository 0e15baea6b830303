//! Connections that break or close at an unfortunate moment.

use std::io::Write as _;
use std::time::Duration;

use allora_localnet::chain::message::Api;
use rustix::net::sockopt::set_socket_linger;
use serde_json::json;

use crate::scenes::with_settings;
use crate::support::*;

#[test]
fn a_model_whose_connection_is_reset_in_the_middle_of_a_number_is_asked_again() {
    let mut is_first = true;
    let model = Model::one_by_one(move |mut stream, seen| {
        seen.lock().unwrap().push(read_request(&stream));
        let part = if is_first { "30" } else { "3021.57" };
        let answer = format!("HTTP/1.1 200 OK\r\n\r\n{part}");
        stream.write_all(answer.as_bytes()).unwrap();
        if is_first {
            // why: a socket that doesn't linger sends a reset when it is closed
            set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
        }
        is_first = false;
    });
    let settings = json!({"inference_url": model.url});
    let mut scene = with_settings(Api::V10, topic(1, START + 4), settings);
    scene.config["debug"] = json!(true);
    let worker = scene.start();
    worker.wait_for_line("the connection broke while reading the answer");
    let report = scene.wait_for_windows(&[1], 1);
    worker.stop();
    assert_all_served(&report, &[1]);
    assert_eq!(values(&report, 1)[0], "3021.57");
}
