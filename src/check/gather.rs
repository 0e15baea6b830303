//! Asks everybody once. Thin: no answer is judged here beyond what decides whether there is a
//! next question. Everything is bounded: each request by its usual limit, all of it by
//! [`TIME_MAX`].

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use time::{OffsetDateTime, UtcOffset};

use super::facts::{ChainFacts, Endpoint, Facts, Node, Setup, Unusable};
use super::judge::endpoints;
use super::parallel;
use crate::backoff::Jitter;
use crate::chain::answers::NodeStatus;
use crate::chain::error::{ErrorKind, LcdError};
use crate::chain::lcd::Lcd;
use crate::config::Loaded;
use crate::http::Http;
use crate::sign::seed_phrase::PhraseSource;
use crate::sign::tx;
use crate::sign::wallet::Wallet;
use crate::values::fee::GasPrice;
use crate::values::units::ApiVersion;

mod topics;

use topics::Asker;

/// After so long no further question is begun: ten times what a check usually takes.
const TIME_MAX: Duration = Duration::from_secs(60);

/// Asks everybody.
pub(super) fn gather(path: &Path, loaded: Loaded, wallet: &Wallet) -> Facts {
    let ends = Instant::now() + TIME_MAX;
    // why: asked before any thread is started; with several of them the system's time zone cannot
    // be read safely, and is not told
    let setup = setup(path, loaded, wallet);
    let http = Http::new();
    let urls: Vec<&str> = setup
        .config
        .api_urls
        .iter()
        .map(|url| url.as_str())
        .collect();
    let endpoints = parallel::each(&urls, urls.len(), |url| ask_endpoint(&http, url));
    let usable = endpoints::usable(&endpoints);
    let usable: Vec<String> = usable.into_iter().map(|at| urls[at].to_owned()).collect();
    let api = endpoints::api(&endpoints);
    let lcd = Lcd::new(http.clone(), &usable, Jitter::from_clock(0).number());
    let mut chain = api.map(|api| ask_chain(&lcd, api, &setup.address));
    let asker = Asker {
        http: &http,
        lcd: &lcd,
        chain: chain.as_ref(),
        wallet,
        ends,
    };
    let topics = asker.ask(&setup.config.topics);
    let before = endpoints::newest_block(&endpoints);
    let after = chain.is_some().then(|| lcd.node_status().ok()).flatten();
    if let (Some(chain), Some(after)) = (&mut chain, after) {
        chain.block_time = before.and_then(|before| pace(before, after.value));
    }
    Facts {
        setup,
        endpoints,
        chain,
        topics,
    }
}

fn setup(path: &Path, loaded: Loaded, wallet: &Wallet) -> Setup {
    let words_path = match &loaded.seed_phrase_origin {
        PhraseSource::File(file) => Some(file.as_path()),
        PhraseSource::Config => Some(path),
        PhraseSource::Credential(_) => None,
    };
    let mode = words_path
        .and_then(|file| fs::metadata(file).ok())
        .map(|metadata| metadata.permissions().mode() & 0o7777);
    let now = SystemTime::now();
    Setup {
        path: path.to_owned(),
        config: loaded.config,
        warnings: loaded.warnings,
        origin: loaded.seed_phrase_origin,
        mode,
        address: wallet.address().to_owned(),
        now,
        offset: UtcOffset::local_offset_at(OffsetDateTime::from(now)).unwrap_or(UtcOffset::UTC),
    }
}

/// How long a block takes, going by the chain's own times.
fn pace(before: NodeStatus, after: NodeStatus) -> Option<Duration> {
    let blocks = after.height.0.checked_sub(before.height.0)?;
    let time = after.time.duration_since(before.time).ok()?;
    time.checked_div(u32::try_from(blocks).ok()?)
}

fn line(error: &LcdError) -> String {
    error.line()
}

/// An endpoint by itself, with a client of its own that knows no other.
fn ask_endpoint(http: &Http, url: &str) -> Endpoint {
    let lcd = Lcd::new(http.clone(), &[url.to_owned()], 0);
    let name = crate::http::origin(url);
    let info = match lcd.node_info() {
        Ok(info) => info,
        Err(error) => {
            let node = Err(why_unusable(&error));
            return Endpoint { name, node };
        }
    };
    let asked = Instant::now();
    let api = lcd.api_version();
    let latency = asked.elapsed();
    let height = api.as_ref().map_or(info.height, |answer| answer.height);
    let block = lcd.node_status();
    let block_told = SystemTime::now();
    let node = Node {
        chain_id: info.value.chain_id,
        version: info.value.version,
        height,
        api: api.map(|answer| answer.value).map_err(|error| line(&error)),
        block: block
            .map(|answer| answer.value)
            .map_err(|error| line(&error)),
        block_told,
        tx_index: ask_index(&lcd),
        latency,
    };
    Endpoint {
        name,
        node: Ok(node),
    }
}

/// Why an endpoint cannot be asked, without its name, which stands beside it.
fn why_unusable(error: &LcdError) -> Unusable {
    match &error.kind {
        ErrorKind::Syncing => Unusable::Syncing,
        ErrorKind::Transport(error) => Unusable::Down(error.to_string()),
        kind => Unusable::Down(kind.to_string()),
    }
}

/// Whether a transaction that never was is not found, or cannot be looked for.
fn ask_index(lcd: &Lcd) -> Result<bool, String> {
    match lcd.tx(&tx::hash(b"").to_string()) {
        Ok(_) => Ok(true),
        Err(error) if matches!(error.kind, ErrorKind::Chain(_)) => Ok(false),
        Err(error) => Err(line(&error)),
    }
}

fn ask_chain(lcd: &Lcd, api: ApiVersion, address: &str) -> ChainFacts {
    let price = lcd.gas_price().map_err(|error| line(&error));
    let price = price.and_then(|answer| {
        let price = GasPrice::parse(&answer.value);
        price.map_err(|error| format!("the gas price cannot be read: {error}"))
    });
    ChainFacts {
        api,
        account: lcd
            .account(address)
            .map(|answer| answer.value)
            .map_err(|e| line(&e)),
        balance: lcd
            .balance(address)
            .map(|answer| answer.value)
            .map_err(|e| line(&e)),
        price,
        params: lcd
            .params(api)
            .map(|answer| answer.value)
            .map_err(|e| line(&e)),
        block_time: None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;
    use crate::values::units::Height;

    #[test]
    fn the_pace_is_that_of_the_blocks_own_times() {
        let block = |height, seconds| NodeStatus {
            height: Height(height),
            time: UNIX_EPOCH + Duration::from_secs(seconds),
        };
        assert_eq!(
            pace(block(7, 100), block(9, 111)),
            Some(Duration::from_millis(5_500))
        );
        assert_eq!(pace(block(7, 100), block(7, 100)), None, "no block came");
        assert_eq!(
            pace(block(7, 100), block(6, 95)),
            None,
            "another node answered"
        );
    }
}
