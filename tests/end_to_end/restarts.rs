//! Restarts: the worker keeps no state on disk and reads from the chain what is already submitted.

use allora_localnet::chain::topic::Topic;
use rustix::process::Signal;

use crate::scenes::*;
use crate::support::*;

#[test]
fn sends_nothing_after_a_restart_in_a_window_that_is_served() {
    on_both(|api| {
        let mut scene = Scene::new(api, vec![one_window(1, START + 4)]);
        scene.register();
        let worker = scene.start();
        let nonce = scene.wait_for("a payload", |report| report.payloads_included == 1);
        let nonce = nonce.windows(1)[0].nonce;
        worker.wait_for_line("included in block");
        worker.stop();

        let worker = scene.start();
        worker.wait_for_line(&format!("nonce {nonce}: already submitted"));
        scene.wait_for_blocks(3);
        let ended = worker.stop();
        let report = scene.net.report();
        assert_nothing_wasted(&report);
        assert!(
            !report.windows(1)[0].closed,
            "the window must still be open"
        );
        assert_eq!((report.payloads_included, report.check_tx_accepted), (1, 1));
        assert!(ended.stderr.contains("0 included"), "{}", ended.stderr);
        assert!(
            ended.stderr.contains("1 already submitted"),
            "{}",
            ended.stderr
        );
    });
}

#[test]
fn pays_once_when_killed_after_the_broadcast_and_started_at_once() {
    on_both(|api| {
        let (mut scene, worker) = in_mempool(api, |options| options);
        worker.end_by(Signal::KILL);
        assert_restart_sends_nothing(&mut scene);
    });
}

#[test]
fn serves_every_window_once_when_killed_at_any_point_and_started_again() {
    on_both(|api| {
        let topics = [(1, START + 4), (2, START + 6)];
        let mut scene = Scene::new(
            api,
            topics.map(|(id, at)| Topic::new(id, 20, 15, at)).into(),
        );
        scene.register();
        let mut worker = scene.start();
        for sent in 1..=4 {
            scene.wait_for("another broadcast", |report| {
                report.check_tx_accepted >= sent
            });
            worker.end_by(Signal::KILL);
            worker = scene.start();
        }
        scene.wait_for_windows(&[1, 2], 2);
        worker.stop();
        let report = scene.net.report();
        assert_all_served(&report, &[1, 2]);
        assert_eq!(report.ante_failures.len(), 0, "{:?}", report.ante_failures);
    });
}
