//! The settings that are not about one topic: the file's top level, and its section `api_params`.

use std::collections::BTreeSet;
use std::env;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use zeroize::Zeroizing;

use super::headers::read_headers;
use super::network::{Network, read_chain_id, read_network};
use super::section::{Section, Setting, whole};
use super::standby::read_standby;
use super::topics::{TopicConfig, read_topics};
use super::warning::Warning;
use crate::http::header::Header;
use crate::http::proxy::{BadVariable, Proxies, Proxy};
use crate::http::url::Url;
use crate::http::{self, Http};
use crate::logging::settings::{
    FILE_BYTES, FILE_BYTES_MAX, FILE_BYTES_MIN, FILES_KEPT, FileLog, Format, LogSettings,
};
use crate::sign::wallet::{ADDRESS_PREFIX, is_address};
use crate::text::secret::is_secret;
use crate::values::amount;
use crate::values::decimal::{Decimal, Rounding};
use crate::values::fee::GasFactor;
use crate::values::standby::{Role, Standby};
use crate::values::units::Uallo;
use crate::webhook::WebhookConfig;

/// The most endpoints of one worker.
pub(super) const API_URLS_MAX: usize = 16;

/// The default of `max_fee_uallo`, 0.01 ALLO: about 200 times the fee of a payload on mainnet.
pub(super) const MAX_FEE: Uallo = Uallo(10_u128.pow(16));
/// The default of `max_fee_per_day_uallo` for each topic, 0.02 ALLO: enough for a payload every
/// four minutes at mainnet's price.
const MAX_FEE_PER_DAY_AND_TOPIC: u128 = 2 * 10_u128.pow(16);

/// The default of `webhook_after_misses`.
const WEBHOOK_AFTER_MISSES: u32 = 3;

/// What the program uses: checked, complete, without the seed phrase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// `debug`: every request is logged.
    pub debug: bool,
    /// `gas_adjustment`, raised to the minimum.
    pub gas_factor: GasFactor,
    /// `max_fee_uallo`: no transaction may offer more.
    pub max_fee: Uallo,
    /// `max_fee_per_day_uallo`: all transactions signed within 24 hours may not offer more
    /// together.
    pub max_fee_per_day: Uallo,
    /// `fee_granter`: the account whose allowance pays all fees. `None`: the wallet's own.
    pub fee_granter: Option<String>,
    /// `standby`: how windows are shared with a second machine. `None`: there is none.
    pub standby: Option<Standby>,
    /// `chain_id`, or that of `network`: nothing is signed for another chain. `None`: the first
    /// endpoint that answers decides.
    pub chain_id: Option<String>,
    /// `api_params.api_url`: the chain's nodes, the first one preferred; at least one, all
    /// different, without a slash at the end.
    pub api_urls: Vec<Url>,
    /// `api_params.tx_check_retries`: the checks for a transaction's outcome before a warning.
    pub tx_check_retries: u32,
    /// `api_params.tx_check_freq`: the time between two such checks.
    pub tx_check_freq: Duration,
    /// `api_params.headers`: sent with every request to an endpoint.
    pub api_headers: Vec<Header>,
    /// `api_params.proxy`: the proxies that the endpoints are asked through. `None`: not set, so
    /// there is none.
    pub proxies: Option<Proxies>,
    /// `metrics_listen`: the address that serves metrics and health.
    pub metrics_listen: Option<SocketAddr>,
    /// `webhook_url` and what goes with it: who is told when something needs an operator.
    pub webhook: Option<WebhookConfig>,
    /// `log_format`, `log_dir`, `log_bytes_max`, `log_files_kept`.
    pub log: LogSettings,
    /// `topics`: at least one, all different.
    pub topics: Vec<TopicConfig>,
}

impl Config {
    /// A client that shares what it can with `http` and asks endpoints as the settings say.
    pub fn endpoint_client(&self, http: &Http) -> Http {
        let proxies = self.proxies.clone().unwrap_or_default();
        http.for_endpoints(&proxies, &self.api_headers)
    }

    /// The environment variables that name a proxy while no setting says whether to use it.
    pub fn unused_proxy_variables(&self) -> Vec<&'static str> {
        match self.proxies {
            None => Proxies::variables_set(environment),
            Some(_) => Vec::new(),
        }
    }

    /// Checks what can be checked once the addresses are known: fees are granted by another account
    /// than the sender, and a sender that is named beside the worker is another account.
    ///
    /// # Errors
    /// Two of the accounts are one.
    pub fn check_accounts(&self, worker: &str, fees: Option<&str>) -> Result<(), OneAccount> {
        if fees == Some(worker) {
            return Err(OneAccount::Sender(worker.to_owned()));
        }
        match &self.fee_granter {
            Some(granter) if granter == fees.unwrap_or(worker) => {
                Err(OneAccount::Granter(granter.clone()))
            }
            _ => Ok(()),
        }
    }
}

/// Two settings name the same account.
#[derive(Debug, thiserror::Error)]
pub enum OneAccount {
    #[error(
        "fee_granter: {0} is this worker's own address, which cannot grant itself fees; name the \
         account that grants them, or remove fee_granter"
    )]
    Granter(String),
    #[error(
        "fee_seed_phrase_file: it is the seed phrase of the worker's own address, {0}; name that of \
         another account, or remove fee_seed_phrase_file"
    )]
    Sender(String),
}

/// What the file holds.
#[derive(Default)]
pub(super) struct FileContent {
    /// Incomplete if there are problems.
    pub(super) config: Option<Config>,
    pub(super) seed_phrase: Option<Zeroizing<String>>,
    pub(super) seed_phrase_file: Option<PathBuf>,
    pub(super) fee_seed_phrase_file: Option<PathBuf>,
    pub(super) private_key_file: Option<PathBuf>,
    /// The first setting that holds a key or a password itself.
    pub(super) written_key: Option<String>,
}

/// Reads the file's top level. Files that it names are relative to `config_path`.
pub(super) fn read_file(root: &Section<'_>, config_path: &Path) -> FileContent {
    // For editors only.
    root.key("$schema").text();
    let seed_phrase = root.key("seed_phrase").text();
    let seed_phrase_file = root.key("seed_phrase_file").text();
    let key_setting = root.key("private_key_file");
    let private_key_file = key_setting.text();
    if private_key_file.is_some() && seed_phrase.or(seed_phrase_file).is_some() {
        key_setting.problem(
            "is set beside a seed phrase, which may be of another wallet; remove one of the two",
        );
    }
    // What looks like a secret is a problem already, and must not become a path.
    let is_path = |file: &&str| !is_secret(file);
    let fee_file = root.key("fee_seed_phrase_file").text();
    let fee_seed_phrase_file = fee_file.filter(is_path).map(PathBuf::from);
    let standby = root.key("standby");
    let is_standby = |config: &Config| config.standby.is_some_and(|it| it.role == Role::Standby);
    let config = read_config(root, config_path);
    if is_standby(&config) && fee_file.is_none() {
        standby.problem(
            "a standby sends from an account of its own, so that it can never disturb the primary's \
             transactions; name its seed phrase in fee_seed_phrase_file",
        );
    }
    FileContent {
        fee_seed_phrase_file,
        seed_phrase: seed_phrase.map(|words| Zeroizing::new(words.to_owned())),
        seed_phrase_file: seed_phrase_file.filter(is_path).map(PathBuf::from),
        private_key_file: private_key_file.filter(is_path).map(PathBuf::from),
        config: Some(config),
        ..FileContent::default()
    }
}

fn read_config(root: &Section<'_>, config_path: &Path) -> Config {
    let debug = root.key("debug").bool();
    let gas_factor = read_gas_factor(&root.key("gas_adjustment").in_check_and_log());
    let fee_setting = root.key("max_fee_uallo").or_text().in_check_and_log();
    let max_fee = read_fee(&fee_setting, MAX_FEE);
    let max_fee_per_day = root.key("max_fee_per_day_uallo").or_text().in_check();
    let fee_granter = read_fee_granter(&root.key("fee_granter"));
    let standby = read_standby(&root.key("standby"));
    let metrics_listen = read_metrics_listen(&root.key("metrics_listen"));
    let webhook = read_webhook(root, config_path);
    let log = LogSettings {
        format: root
            .key("log_format")
            .one_of([("text", Format::Text), ("json", Format::Json)]),
        file: read_log_dir(&root.key("log_dir")),
        file_bytes_max: read_log_bytes(&root.key("log_bytes_max")),
        files_kept: root.key("log_files_kept").count(FILES_KEPT),
    };
    let network = read_network(root);
    let api = root.key("api_params");
    let api = api.section(|api| read_api(api, network, config_path));
    let ApiParams {
        urls: api_urls,
        headers: api_headers,
        proxies,
        tx_check_retries,
        tx_check_freq,
    } = api.unwrap_or_default();
    let chain_id = read_chain_id(root, network, &api_urls);
    let topics = read_topics(&root.key("topics"), config_path);
    let fee_per_day = Uallo(MAX_FEE_PER_DAY_AND_TOPIC * topics.len().max(1) as u128);
    let per_day = read_fee(&max_fee_per_day, fee_per_day);
    if max_fee > per_day {
        fee_setting.findings.warning(Warning::FeeAboveDay {
            max_fee: amount::allo(max_fee),
            per_day: amount::allo(per_day),
        });
    }
    Config {
        debug,
        gas_factor,
        max_fee,
        max_fee_per_day: per_day,
        fee_granter,
        standby,
        chain_id,
        api_urls,
        api_headers,
        proxies,
        tx_check_retries,
        tx_check_freq,
        metrics_listen,
        webhook,
        log,
        topics,
    }
}

/// The section `api_params`.
#[derive(Default)]
pub(super) struct ApiParams {
    pub(super) urls: Vec<Url>,
    headers: Vec<Header>,
    proxies: Option<Proxies>,
    tx_check_retries: u32,
    tx_check_freq: Duration,
}

pub(super) fn read_api(
    api: &Section<'_>,
    network: Option<Network>,
    config_path: &Path,
) -> ApiParams {
    let urls = read_api_urls(&api.key("api_url"), network);
    ApiParams {
        headers: read_api_headers(&api.key("headers"), &urls, config_path),
        proxies: read_proxies(&api.key("proxy"), &urls),
        tx_check_retries: api.key("tx_check_retries").in_check().count(10),
        tx_check_freq: api.key("tx_check_freq").in_check().seconds(3),
        urls,
    }
}

/// The headers for all endpoints; a warning if those are of several hosts.
fn read_api_headers(setting: &Setting<'_>, urls: &[Url], config_path: &Path) -> Vec<Header> {
    let headers = read_headers(setting, config_path);
    let hosts: BTreeSet<String> = urls.iter().map(|url| http::origin(url.as_str())).collect();
    if !headers.is_empty() && hosts.len() > 1 {
        setting.findings.warning(Warning::HeadersToAll {
            key: setting.path.clone(),
            hosts: hosts.into_iter().collect(),
        });
    }
    headers
}

fn read_proxies(setting: &Setting<'_>, urls: &[Url]) -> Option<Proxies> {
    match setting.text()? {
        "none" => Some(Proxies::default()),
        "environment" => {
            let proxies = Proxies::of_environment(environment);
            let problem = |BadVariable { name, error }| {
                setting.problem(format!("the environment variable {name} {error}"));
            };
            let (proxies, unsupported) = proxies.map_err(problem).ok()?;
            let key = setting.path.clone();
            let warning = proxy_warning(key, &proxies, unsupported, urls);
            warning
                .into_iter()
                .for_each(|it| setting.findings.warning(it));
            Some(proxies)
        }
        text => {
            let problem = |error| {
                setting.problem(format!(
                    "{error}; it may be \"environment\", \"none\", or http://host:port"
                ));
            };
            Proxy::parse(text).map_err(problem).map(Proxies::one).ok()
        }
    }
}

/// What the environment's variables do not do that an operator may expect.
pub(super) fn proxy_warning(
    key: String,
    proxies: &Proxies,
    unsupported: Vec<&'static str>,
    urls: &[Url],
) -> Option<Warning> {
    if !unsupported.is_empty() {
        return Some(Warning::ProxyKind {
            key,
            variables: unsupported,
        });
    }
    if proxies.is_empty() {
        return Some(Warning::NoProxy { key });
    }
    let mut secure = urls.iter().map(Url::is_https);
    let is_secure = secure
        .next()
        .filter(|first| secure.all(|it| it == *first))?;
    let (scheme, other) = if is_secure {
        ("https", "http")
    } else {
        ("http", "https")
    };
    (!proxies.has_one_for(scheme)).then_some(Warning::NoProxyForScheme { key, scheme, other })
}

/// A variable's value, if it is a text.
fn environment(name: &str) -> Option<String> {
    env::var(name).ok()
}

fn read_gas_factor(setting: &Setting<'_>) -> GasFactor {
    let Some(number) = setting.positive("1.5") else {
        return GasFactor::DEFAULT;
    };
    match GasFactor::from_decimal(&number) {
        Ok(factor) => {
            if factor < GasFactor::MIN_EFFECTIVE {
                setting.findings.warning(Warning::Clamped {
                    key: setting.path.clone(),
                    min: "1.25",
                });
            }
            factor.effective()
        }
        Err(error) => {
            setting.problem(format!("must be at most 100; found {error}"));
            GasFactor::DEFAULT
        }
    }
}

/// A fee as a whole number of uallo, or as a text in ALLO: `"0.01 ALLO"`.
fn read_fee(setting: &Setting<'_>, default: Uallo) -> Uallo {
    let allo = setting.value.and_then(Value::as_str).and_then(|text| {
        let text = text.trim();
        let (number, unit) = text.split_at_checked(text.len().checked_sub("ALLO".len())?)?;
        let is_allo = unit.eq_ignore_ascii_case("ALLO");
        is_allo.then(|| Decimal::parse(number.trim()))
    });
    let fee = match allo {
        Some(number) => number
            .ok()
            .and_then(|number| number.to_units(amount::ALLO_DECIMALS, Rounding::Down).ok()),
        None => match setting.positive(&amount::allo(default)) {
            Some(number) => whole(&number),
            None => return default,
        },
    };
    let fee = fee.filter(|fee| *fee > 0);
    fee.map_or_else(
        || {
            setting.problem(r#"must be a whole number of uallo, or a text such as "0.01 ALLO""#);
            default
        },
        Uallo,
    )
}

/// An account's address. Whether it is the worker's own is known once there is a wallet, see
/// [`Config::check_accounts`].
fn read_fee_granter(setting: &Setting<'_>) -> Option<String> {
    let address = setting.text()?;
    if !is_address(address) {
        setting.problem(format!(
            "is not an account's address: it begins with {ADDRESS_PREFIX}1, and its last \
             characters are a checksum; copy the whole address of the account that grants the fees"
        ));
        return None;
    }
    Some(address.to_owned())
}

/// An address with its port; `localhost:9464` and `:9464` are this machine only. Other names are not
/// accepted: one may resolve to another address later, and the metrics be read by others.
pub(super) fn read_metrics_listen(setting: &Setting<'_>) -> Option<SocketAddr> {
    let text = setting.text()?;
    let port = text.strip_prefix("localhost").unwrap_or(text);
    let port = port.strip_prefix(':').and_then(|port| port.parse().ok());
    let local = port.map(|port: u16| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    let Some(address) = local.or_else(|| text.parse().ok()) else {
        setting.problem("must be an address and a port, such as 127.0.0.1:9464 or [::1]:9464");
        return None;
    };
    if !address.ip().is_loopback() {
        setting.findings.warning(Warning::Reachable {
            key: setting.path.clone(),
            address,
        });
    }
    Some(address)
}

/// `None`: there is no URL. Headers are of no use then.
fn read_webhook(root: &Section<'_>, config_path: &Path) -> Option<WebhookConfig> {
    let [url, headers, after_misses] =
        ["webhook_url", "webhook_headers", "webhook_after_misses"].map(|key| root.key(key));
    let after_misses = if url.is_set() {
        after_misses.in_check()
    } else {
        after_misses
    };
    let after_misses = after_misses.count(WEBHOOK_AFTER_MISSES);
    let Some(text) = url.text() else {
        if headers.is_set() {
            headers.problem("is of no use without webhook_url");
        }
        return None;
    };
    let parsed = Url::parse(text).map_err(|error| url.problem(error.to_string()));
    let headers = read_headers(&headers, config_path);
    parsed.ok().map(|url| WebhookConfig {
        url,
        headers,
        after_misses,
    })
}

/// An empty text means no log file.
fn read_log_dir(setting: &Setting<'_>) -> FileLog {
    match setting.value {
        None => FileLog::Usual,
        Some(Value::String(folder)) => FileLog::In(folder.trim().into()),
        Some(_) => {
            setting.wrong_kind(r#"a folder in quotes, or "" for no file"#);
            FileLog::Usual
        }
    }
}

fn read_log_bytes(setting: &Setting<'_>) -> u64 {
    let Some(number) = setting.positive(&FILE_BYTES.to_string()) else {
        return FILE_BYTES;
    };
    let bytes = whole(&number).and_then(|bytes| u64::try_from(bytes).ok());
    let bytes = bytes.filter(|bytes| (FILE_BYTES_MIN..=FILE_BYTES_MAX).contains(bytes));
    bytes.unwrap_or_else(|| {
        setting.problem(format!(
            "must be a whole number of bytes, {FILE_BYTES_MIN} to {FILE_BYTES_MAX}"
        ));
        FILE_BYTES
    })
}

fn read_api_urls(setting: &Setting<'_>, network: Option<Network>) -> Vec<Url> {
    let mut urls = Vec::new();
    let is_blank = |value: &Value| value.as_str().is_some_and(|text| text.trim().is_empty());
    let is_empty = setting.value.is_none_or(|value| match value {
        Value::Array(items) => items.iter().all(is_blank),
        value => is_blank(value),
    });
    if let Some(network) = network.filter(|_| is_empty) {
        return vec![Url::unchecked(network.api_url)];
    }
    let items = setting.items();
    let is_list = setting.value.is_some_and(Value::is_array);
    if is_list && !(1..=API_URLS_MAX).contains(&items.len()) {
        let found = items.len();
        setting.problem(format!(
            "must name 1 to {API_URLS_MAX} nodes; found {found}"
        ));
        return urls;
    }
    if items.is_empty() {
        urls.extend(read_api_url(setting));
    }
    for item in items {
        match read_api_url(&item) {
            Some(url) if urls.contains(&url) => {
                item.problem("is in the list already; remove one of them");
            }
            url => urls.extend(url),
        }
    }
    urls
}

fn read_api_url(setting: &Setting<'_>) -> Option<Url> {
    let text = match setting.value {
        None => "",
        Some(Value::String(text)) => text.trim(),
        Some(_) => {
            setting.wrong_kind("a text in quotes, or a list of them");
            return None;
        }
    };
    if text.is_empty() {
        setting.problem(
            "is empty; fill in the URL of a chain node's API (LCD), such as \
             https://allora-api.testnet.allora.network, or set network",
        );
        return None;
    }
    let url = Url::parse_base(text);
    let url = url.map_err(|error| setting.problem(error.to_string())).ok();
    if let Some(route) = url.as_ref().and_then(Url::route_in_path) {
        setting.findings.warning(Warning::RouteInUrl {
            key: setting.path.clone(),
            route,
        });
    }
    url
}
