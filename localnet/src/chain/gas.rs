//! How much gas a step has used when it is reached, as simulate reported it on a node.
//!
//! Every figure is what one recorded transaction had used there, less ten per byte of that
//! transaction; the real chain's figures move by a few hundred with its state.

/// Gas per byte of the transaction (protocol.md section 6).
pub const PER_BYTE: u64 = 10;
/// Bytes that are no transaction.
pub const DECODE: u64 = 1_174;
/// The timeout height is checked first.
pub const TIMEOUT: u64 = 1_000;
/// The account's sequence is compared.
pub const SEQUENCE: u64 = 9_728;
/// The fee is compared; every step of the ante handler is done.
pub const ANTE: u64 = 30_473;
/// What a block uses beyond simulate: the fee itself is moved there.
pub const FEE_MOVE: u64 = 16_084;

/// Register: the topic is looked up.
pub const REGISTER_TOPIC: u64 = 60_000;
/// Register: refused because registered.
pub const REGISTER_AGAIN: u64 = 66_949;
/// Register: the whole message.
pub const REGISTER: u64 = 116_725;

/// Payload: the whitelist is asked.
pub const WHITELIST: u64 = 72_563;
/// Payload: the bundle is checked.
pub const BUNDLE: u64 = 65_949;
/// Payload: the topic is looked up.
pub const TOPIC: u64 = 68_783;
/// Payload: the nonce is looked up.
pub const NONCE: u64 = 70_251;
/// Payload: registration is looked up and the data fee moved.
pub const REGISTRATION: u64 = 75_000;
/// Payload: the labels are compared with the topic's.
pub const LABELS: u64 = 97_142;
/// Payload: admission is planned.
pub const ADMISSION: u64 = 97_058;
/// Payload: the admitted inference is normalised.
pub const NORMALISE: u64 = 107_740;
/// Payload: the whole message, admitted or not.
pub const INSERT: u64 = 123_866;
/// The same on a v9 chain.
pub const INSERT_V9: u64 = 118_612;
/// More for each labelled value.
pub const PER_LABEL: u64 = 651;
/// More for each element of a forecast.
pub const PER_ELEMENT: u64 = 2_000;
