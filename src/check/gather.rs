//! Sends the requests of a check. Answers are not judged here, except to choose the next request.
//! Each request has its usual time limit; all of them together are limited by [`TIME_MAX`].

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use time::{OffsetDateTime, UtcOffset};

use super::facts::{self, ChainFacts, Gathered, GrantFacts, Setup};
use crate::backoff::Jitter;
use crate::chain::answers::NodeStatus;
use crate::chain::lcd::Lcd;
use crate::config::Loaded;
use crate::http::Http;
use crate::sign::signers::Signers;
use crate::sign::wallet_source::SecretSource;
use crate::values::fee::GasPrice;
use crate::values::units::ApiVersion;

mod node_questions;
mod topic_questions;

use node_questions::answered;

/// No further question begins after this time, ten times what a check usually takes.
const TIME_MAX: Duration = Duration::from_secs(60);

pub(super) fn gather(path: &Path, loaded: Loaded, signers: &Signers) -> Gathered {
    let ends = Instant::now() + TIME_MAX;
    // why: before any thread starts, because the system's time zone can be read safely only while
    // there is one thread
    let setup = setup(path, loaded, signers);
    let http = Http::default();
    let chain_id = setup.config.chain_id.clone();
    let endpoint_http = setup.config.endpoint_client(&http);
    let endpoints =
        node_questions::ask(&endpoint_http, &setup.config.api_urls, chain_id.as_deref());
    let usable = endpoints.iter().filter(|endpoint| endpoint.node.is_ok());
    let usable: Vec<String> = usable
        .map(|usable| usable.url.as_str().to_owned())
        .collect();
    let seed = Jitter::from_clock(0).number();
    let lcd = Lcd::new(endpoint_http, &usable, chain_id, seed);
    let first = facts::first_usable(&endpoints);
    let api = first.and_then(|node| node.api.clone().ok());
    let mut chain = api.map(|api| ask_chain(&lcd, api, &setup));
    let asker = topic_questions::Asker {
        http: &http,
        lcd: &lcd,
        chain: chain.as_ref(),
        signers,
        granter: setup.config.fee_granter.as_deref(),
        ends,
    };
    let topics = asker.ask(&setup.config.topics);
    if let (Some(chain), Some(first)) = (&mut chain, first)
        && let (Ok(before), Ok(after)) = (&first.block, lcd.node_status())
    {
        chain.block_time = block_time(*before, after.value);
    }
    Gathered {
        setup,
        endpoints,
        chain,
        topics,
    }
}

fn setup(path: &Path, loaded: Loaded, signers: &Signers) -> Setup {
    let secret_path = match &loaded.secret_origin {
        SecretSource::PhraseFile(file) | SecretSource::KeyFile(file) => Some(file.as_path()),
        SecretSource::Config => Some(path),
        SecretSource::PhraseCredential(_) | SecretSource::KeyCredential(_) => None,
    };
    let metadata = secret_path.and_then(|file| fs::metadata(file).ok());
    let now = SystemTime::now();
    Setup {
        path: path.to_owned(),
        unused_proxy: loaded.config.unused_proxy_variables(),
        config: loaded.config,
        warnings: loaded.warnings,
        origin: loaded.secret_origin,
        mode: metadata.map(|metadata| metadata.permissions().mode() & 0o7777),
        address: signers.worker().address().to_owned(),
        sender: signers.sender().address().to_owned(),
        now,
        offset: UtcOffset::local_offset_at(OffsetDateTime::from(now)).unwrap_or(UtcOffset::UTC),
    }
}

/// The mean time between two blocks, by the chain's own times.
fn block_time(before: NodeStatus, after: NodeStatus) -> Option<Duration> {
    let blocks = after.height.0.checked_sub(before.height.0)?;
    let time = after.time.duration_since(before.time).ok()?;
    time.checked_div(u32::try_from(blocks).ok()?)
}

fn ask_chain(lcd: &Lcd, api: ApiVersion, setup: &Setup) -> ChainFacts {
    let address = &setup.sender;
    let granter = setup.config.fee_granter.as_deref();
    let price = answered(lcd.gas_price()).and_then(|price| {
        let price = GasPrice::parse(&price);
        price.map_err(|error| format!("the gas price cannot be read: {error}"))
    });
    ChainFacts {
        api,
        chain_id: lcd.chain_id(),
        account: answered(lcd.account(address)),
        balance: answered(lcd.balance(address)),
        price,
        params: answered(lcd.params(api)),
        grant: granter.map(|granter| GrantFacts {
            granter: granter.to_owned(),
            allowance: answered(lcd.allowance(granter, address)),
            balance: answered(lcd.balance(granter)),
        }),
        block_time: None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;
    use crate::values::units::Height;

    #[test]
    fn the_block_time_comes_from_the_chains_own_times() {
        let block = |height, seconds| NodeStatus {
            height: Height(height),
            time: UNIX_EPOCH + Duration::from_secs(seconds),
        };
        assert_eq!(
            block_time(block(7, 100), block(9, 111)),
            Some(Duration::from_millis(5_500))
        );
        assert_eq!(
            block_time(block(7, 100), block(7, 100)),
            None,
            "no block came"
        );
        assert_eq!(
            block_time(block(7, 100), block(6, 95)),
            None,
            "another node answered"
        );
    }
}
