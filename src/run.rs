//! From a configuration to running threads and back to nothing: the only place that starts
//! threads. One per topic, the broadcaster, one that takes signals, two more where metrics are asked
//! for; the main thread watches over them. None is waited for longer than a stop may take.

use std::convert::Infallible;
use std::io;
use std::process::{ExitCode, exit};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use log::{error, info, warn};
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::backoff::Jitter;
use crate::broadcaster::{self, Broadcaster, STOP_PATIENCE};
use crate::chain::Chain;
use crate::chain::lcd::Lcd;
use crate::config::{self, Config, Loaded};
use crate::http::Http;
use crate::monitoring::server::{CONNECTIONS_MAX, HealthServer};
use crate::monitoring::service_manager::ServiceManager;
use crate::monitoring::view::Source;
use crate::shutdown::{self, Stop};
use crate::sign::wallet::Wallet;
use crate::status::beats::Beat;
use crate::status::tally::Tally;
use crate::text::with_causes;
use crate::topic::turns::Turns;
use crate::topic::{Shared, Topic};

/// Stack of each thread: TLS and JSON need a fraction of it.
const STACK_BYTES: usize = 512 * 1024;
/// What the topics get to write their last lines once nothing is in flight any more.
const STOP_GRACE: Duration = Duration::from_secs(1);

/// Keeps the key out of core files and away from other users' debuggers. Called before anything
/// secret is read.
pub fn keep_memory_private() {
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    // why: where the system refuses, the process is no worse off than without asking
    let _ = setrlimit(Resource::Core, none);
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
}

/// A panic anywhere ends the process: half a worker would look alive and serve nothing.
pub fn end_on_panic() {
    std::panic::set_hook(Box::new(|panic| {
        let thread = thread::current();
        let name = thread.name().unwrap_or("?");
        error!("internal error in {name}, ending so that a service manager can restart: {panic}");
        exit(1);
    }));
}

/// Serves the configuration's topics until SIGINT or SIGTERM.
#[must_use]
pub fn run(loaded: Loaded) -> ExitCode {
    let Loaded {
        config,
        seed_phrase,
        warnings,
        ..
    } = loaded;
    let wallet = Wallet::new(&seed_phrase);
    drop(seed_phrase);
    let wallet = match wallet {
        Ok(wallet) => wallet,
        Err(error) => {
            error!("no wallet can be made of the seed phrase: {error}");
            return ExitCode::from(3);
        }
    };
    let lines = config::defaults::lines(&warnings);
    lines.iter().for_each(|line| warn!("{line}"));
    let server = match config.metrics_listen.map(HealthServer::bind).transpose() {
        Ok(server) => server,
        Err(failed) => {
            error!("{}", with_causes(&failed));
            return ExitCode::from(3);
        }
    };
    banner(&config, wallet.address());
    match serve(&config, wallet, server.as_ref()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error!("a thread can't be started: {error}; is the limit of tasks too low?");
            ExitCode::FAILURE
        }
    }
}

fn banner(config: &Config, address: &str) {
    let list = |items: Vec<String>| items.join(", ");
    let endpoints = list(config.api_urls.iter().map(ToString::to_string).collect());
    let topics = list(
        config
            .topics
            .iter()
            .map(|topic| topic.topic.to_string())
            .collect(),
    );
    let version = env!("CARGO_PKG_VERSION");
    info!("allora-worker {version}, address {address}, endpoint {endpoints}, topics {topics}");
}

fn serve(config: &Config, wallet: Wallet, server: Option<&HealthServer>) -> io::Result<()> {
    let (stopper, stop) = shutdown::channel();
    let signals = take_signals()?;
    let http = Http::new();
    let urls: Vec<String> = config
        .api_urls
        .iter()
        .map(|url| url.as_str().to_owned())
        .collect();
    let lcd = Lcd::new(http.clone(), &urls, Jitter::from_clock(0).number());
    let chain = Arc::new(Chain::new(lcd, wallet.address().to_owned()));
    let tally = Arc::new(Tally::default());
    let (outbox, inbox) = bounded(config.topics.len());
    let (sending, sent) = bounded::<Infallible>(0);
    let settings = broadcaster::Settings {
        gas_factor: config.gas_factor,
        fee_max: config.max_fee,
        tx_check_every: config.tx_check_freq,
        tx_check_retries: config.tx_check_retries,
    };
    let sender = Broadcaster::new(Arc::clone(&chain), wallet, settings, inbox, stop.clone());
    let beat = chain.status.beats.enlist("broadcaster");
    spawn("broadcaster".to_owned(), beat, &stop, sending, move || {
        sender.run()
    })?;
    let source = Source::new(Arc::clone(&chain), Arc::clone(&tally));
    let shared = Shared {
        chain,
        http,
        outbox,
        tally,
        turns: Turns::default(),
        stop: stop.clone(),
    };
    let finished = spawn_topics(config, shared)?;
    if let Some(server) = server {
        serve_watchers(server, &source, &stop)?;
    }
    let name = await_signal(&signals, &source);
    info!(
        "{name}: stopping, what is in flight is awaited for {} s",
        STOP_PATIENCE.as_secs()
    );
    drop(stopper);
    let _ = sent.recv_timeout(STOP_PATIENCE);
    // why: a topic inside a model's answer is not waited for
    let _ = finished.recv_timeout(STOP_GRACE);
    info!("{}", source.summary());
    Ok(())
}

/// A thread for each topic. What is given back closes when all of them have ended.
fn spawn_topics(config: &Config, shared: Shared) -> io::Result<Receiver<Infallible>> {
    let (running, finished) = bounded::<Infallible>(0);
    for topic in &config.topics {
        let name = format!("topic-{}", topic.topic);
        let status = &shared.chain.status;
        status.topic(topic.topic, topic.nonce_fetch_freq);
        let beat = status.beats.enlist(&name);
        let thread = Topic::new(topic.clone(), shared.clone());
        let body = move || thread.run();
        spawn(name, beat, &shared.stop, running.clone(), body)?;
    }
    Ok(finished)
}

/// A thread that runs until the stop signal; one that ends before is a defect, and ends the
/// process.
fn spawn(
    name: String,
    beat: Beat,
    stop: &Stop,
    running: Sender<Infallible>,
    body: impl FnOnce() + Send + 'static,
) -> io::Result<()> {
    let stop = stop.clone();
    thread::Builder::new()
        .name(name)
        .stack_size(STACK_BYTES)
        .spawn(move || {
            beat.adopt();
            body();
            assert!(stop.is_given(), "the thread ended by itself");
            drop(running);
        })?;
    Ok(())
}

/// Starts what answers those who ask how the worker is. Its threads hold nothing and end with the
/// process.
fn serve_watchers(server: &HealthServer, source: &Source, stop: &Stop) -> io::Result<()> {
    for number in 1..=CONNECTIONS_MAX {
        let (server, source, stop) = (server.try_clone()?, source.clone(), stop.clone());
        thread::Builder::new()
            .name(format!("metrics-{number}"))
            .stack_size(STACK_BYTES)
            .spawn(move || server.run(&source, &stop))?;
    }
    info!("metrics: http://{}/metrics", server.address()?);
    Ok(())
}

/// Waits for the first signal; meanwhile the service manager, if there is one, is kept informed.
fn await_signal(signals: &Receiver<&'static str>, source: &Source) -> &'static str {
    // why: a sender that is gone means that the thread for signals is, which nothing ends
    const GONE: &str = "the end of the signals";
    let Some(mut manager) = ServiceManager::of_environment() else {
        return signals.recv().unwrap_or(GONE);
    };
    manager.ready(source);
    loop {
        match signals.recv_timeout(manager.tick_every()) {
            Err(RecvTimeoutError::Timeout) => manager.tick(source),
            told => {
                manager.stopping();
                return told.unwrap_or(GONE);
            }
        }
    }
}

/// The first SIGINT or SIGTERM is told, the second one ends the process at once.
fn take_signals() -> io::Result<Receiver<&'static str>> {
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    let (tell, told) = bounded(1);
    thread::Builder::new()
        .name("signals".to_owned())
        .stack_size(STACK_BYTES)
        .spawn(move || {
            let mut stopping = false;
            for signal in signals.forever() {
                if std::mem::replace(&mut stopping, true) {
                    exit(128 + signal);
                }
                let name = if signal == SIGINT {
                    "SIGINT"
                } else {
                    "SIGTERM"
                };
                // why: the channel has room for the one signal that is ever told
                let _ = tell.try_send(name);
            }
        })?;
    Ok(told)
}
