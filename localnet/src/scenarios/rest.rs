//! A client for the REST API of a chain under test.

use std::io::{self, Read as _};
use std::time::Duration;

use serde_json::Value;

/// The header with the height at which a query was answered.
const HEIGHT: &str = "grpc-metadata-x-cosmos-block-height";
/// Longest time for an answer.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(10);
/// Longest answer; a page of transactions has up to a megabyte.
const ANSWER_BYTES_MAX: u64 = 32 * 1024 * 1024;

/// A client.
#[derive(Debug)]
pub(super) struct Rest(ureq::Agent);

/// An answer of any status.
#[derive(Clone, Debug)]
pub(super) struct RestAnswer {
    pub(super) status: u16,
    pub(super) height: Option<u64>,
    pub(super) body: Vec<u8>,
}

impl Rest {
    pub(super) fn new() -> Rest {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(ANSWER_TIME_MAX))
            .proxy(None)
            .build();
        Rest(config.into())
    }

    /// Asks with GET, at a height if one is given.
    pub(super) fn ask(&self, url: &str, height: Option<u64>) -> io::Result<RestAnswer> {
        let mut request = self.0.get(url);
        if let Some(height) = height {
            request = request.header("x-cosmos-block-height", height.to_string());
        }
        read(request.call())
    }

    /// Sends a JSON body with POST.
    pub(super) fn post(&self, url: &str, body: &[u8]) -> io::Result<RestAnswer> {
        let request = self.0.post(url).header("content-type", "application/json");
        read(request.send(body))
    }

    /// The JSON of an answer with status 200; any other status is an error.
    pub(super) fn get(&self, url: &str) -> io::Result<(Value, Option<u64>)> {
        let answer = self.ask(url, None)?;
        if answer.status != 200 {
            let text = String::from_utf8_lossy(&answer.body).into_owned();
            return Err(io::Error::other(format!(
                "{url}: status {}: {text}",
                answer.status
            )));
        }
        Ok((serde_json::from_slice(&answer.body)?, answer.height))
    }

    /// The height of a chain's last block.
    pub(super) fn height(&self, chain: &str) -> io::Result<u64> {
        let (answer, _) = self.get(&format!(
            "{chain}/cosmos/base/tendermint/v1beta1/blocks/latest"
        ))?;
        number(&answer["block"]["header"]["height"])
    }

    /// An account's balance in uallo.
    pub(super) fn balance(&self, chain: &str, address: &str) -> io::Result<u64> {
        let balances = "cosmos/bank/v1beta1/balances";
        let url = format!("{chain}/{balances}/{address}/by_denom?denom=uallo");
        number(&self.get(&url)?.0["balance"]["amount"])
    }

    /// The gas price in uallo, without its decimals.
    pub(super) fn gas_price(&self, chain: &str) -> io::Result<u64> {
        let (answer, _) = self.get(&format!("{chain}/feemarket/v1/gas_price/uallo"))?;
        let price = &answer["price"]["amount"];
        let whole = price.as_str().and_then(|text| text.split('.').next());
        number(&whole.map(Value::from).unwrap_or_default())
    }

    /// An account's sequence.
    pub(super) fn sequence(&self, chain: &str, address: &str) -> io::Result<u64> {
        let url = format!("{chain}/cosmos/auth/v1beta1/account_info/{address}");
        number(&self.get(&url)?.0["info"]["sequence"])
    }
}

/// A whole number, which the gateway writes as a string.
pub(super) fn number(value: &Value) -> io::Result<u64> {
    let parsed = value.as_str().and_then(|text| text.parse().ok());
    parsed.ok_or_else(|| io::Error::other(format!("expected a number in a string, got {value}")))
}

fn read(answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> io::Result<RestAnswer> {
    let mut answer = answer.map_err(io::Error::other)?;
    let height = answer.headers().get(HEIGHT);
    let height = height.and_then(|height| height.to_str().ok()?.parse().ok());
    let mut body = Vec::new();
    let reader = answer.body_mut().as_reader();
    reader.take(ANSWER_BYTES_MAX).read_to_end(&mut body)?;
    Ok(RestAnswer {
        status: answer.status().as_u16(),
        height,
        body,
    })
}
