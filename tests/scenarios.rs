//! A short run of `make scenarios`.

use std::process::ExitCode;

use allora_localnet::scenarios::scenarios;

const WORKER: &str = env!("CARGO_BIN_EXE_allora-worker");

#[test]
fn scenarios_pass_on_the_simulated_chain() {
    let options = "--windows 1 --block-ms 500 --only serve --only numbers --only labels \
                   --only forecasts --only whitelist --only unfunded";
    let arguments = ["--worker", WORKER]
        .into_iter()
        .chain(options.split_whitespace());
    let code = scenarios(arguments.map(Into::into));
    assert_eq!(code, ExitCode::SUCCESS, "see the output above");
}
