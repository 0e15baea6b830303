//! The home folder of a one-node chain on loopback: keys, genesis and settings.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use super::test_chain::{CHAIN_ID, Needs, PLACES};

/// The name of the administrator's key.
pub(super) const ADMIN: &str = "admin";
/// The administrator's balance.
const BALANCE: &str = "100000000000000000000000000uallo";
/// What the administrator stakes as the only validator.
const STAKED: &str = "10000000000000000000000000uallo";
/// Gas of a block, in place of 30 million: one block creates the topics of all scenarios.
const BLOCK_GAS: &str = "100000000";
/// How long a proposal of each kind is voted on.
const VOTING: [(&str, &str); 2] = [("voting_period", "30s"), ("expedited_voting_period", "10s")];

/// The ports of a node, all on loopback.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ports {
    pub(super) rest: u16,
    pub(super) rpc: u16,
    p2p: u16,
    grpc: u16,
    pprof: u16,
}

impl Ports {
    /// Ports that nothing listens on.
    pub(super) fn find() -> io::Result<Ports> {
        let mut listeners = Vec::new();
        let mut port = || -> io::Result<u16> {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
            let port = listener.local_addr()?.port();
            // All stay taken until the last one is found, so that they differ.
            listeners.push(listener);
            Ok(port)
        };
        Ok(Ports {
            rest: port()?,
            rpc: port()?,
            p2p: port()?,
            grpc: port()?,
            pprof: port()?,
        })
    }
}

/// Creates the home of a chain whose only validator is the administrator; returns the
/// administrator's address.
pub(super) fn create(
    node: &Path,
    home: &Path,
    ports: Ports,
    block_time: Duration,
    needs: &Needs,
) -> io::Result<String> {
    let run = |arguments: &[&str]| output(node, home, arguments);
    run(&[
        "init",
        "local",
        "--chain-id",
        CHAIN_ID,
        "--default-denom",
        "uallo",
    ])?;
    let keyring = ["--keyring-backend", "test"];
    run(&[&["keys", "add", ADMIN][..], &keyring].concat())?;
    let address = run(&[&["keys", "show", ADMIN, "-a"][..], &keyring].concat())?;
    let address = address.trim().to_owned();
    run(&["genesis", "add-genesis-account", &address, BALANCE])?;
    let stake = ["genesis", "gentx", ADMIN, STAKED, "--chain-id", CHAIN_ID];
    run(&[&stake[..], &keyring].concat())?;
    run(&["genesis", "collect-gentxs"])?;
    let config = home.join("config");
    change(&config.join("genesis.json"), |text| {
        let mut genesis: Value = serde_json::from_str(text)?;
        set_rules(&mut genesis["app_state"], &address, needs);
        Ok(genesis.to_string())
    })?;
    change(&config.join("config.toml"), |text| {
        Ok(network_settings(
            text,
            ports,
            block_time,
            needs.mempool_txs_max,
        ))
    })?;
    change(&config.join("app.toml"), |text| {
        Ok(service_settings(text, ports))
    })?;
    Ok(address)
}

/// Runs a command of the node's binary; returns its standard output.
pub(super) fn output(node: &Path, home: &Path, arguments: &[&str]) -> io::Result<String> {
    let output = Command::new(node)
        .args(arguments)
        .arg("--home")
        .arg(home)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| {
            let text = format!("cannot start {}: {error}", node.display());
            io::Error::new(error.kind(), text)
        })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    let command = arguments.join(" ");
    Err(io::Error::other(format!(
        "{} {command}: {error}",
        node.display()
    )))
}

fn change(path: &Path, new: impl FnOnce(&str) -> io::Result<String>) -> io::Result<()> {
    let text = fs::read_to_string(path)?;
    fs::write(path, new(&text)?)
}

/// What differs from the defaults: the administrator's rights, fees in uallo, windows of all
/// topics in any block, few places, scores, and quick votes.
fn set_rules(state: &mut Value, admin: &str, needs: &Needs) {
    if let Some(team) = state["emissions"]["core_team_addresses"].as_array_mut() {
        team.push(admin.into());
    } else {
        state["emissions"]["core_team_addresses"] = json!([admin]);
    }
    state["emissions"]["params"]["max_active_topics_per_block"] = "1000".into();
    state["emissions"]["params"]["max_top_inferers_to_reward"] =
        needs.places.unwrap_or(PLACES).to_string().into();
    let scores = needs.scores.iter().map(|(topic, address, score)| {
        // A worker whose height is 0 is new, and its score does not count.
        let of_block = json!({"topic_id": topic.to_string(), "block_height": "1",
            "address": address, "score": score.to_string()});
        json!({"topic_id": topic.to_string(), "actor_id": address, "score": of_block})
    });
    if let Some(most) = needs.labels_max {
        state["emissions"]["params"]["max_epoch_label_registry_size"] = most.to_string().into();
    }
    let stale = needs.stale.iter().map(|(topic, nonce)| {
        let nonces = json!([{"block_height": nonce.to_string()}]);
        json!({"topic_id": topic.to_string(), "nonces": {"nonces": nonces}})
    });
    state["emissions"]["unfulfilled_worker_nonces"] = stale.collect::<Vec<_>>().into();
    state["emissions"]["inferer_score_emas"] = scores.collect::<Vec<_>>().into();
    state["feemarket"]["params"]["fee_denom"] = "uallo".into();
    state["feemarket"]["params"]["max_block_utilization"] = BLOCK_GAS.into();
    for (name, time) in VOTING {
        state["gov"]["params"][name] = time.into();
    }
}

fn network_settings(
    text: &str,
    ports: Ports,
    block_time: Duration,
    mempool_txs_max: Option<usize>,
) -> String {
    let loopback = |port: u16| format!("\"tcp://127.0.0.1:{port}\"");
    let commit = format!("\"{}ms\"", block_time.as_millis());
    let pprof = format!("\"localhost:{}\"", ports.pprof);
    let mut settings = vec![
        ("rpc", "laddr", loopback(ports.rpc)),
        ("rpc", "pprof_laddr", pprof),
        ("p2p", "laddr", loopback(ports.p2p)),
        ("p2p", "pex", "false".to_owned()),
        ("p2p", "seeds", "\"\"".to_owned()),
        ("p2p", "addr_book_strict", "false".to_owned()),
        ("consensus", "timeout_commit", commit),
    ];
    settings.extend(mempool_txs_max.map(|most| ("mempool", "size", most.to_string())));
    set(text, &settings)
}

fn service_settings(text: &str, ports: Ports) -> String {
    let settings = [
        ("", "minimum-gas-prices", "\"10uallo\"".to_owned()),
        ("api", "enable", "true".to_owned()),
        (
            "api",
            "address",
            format!("\"tcp://127.0.0.1:{}\"", ports.rest),
        ),
        ("grpc", "address", format!("\"127.0.0.1:{}\"", ports.grpc)),
    ];
    set(text, &settings)
}

/// Replaces values in TOML: section, key, and the new value as it is written.
fn set(text: &str, settings: &[(&str, &str, String)]) -> String {
    let mut section = "";
    let mut lines = Vec::new();
    for line in text.lines() {
        if let Some(name) = line
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
        {
            section = name;
        }
        let key = line.split_once('=').map(|(key, _)| key.trim());
        let new = settings
            .iter()
            .find(|(of, name, _)| *of == section && key == Some(*name));
        lines.push(match new {
            Some((_, name, value)) => format!("{name} = {value}"),
            None => line.to_owned(),
        });
    }
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_is_replaced_in_its_section_only() {
        let text = "a = 1\n[rpc]\nladdr = \"x\" # why\n# laddr = 2\n[p2p]\nladdr = \"y\"\n";
        let new = set(
            text,
            &[
                ("p2p", "laddr", "\"z\"".to_owned()),
                ("", "a", "2".to_owned()),
            ],
        );
        assert_eq!(
            new,
            "a = 2\n[rpc]\nladdr = \"x\" # why\n# laddr = 2\n[p2p]\nladdr = \"z\"\n"
        );
    }

    #[test]
    fn ports_differ() {
        let ports = Ports::find().unwrap();
        let mut all = [ports.rest, ports.rpc, ports.p2p, ports.grpc, ports.pprof];
        all.sort_unstable();
        assert!(all.windows(2).all(|pair| pair[0] != pair[1]), "{all:?}");
    }

    #[test]
    fn the_rules_name_the_administrator_and_the_scores() {
        let mut state = json!({"emissions": {"core_team_addresses": ["a"], "params": {}}});
        let needs = Needs {
            scores: vec![(2, "w".to_owned(), 7)],
            ..Needs::default()
        };
        set_rules(&mut state, "b", &needs);
        let score = &state["emissions"]["inferer_score_emas"][0];
        assert_eq!(score["actor_id"], "w");
        assert_eq!(score["score"]["score"], "7");
        assert_eq!(state["emissions"]["core_team_addresses"], json!(["a", "b"]));
        assert_eq!(state["gov"]["params"]["expedited_voting_period"], "10s");
    }
}
