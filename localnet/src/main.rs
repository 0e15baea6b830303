//! The command `allora-localnet`: runs the simulated chain and the sample model, and holds the
//! subcommands that test and measure a worker.

use std::ffi::OsStr;
use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use allora_localnet::bench;
use allora_localnet::chain::bech32;
use allora_localnet::chain::message::Api;
use allora_localnet::chain::state::Price;
use allora_localnet::demo;
use allora_localnet::faultrun;
use allora_localnet::hostilerun;
use allora_localnet::play::handle::Localnet;
use allora_localnet::play::lies::{LieSpan, Strategy};
use allora_localnet::play::options::{FUNDS_UALLO, NodeOptions, Options};
use allora_localnet::scenarios;
use allora_localnet::terminal;
use fastrand::Rng;

const HELP: &str = "\
Runs a simulated Allora chain and a sample model on loopback, to try and test a worker.

Usage: allora-localnet [OPTIONS]
       allora-localnet demo --worker PATH [--keep]
       allora-localnet bench --worker PATH [--peer COMMAND] [--api v9|v10] [--only NAME]
                             [--out FILE]
       allora-localnet faults --worker PATH [--seed N] [--runs N] [--minutes N] [--jobs N]
       allora-localnet kills --worker PATH [--seed N] [--times N] [--jobs N]
       allora-localnet scenarios --worker PATH [--only NAME] [--windows N] [--keep]
       allora-localnet conformance --nodes FOLDER [--version NAME]
       allora-localnet hostile --worker PATH [--seed N] [--runs N] [--minutes N] [--jobs N]

Options:
  --listen ADDRESS     address of the chain's REST API [127.0.0.1:1317]; repeat it for further
                       nodes of the same chain
  --model ADDRESS      address of the sample model [127.0.0.1:8000]
  --api v9|v10         version of the emissions interface [v10]
  --block-time SECONDS time between blocks, fractions allowed [1]
  --topics COUNT       creates topics 1 to COUNT [3]
  --epoch BLOCKS       from one nonce of a topic to the next [20]
  --window BLOCKS      length of a submission window [10]
  --fund ADDRESS       gives the address 1,000,000 ALLO; repeat it for further addresses
  --gas-price UALLO    price of one unit of gas, fractions allowed [10]
  --chain-id ID        [localnet]
  --start-height N     height before the first block [100]
  --delay-ms N         delay of every answer of the chain [0]
  --model-delay-ms N   delay of every answer of the sample model [0]
  --hostile            the first node lies, each minute about something else; beside it, a node
                       of a second --listen is honest
  --seed N             determines the sample model's numbers and the lies [1]
  -h, --help           this text

The report is at /localnet/report. Stop with Ctrl-C.
";
const BLOCK_TIME_S_MAX: u64 = 3600;
/// How long `--hostile` tells the same lies.
const LIE_TIME: Duration = Duration::from_secs(60);

fn main() -> ExitCode {
    let arguments = || std::env::args_os().skip(2);
    match std::env::args_os()
        .nth(1)
        .as_deref()
        .and_then(OsStr::to_str)
    {
        Some("bench") => return bench::bench(arguments()),
        Some("demo") => return demo::command(arguments()),
        Some("faults") => return faultrun::faults(arguments()),
        Some("kills") => return faultrun::kills(arguments()),
        Some("conformance") => return scenarios::conformance(arguments()),
        Some("scenarios") => return scenarios::scenarios(arguments()),
        Some("hostile") => return hostilerun::hostile(arguments()),
        _ => {}
    }
    terminal::command("allora-localnet", HELP, parse(), |options| {
        run(options).map(|()| true)
    })
}

fn print_line(line: &str) -> io::Result<()> {
    terminal::print(&format!("{line}\n"))
}

/// Lies of one time, one of eight times with a route that lags.
fn drawn(random: &mut Rng) -> Strategy {
    let drawn = Strategy::draw(random);
    match random.u32(0..8) {
        0 => drawn.and("lag", random.u64(..)),
        _ => drawn,
    }
}

/// Runs until the process is stopped.
fn run((options, hostile): &(Options, bool)) -> io::Result<()> {
    let narrator = Box::new(|line: &str| {
        // A closed pipe does not stop the chain.
        let _ = print_line(line);
    });
    let localnet = Localnet::start_with(options, narrator)?;
    let topics = options.topics.len();
    print_line(&format!(
        "chain {} ({})",
        options.chain_id,
        options.api.name()
    ))?;
    for node in 0..options.nodes.len() {
        print_line(&format!("LCD     {}", localnet.node_url(node)))?;
    }
    print_line(&format!("report  {}/localnet/report", localnet.url()))?;
    print_line(&format!("topics  1 to {topics}"))?;
    for (address, _) in &options.accounts {
        print_line(&format!("funded  {address}"))?;
    }
    print_line("In the worker's config.json:")?;
    print_line(&format!(
        "  \"api_params\": {{ \"api_url\": \"{}\" }}",
        localnet.url()
    ))?;
    for topic in &options.topics {
        let url = localnet.model_url(topic.id);
        print_line(&format!(
            "  {{ \"topic_id\": {}, \"inference_url\": \"{url}\" }}",
            topic.id
        ))?;
    }
    if *hostile {
        print_line("The first node lies:")?;
        let mut at = Duration::ZERO;
        let mut random = Rng::with_seed(options.seed);
        loop {
            let span = LieSpan {
                strategy: drawn(&mut random),
                from: at,
                to: at + LIE_TIME,
            };
            print_line(&format!("lie     {}", span.strategy.name()))?;
            at = span.to;
            localnet.clear_faults();
            localnet.lie(0, &[span]);
            localnet.pass_until(at, || true);
        }
    }
    loop {
        std::thread::park();
    }
}

/// Parses the command line; `None` if help is requested.
fn parse() -> Result<Option<(Options, bool)>, String> {
    let mut options = Options {
        model: Some(address("127.0.0.1:8000")?),
        ..Options::default()
    };
    let (mut listen, mut topics, mut epoch, mut window) = (Vec::new(), 3u64, 20u64, 10u64);
    let mut hostile = false;
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next().map_err(|e| e.to_string())? {
        let name = match argument {
            lexopt::Arg::Long("help") | lexopt::Arg::Short('h') => return Ok(None),
            lexopt::Arg::Long("hostile") => {
                hostile = true;
                continue;
            }
            lexopt::Arg::Long(name) => name.to_owned(),
            other => return Err(other.unexpected().to_string()),
        };
        let mut value = || -> Result<String, String> {
            let value = parser.value().map_err(|e| e.to_string())?;
            value
                .into_string()
                .map_err(|_| format!("--{name}: the value is not valid UTF-8"))
        };
        match name.as_str() {
            "listen" => listen.push(address(&value()?)?),
            "model" => options.model = Some(address(&value()?)?),
            "api" => options.api = api(&value()?)?,
            "block-time" => options.block_time = Some(seconds(&value()?)?),
            "topics" => topics = number(&name, &value()?, 0)?,
            "epoch" => epoch = number(&name, &value()?, 1)?,
            "window" => window = number(&name, &value()?, 1)?,
            "fund" => options.accounts.push((account(&value()?)?, FUNDS_UALLO)),
            "gas-price" => options.gas_price = Price::parse(&value()?)?,
            "chain-id" => options.chain_id = value()?,
            "delay-ms" => options.delay = milliseconds(&name, &value()?)?,
            "model-delay-ms" => options.model_delay = milliseconds(&name, &value()?)?,
            "start-height" => options.start_height = number(&name, &value()?, 1)?,
            "seed" => options.seed = number(&name, &value()?, 0)?,
            _ => return Err(format!("unknown option --{name}")),
        }
    }
    if window > epoch {
        return Err(format!(
            "--window {window} must not be longer than --epoch {epoch}"
        ));
    }
    if listen.is_empty() {
        listen.push(address("127.0.0.1:1317")?);
    }
    options.nodes = listen
        .into_iter()
        .map(|listen| NodeOptions {
            listen,
            ..NodeOptions::default()
        })
        .collect();
    Ok(Some((options.with_topics(topics, epoch, window), hostile)))
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse()
        .map_err(|_| format!("{text:?} is not a valid address: write it like 127.0.0.1:1317"))
}

fn api(text: &str) -> Result<Api, String> {
    Api::of(text).ok_or_else(|| format!("--api {text}: use v9 or v10"))
}

fn seconds(text: &str) -> Result<Duration, String> {
    let refuse = || format!("--block-time {text}: use seconds above 0, at most {BLOCK_TIME_S_MAX}");
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    let nanos = format!("{part:0<9}");
    let plain = part.len() <= 9 && nanos.bytes().all(|b| b.is_ascii_digit());
    let whole = if whole.is_empty() { "0" } else { whole };
    let (Ok(whole), Ok(nanos)) = (whole.parse::<u64>(), nanos.parse::<u32>()) else {
        return Err(refuse());
    };
    let time = Duration::new(whole.min(BLOCK_TIME_S_MAX + 1), nanos);
    let fits = plain && !time.is_zero() && time <= Duration::from_secs(BLOCK_TIME_S_MAX);
    if fits { Ok(time) } else { Err(refuse()) }
}

fn number(name: &str, text: &str, least: u64) -> Result<u64, String> {
    let parsed = text
        .parse()
        .ok()
        .filter(|&n: &u64| n >= least && n <= u64::from(u32::MAX));
    parsed.ok_or_else(|| format!("--{name} {text}: use a whole number from {least}"))
}

fn milliseconds(name: &str, text: &str) -> Result<Duration, String> {
    number(name, text, 0).map(Duration::from_millis)
}

fn account(text: &str) -> Result<String, String> {
    match bech32::decode(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(why) => Err(format!("--fund {text}: {why}")),
    }
}
