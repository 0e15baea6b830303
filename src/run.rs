//! From a configuration to running threads and back: one thread per topic, the broadcaster, one for
//! signals, and one each for metrics and the webhook if they are configured. The main thread keeps
//! the service manager informed. A stop waits for the threads for a bounded time.

use std::convert::Infallible;
use std::io;
use std::process::{ExitCode, exit};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use log::{error, info, warn};
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::backoff::Jitter;
use crate::broadcaster::order::Order;
use crate::broadcaster::{Broadcaster, STOP_PATIENCE, SenderSettings};
use crate::chain::Chain;
use crate::chain::lcd::Lcd;
use crate::config::{Config, Loaded, Warning};
use crate::http::url::Url;
use crate::http::{self, Http};
use crate::monitoring::server::HealthServer;
use crate::monitoring::service_manager::ServiceManager;
use crate::monitoring::view::View;
use crate::shutdown::{self, Stop};
use crate::sign::signers::Signers;
use crate::text::with_causes;
use crate::threads;
use crate::threads::limit::{TaskLimit, task_limit};
use crate::topic::turns::{TURNS, Turns};
use crate::topic::{Context, Topic};
use crate::values::amount;
use crate::values::standby::Standby;
use crate::webhook::Webhook;

/// The time that the topics have to log their last lines once nothing is in flight any more.
const STOP_GRACE: Duration = Duration::from_secs(1);

/// Threads beside those of the topics: main, broadcaster, signals, metrics, webhook, and those that
/// end soon (look-ups of names, the way back to a better endpoint).
const OWN_TASKS: usize = 12;

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

/// Makes a panic in any thread end the process: half a worker would look alive and serve nothing.
pub fn end_on_panic() {
    std::panic::set_hook(Box::new(|panic| {
        let thread = thread::current();
        let name = thread.name().unwrap_or("?");
        error!("internal error in {name}, ending so that a service manager can restart: {panic}");
        log::logger().flush();
        exit(1);
    }));
}

/// Serves the configuration's topics until a signal stops it.
pub fn run(loaded: Loaded) -> ExitCode {
    let Loaded {
        config,
        secret,
        fee_seed_phrase,
        warnings,
        ..
    } = loaded;
    let signers = Signers::of(&secret, fee_seed_phrase.as_ref());
    drop((secret, fee_seed_phrase));
    let signers = match signers {
        Ok(signers) => signers,
        Err(error) => {
            error!("no wallet can be made: {error}");
            return ExitCode::from(3);
        }
    };
    log_warnings(&warnings);
    if let Err(error) = config.check_accounts(signers.worker().address(), signers.fee_account()) {
        error!("{error}");
        return ExitCode::from(3);
    }
    let server = match config.metrics_listen.map(HealthServer::bind).transpose() {
        Ok(server) => server,
        Err(error) => {
            error!("{}", with_causes(&error));
            return ExitCode::from(3);
        }
    };
    log_start(&config, &signers);
    if let Some(warning) = task_limit().and_then(|limit| too_few_tasks(config.topics.len(), limit))
    {
        warn!("{warning}");
    }
    match serve(&config, signers, server) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error!("a thread can't be started: {error}; is the limit of tasks too low?");
            ExitCode::FAILURE
        }
    }
}

/// Logs the defaults that matter on one line, as information, and every other warning on its own
/// line.
fn log_warnings(warnings: &[Warning]) {
    let mut defaults = Vec::new();
    for warning in warnings {
        match (warning, warning.command()) {
            (Warning::Default { in_log, .. }, _) => {
                defaults.extend(in_log.then(|| warning.to_string()));
            }
            (_, Some(command)) => warn!("{warning}; {command}"),
            (_, None) => warn!("{warning}"),
        }
    }
    if !defaults.is_empty() {
        info!("not set, using the defaults: {}", defaults.join(", "));
    }
}

fn log_start(config: &Config, signers: &Signers) {
    let version = env!("CARGO_PKG_VERSION");
    let urls = config.api_urls.iter().map(Url::as_str);
    let names = http::names(urls.clone());
    let endpoints = joined(&names);
    let topics = joined(config.topics.iter().map(|topic| topic.topic));
    let address = signers.worker().address();
    info!("allora-worker {version}, address {address}, endpoint {endpoints}, topics {topics}");
    let [fee, day] = [config.max_fee, config.max_fee_per_day].map(amount::allo);
    info!(
        "limits: {fee} for the fee of a transaction, {day} for all that are signed within 24 h, \
         counted from this start"
    );
    if let Some(sender) = signers.fee_account() {
        info!(
            "transactions are sent and paid for by {sender}; registrations are left to whoever sends from \
             the worker's own address"
        );
    }
    if let Some(Standby { role, after_blocks }) = config.standby {
        let after = after_blocks.map_or("in the middle of each window".to_owned(), |blocks| {
            format!("{blocks} blocks after each nonce")
        });
        info!("role {role}: the primary hands over to the standby {after}");
    }
    for (url, name) in urls.zip(&names) {
        let proxy = config.proxies.as_ref().and_then(|proxies| proxies.of(url));
        if let Some(proxy) = proxy {
            info!("{name} is asked through the proxy {proxy}");
        }
    }
    let unused = config.unused_proxy_variables().join(" and ");
    if !unused.is_empty() {
        warn!(
            "{unused} is set, but endpoints are asked without a proxy; to use it, set api_params.proxy \
             to \"environment\", or to \"none\" if this is right"
        );
    }
}

/// What to warn of if the system allows fewer threads than the topics need.
fn too_few_tasks(topics: usize, limit: TaskLimit) -> Option<String> {
    let needed = topics.saturating_add(OWN_TASKS);
    let is_too_low = usize::try_from(limit.tasks).is_ok_and(|tasks| tasks < needed);
    is_too_low.then(|| {
        format!(
            "{topics} topics need up to {needed} threads, but the system allows {limit}; a thread \
             that can't be started ends the worker"
        )
    })
}

fn joined(items: impl IntoIterator<Item = impl ToString>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    items.join(", ")
}

/// Starts the threads, waits for a signal, and stops.
fn serve(config: &Config, signers: Signers, server: Option<HealthServer>) -> io::Result<()> {
    let (stopper, stop) = shutdown::channel();
    let signals = take_signals()?;
    let http = Http::keeping(TURNS);
    let chain = Arc::new(connect(config, &http, &signers));
    start_webhook(config, &http, &chain, &stop)?;
    let (outbox, inbox) = bounded(config.topics.len());
    let sent = start_broadcaster(config, &chain, signers, inbox, &stop)?;
    let context = Context {
        chain: Arc::clone(&chain),
        http,
        outbox,
        turns: Turns::default(),
        standby: config.standby,
        stop: stop.clone(),
    };
    let finished = start_topics(config, &context)?;
    drop(context);
    if let Some(server) = server {
        start_server(server, &chain, &stop)?;
    }
    let signal = await_signal(&signals, &chain);
    info!(
        "{signal}: stopping, what is in flight is awaited for {} s",
        STOP_PATIENCE.as_secs()
    );
    drop(stopper);
    let _ = sent.recv_timeout(STOP_PATIENCE);
    // why: a topic that waits for a model's answer is left behind
    let _ = finished.recv_timeout(STOP_GRACE);
    info!("{}", View::of(&chain).summary());
    Ok(())
}

fn connect(config: &Config, http: &Http, signers: &Signers) -> Chain {
    let urls = config.api_urls.iter().map(|url| url.as_str().to_owned());
    let urls: Vec<String> = urls.collect();
    let (chain_id, seed) = (config.chain_id.clone(), Jitter::from_clock(0).number());
    let http = config.endpoint_client(http);
    let lcd = Lcd::new(http, &urls, chain_id, seed);
    let [worker, sender] = [signers.worker(), signers.sender()];
    let [worker, sender] = [worker, sender].map(|wallet| wallet.address().to_owned());
    Chain::new(lcd, worker, sender)
}

/// Starts the broadcaster's thread. The returned channel closes when it has ended.
fn start_broadcaster(
    config: &Config,
    chain: &Arc<Chain>,
    signers: Signers,
    inbox: Receiver<Order>,
    stop: &Stop,
) -> io::Result<Receiver<Infallible>> {
    let (running, ended) = bounded(0);
    let settings = SenderSettings {
        gas_factor: config.gas_factor,
        fee_max: config.max_fee,
        fee_per_day_max: config.max_fee_per_day,
        fee_granter: config.fee_granter.clone(),
        tx_check_every: config.tx_check_freq,
        tx_check_retries: config.tx_check_retries,
    };
    let broadcaster = Broadcaster::new(Arc::clone(chain), signers, settings, inbox, stop.clone());
    start("broadcaster", chain, stop, running, move || {
        broadcaster.run()
    })?;
    Ok(ended)
}

/// Starts the topics' threads. The returned channel closes when all of them have ended.
fn start_topics(config: &Config, context: &Context) -> io::Result<Receiver<Infallible>> {
    let (running, ended) = bounded(0);
    for config in &config.topics {
        let topic = Topic::new(config.clone(), context.clone());
        let chain = &context.chain;
        chain.board.serves(config.topic, topic.poll_gap_max());
        let name = format!("topic-{}", config.topic);
        start(&name, chain, &context.stop, running.clone(), move || {
            topic.run()
        })?;
    }
    Ok(ended)
}

/// Starts a thread that runs until the stop signal, and holds `running` for that time. A thread
/// that ends before is a defect, and ends the process.
fn start(
    name: &str,
    chain: &Chain,
    stop: &Stop,
    running: Sender<Infallible>,
    body: impl FnOnce() + Send + 'static,
) -> io::Result<()> {
    let (stop, beat) = (stop.clone(), chain.board.beats.enlist(name));
    threads::spawn(name, move || {
        beat.adopt();
        body();
        assert!(stop.is_given(), "the thread ended by itself");
        drop(running);
    })?;
    Ok(())
}

/// Starts the thread that tells an operator what happens, if there is a webhook, before anything can
/// happen. It ends with the process, and no stop waits for it.
fn start_webhook(config: &Config, http: &Http, chain: &Arc<Chain>, stop: &Stop) -> io::Result<()> {
    let Some(config) = config.webhook.clone() else {
        return Ok(());
    };
    info!("webhook: {}", config.name());
    let (chain, stop) = (Arc::clone(chain), stop.clone());
    let webhook = Webhook::new(config, http.clone(), chain);
    threads::spawn("webhook", move || webhook.run(&stop))?;
    Ok(())
}

/// Starts the thread that serves metrics and health. It holds nothing and ends with the process.
fn start_server(server: HealthServer, chain: &Arc<Chain>, stop: &Stop) -> io::Result<()> {
    let address = server.address()?;
    let (chain, stop) = (Arc::clone(chain), stop.clone());
    threads::spawn("metrics", move || server.run(&chain, &stop))?;
    info!("metrics: http://{address}/metrics");
    Ok(())
}

/// Waits for the first signal; meanwhile the service manager, if there is one, is kept informed.
fn await_signal(signals: &Receiver<&'static str>, chain: &Chain) -> &'static str {
    // why: the channel only closes with the thread for signals, which nothing ends
    const GONE: &str = "the end of the signals";
    let Some(mut manager) = ServiceManager::of_environment() else {
        return signals.recv().unwrap_or(GONE);
    };
    manager.ready(chain);
    loop {
        match signals.recv_timeout(manager.tick_every()) {
            Err(RecvTimeoutError::Timeout) => manager.tick(chain),
            signal => {
                manager.stopping();
                return signal.unwrap_or(GONE);
            }
        }
    }
}

/// Sends the name of the first signal that stops the worker; a second SIGINT or SIGTERM ends the process
/// at once.
fn take_signals() -> io::Result<Receiver<&'static str>> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    // why: nohup ignores it, and then the worker outlives its terminal
    let hangup = (!ignores(&status, SIGHUP)).then_some(SIGHUP);
    let mut signals = Signals::new([SIGINT, SIGTERM].into_iter().chain(hangup))?;
    let (sender, receiver) = bounded(1);
    threads::spawn("signals", move || {
        let mut stopping = false;
        for signal in signals.forever() {
            if std::mem::replace(&mut stopping, true) {
                if signal == SIGHUP {
                    // why: a closing terminal sends it twice, from the shell and from the kernel
                    continue;
                }
                exit(128 + signal);
            }
            let name = match signal {
                SIGINT => "SIGINT",
                SIGHUP => "SIGHUP",
                _ => "SIGTERM",
            };
            // why: the channel has room for the one signal that is sent
            let _ = sender.try_send(name);
        }
    })?;
    Ok(receiver)
}

/// Whether a process ignores a signal, by its `/proc/PID/status`.
fn ignores(status: &str, signal: i32) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    // why: the lowest bit is that of signal 1
    mask.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::TOPICS_MAX;

    #[test]
    fn an_ignored_signal_is_a_bit_of_the_mask() {
        let status = "SigBlk:\t0000000000000001\nSigIgn:\t0000000000001001\n";
        assert!(ignores(status, SIGHUP));
        assert!(!ignores(status, SIGINT));
        assert!(!ignores("", SIGHUP));
    }

    /// The number after `key` in a file.
    fn number(text: &str, key: &str) -> u64 {
        let (_, after) = text.split_once(key).unwrap();
        after.lines().next().unwrap().trim().parse().unwrap()
    }

    #[test]
    fn what_is_shipped_allows_the_threads_of_the_most_topics() {
        let unit = number(include_str!("../allora-worker.service"), "\nTasksMax=");
        let compose = number(include_str!("../docker-compose.yml"), "pids_limit:");
        for tasks in [unit, compose] {
            let allowed = TaskLimit::of_group(tasks);
            assert_eq!(too_few_tasks(TOPICS_MAX, allowed), None, "{tasks}");
        }
    }

    #[test]
    fn a_limit_that_is_too_low_is_named_with_what_raises_it() {
        let limit = TaskLimit::of_group(512);
        assert_eq!(too_few_tasks(500, limit), None);
        let warning = too_few_tasks(501, limit).unwrap();
        let expected = "501 topics need up to 513 threads, but the system allows 512 by the limit of \
                        its control group (raise TasksMax of the service, or pids_limit); a thread \
                        that can't be started ends the worker";
        assert_eq!(warning, expected);
    }
}
