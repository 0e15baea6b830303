//! Connections that break or close at an unfortunate moment.

use std::io::Write as _;
use std::time::Duration;

use allora_localnet::chain::message::Api;
use allora_localnet::play::faults::Fault;
use allora_localnet::play::rules::Rule;
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

#[test]
fn topics_share_a_model_that_serves_one_connection_at_a_time() {
    let model = Model::one_by_one(|mut stream, seen| {
        // like Python's HTTPServer with HTTP/1.1: the next connection is served once this one ends
        loop {
            let request = read_request(&stream);
            if request.is_empty() {
                return;
            }
            seen.lock().unwrap().push(request);
            let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n7.5";
            if stream.write_all(answer).is_err() {
                return;
            }
        }
    });
    let topics = [1, 2, 3];
    let mut scene = Scene::new(Api::V10, topics.map(|id| topic(id, START + 4)).to_vec());
    scene.register();
    for settings in scene.config["topics"].as_array_mut().unwrap() {
        settings["inference_url"] = json!(model.url);
    }
    let worker = scene.start();
    let report = scene.wait_for_windows(&topics, 2);
    worker.stop();
    assert_all_served(&report, &topics);
}

/// What such a front drops has reached the node, so a broadcast that is repeated is known there.
#[test]
fn serves_behind_a_front_that_closes_kept_connections_without_an_answer() {
    let topics = [1, 2];
    let mut scene = Scene::new(Api::V10, topics.map(|id| topic(id, START + 4)).to_vec());
    scene.net.fault(Rule::new(Fault::CloseKept));
    let worker = scene.start();
    let report = scene.wait_for_windows(&topics, 3);
    let ended = worker.stop();
    assert_all_served(&report, &topics);
    assert!(!ended.stderr.contains("waiting: chain"), "{}", ended.stderr);
}
