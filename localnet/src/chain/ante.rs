//! The ante handler: checks timeout, memo, key, sequence, signature and fee, in the chain's order
//! (protocol.md section 6). A transaction that fails here costs nothing and does not use up its
//! sequence.

use std::time::SystemTime;

use crate::chain::bech32;
use crate::chain::error::TxError;
use crate::chain::gas;
use crate::chain::state::{Accounts, DENOM, Price, State, spend};
use crate::chain::tx::Tx;

/// How far over its gas limit a recorded transaction was when it ran out of gas.
const OVERSHOOT_GAS: u64 = 536;
const MEMO_CHARS_MAX: usize = 256;
const AT_TIMEOUT: &str = "cosmos/cosmos-sdk@v0.50.14/x/auth/ante/basic.go:211";
const AT_MEMO: &str = "cosmos/cosmos-sdk@v0.50.14/x/auth/ante/basic.go:85";
const AT_SEQUENCE: &str = "cosmos/cosmos-sdk@v0.50.14/x/auth/ante/sigverify.go:290";
/// The text of a granter's allowance that does not exist.
pub const NO_ALLOWANCE: &str = "fee-grant not found: not found";
const AT_ACCOUNT: &str = "cosmos/cosmos-sdk@v0.50.14/x/auth/ante/sigverify.go:581";

/// A rejection. Only simulation reports the gas used until then.
#[derive(Clone, Debug)]
pub struct Refused {
    pub error: TxError,
    pub gas: u64,
}

/// The conditions under which a transaction is checked.
#[derive(Clone, Copy, Debug)]
pub struct Env<'a> {
    /// Part of every signed document.
    pub chain_id: &'a str,
    /// The height of the last block in CheckTx and simulation, of the current block in a block.
    pub height: u64,
    /// The time of that block.
    pub time: SystemTime,
    pub price: Price,
    /// Simulation checks neither signature nor fee.
    pub simulate: bool,
}

impl<'a> Env<'a> {
    /// Checks in a state: the one after the last block, or that of the current block.
    pub fn of(chain_id: &'a str, state: &State, simulate: bool) -> Env<'a> {
        Env {
            chain_id,
            height: state.height,
            time: state.time,
            price: state.price,
            simulate,
        }
    }
}

/// Runs the ante handler, which takes the fee and increments the sequence in `accounts`. Returns the
/// gas that it uses for this transaction beyond that of any other.
///
/// # Errors
/// The first check that fails. `accounts` may then be partly changed and must be discarded.
pub fn run(accounts: &mut Accounts, env: Env<'_>, tx: &Tx) -> Result<u64, Refused> {
    let size_gas = gas::PER_BYTE * u64::try_from(tx.size_bytes).unwrap_or(u64::MAX / 16);
    let at = |gas: u64| move |error: TxError| Refused { error, gas };
    check_basics(env, tx).map_err(at(gas::TIMEOUT))?;
    let allowance_gas = tx.granter.as_ref().map_or(0, |_| gas::ALLOWANCE);
    let key_gas = key_gas(accounts, tx);
    let sequence_gas = gas::SEQUENCE + size_gas + key_gas;
    let ante_gas = gas::ANTE + size_gas + allowance_gas + key_gas;
    check_account(accounts, env, tx).map_err(at(sequence_gas))?;
    check_gas(env, tx, sequence_gas)?;
    check_sequence(accounts, env, tx).map_err(at(sequence_gas))?;
    check_gas(env, tx, ante_gas)?;
    let taken = if env.simulate {
        // A simulation takes nothing, but asks the allowance for that.
        use_allowance(accounts, env, tx, 0)
    } else {
        take_fee(accounts, env, tx, ante_gas)
    };
    taken.map_err(at(ante_gas))?;
    Ok(size_gas + allowance_gas + key_gas)
}

/// The gas for storing the signer's key.
fn key_gas(accounts: &Accounts, tx: &Tx) -> u64 {
    let account = accounts.get(&tx.signer);
    let stores = account.is_some_and(|account| account.pubkey.is_none());
    if stores { gas::FIRST_OF_ACCOUNT } else { 0 }
}

/// Fails if the gas limit is below `needed`.
fn check_gas(env: Env<'_>, tx: &Tx, needed: u64) -> Result<(), Refused> {
    if env.simulate || tx.gas_limit >= needed {
        return Ok(());
    }
    let (wanted, used) = (
        tx.gas_limit,
        tx.gas_limit.saturating_add(OVERSHOOT_GAS).min(needed),
    );
    let place = "out of gas in location: WritePerByte";
    let text = format!("{place}; gasWanted: {wanted}, gasUsed: {used}: out of gas");
    Err(Refused {
        error: TxError::sdk(11, text),
        gas: used,
    })
}

fn check_basics(env: Env<'_>, tx: &Tx) -> Result<(), TxError> {
    if tx.timeout_height > 0 && env.height > tx.timeout_height {
        let (height, timeout) = (env.height, tx.timeout_height);
        let text = format!("block height: {height}, timeout height: {timeout}: tx timeout height");
        return Err(TxError::sdk(30, text).at(AT_TIMEOUT));
    }
    let memo_chars = tx.memo.len();
    if memo_chars > MEMO_CHARS_MAX {
        let text = format!(
            "maximum number of characters is {MEMO_CHARS_MAX} but received {memo_chars} \
             characters: memo too large"
        );
        return Err(TxError::sdk(12, text).at(AT_MEMO));
    }
    Ok(())
}

/// Checks that the account exists and that the key belongs to it. An account's first transaction
/// stores the key.
fn check_account(accounts: &mut Accounts, env: Env<'_>, tx: &Tx) -> Result<(), TxError> {
    let Some(account) = accounts.get_mut(&tx.signer) else {
        let text = format!("account {} does not exist: unknown address", tx.signer);
        return Err(TxError::sdk(9, text).at(AT_ACCOUNT));
    };
    if let Some(key) = &tx.pubkey {
        if bech32::address_of_key(key) != tx.signer {
            let signer = &tx.signer;
            let text =
                format!("pubKey does not match signer address {signer} with signer index: 0");
            return Err(TxError::sdk(8, format!("{text}: invalid pubkey")));
        }
        account.pubkey.get_or_insert_with(|| key.clone());
    }
    // Simulation uses a placeholder for an unknown key.
    if account.pubkey.is_none() && !env.simulate {
        return Err(TxError::sdk(8, "account pubKey is not set: invalid pubkey"));
    }
    Ok(())
}

fn check_sequence(accounts: &mut Accounts, env: Env<'_>, tx: &Tx) -> Result<(), TxError> {
    let Some(account) = accounts.get_mut(&tx.signer) else {
        return Err(TxError::sdk(9, "unknown address"));
    };
    if tx.sequence != account.sequence {
        let (expected, got) = (account.sequence, tx.sequence);
        let text = format!("account sequence mismatch, expected {expected}, got {got}");
        let text = format!("{text}: incorrect account sequence");
        return Err(TxError::sdk(32, text).at(AT_SEQUENCE));
    }
    let key = account.pubkey.clone().unwrap_or_default();
    if !env.simulate && !tx.is_signed_by(&key, env.chain_id, account.number) {
        let (number, chain_id) = (account.number, env.chain_id);
        let text = format!(
            "signature verification failed; please verify account number ({number}) and chain-id \
             ({chain_id}): (unable to verify single signer signature): unauthorized"
        );
        return Err(TxError::sdk(4, text));
    }
    account.sequence += 1;
    Ok(())
}

fn take_fee(accounts: &mut Accounts, env: Env<'_>, tx: &Tx, gas: u64) -> Result<(), TxError> {
    let [(denom, offered)] = tx.fee.as_slice() else {
        let count = tx.fee.len();
        let (code, why) = match count {
            0 => (1, "no fee coin provided. Must provide one."),
            _ => (
                2,
                "too many fee coins provided.  Only one fee coin may be provided",
            ),
        };
        return Err(TxError::new(
            "feemarket",
            code,
            format!("got length {count}: {why}"),
        ));
    };
    if denom != DENOM {
        let text = format!("error resolving denom {denom}");
        let what = format!("unable to get min gas price for denom {denom}");
        return Err(TxError::undefined(text).wrap(what));
    }
    let required = env.price.fee_uallo(tx.gas_limit);
    if *offered < required {
        let text = format!(
            "error checking fee: got: {offered}{DENOM} required: {required}{DENOM}, minGasPrice: \
             {}{DENOM}, gas: {gas}: insufficient fee",
            env.price
        );
        return Err(TxError::sdk(13, text));
    }
    use_allowance(accounts, env, tx, *offered)?;
    spend(accounts, tx.payer(), *offered).map_err(|why| {
        TxError::sdk(
            5,
            format!("error escrowing funds: {why}: insufficient funds"),
        )
    })
}

/// Takes a fee from the allowance of the transaction's granter, if it names one.
fn use_allowance(
    accounts: &mut Accounts,
    env: Env<'_>,
    tx: &Tx,
    fee_uallo: u128,
) -> Result<(), TxError> {
    let Some(granter) = tx.granter.as_ref().filter(|g| **g != tx.signer) else {
        return Ok(());
    };
    let what = "error escrowing funds";
    let [granter_bytes, signer_bytes] = [granter, &tx.signer].map(|address| raw(address));
    let refused = format!("{granter_bytes} does not allow to pay fees for {signer_bytes}");
    let urls: Vec<&str> = tx.messages.iter().map(|(url, _)| url.as_str()).collect();
    let account = accounts.get_mut(&tx.signer);
    let allowance = account.and_then(|account| account.allowances.get_mut(granter));
    let taken = allowance.map_or_else(
        || Err(TxError::sdk(38, NO_ALLOWANCE)),
        |allowance| allowance.take(fee_uallo, &urls, env.time),
    );
    let is_used_up = taken.map_err(|error| error.wrap(refused).wrap(what))?;
    if is_used_up && let Some(account) = accounts.get_mut(&tx.signer) {
        account.allowances.remove(granter);
    }
    if !accounts.contains_key(granter) {
        let text = format!("{what}: fee payer address: {granter_bytes} does not exist");
        return Err(TxError::sdk(9, format!("{text}: unknown address")));
    }
    Ok(())
}

/// An address as the chain writes it into these texts: its bytes, of which the gateway's JSON
/// replaces each one that is not valid UTF-8.
pub(crate) fn raw(address: &str) -> String {
    let bytes = bech32::decode(address).unwrap_or_default();
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
    text
}
