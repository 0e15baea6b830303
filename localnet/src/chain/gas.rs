//! Gas used until a step is reached, as a node reported it in simulations.
//!
//! Each number is what one recorded transaction had used, minus `PER_BYTE` for each of its bytes.
//! The real chain's numbers vary by a few hundred with its state.

/// Gas per byte of the transaction (protocol.md section 6).
pub const PER_BYTE: u64 = 10;
/// The transaction cannot be decoded.
pub const DECODE: u64 = 1_174;
/// Ante handler: the timeout height, which is checked first.
pub const TIMEOUT: u64 = 1_000;
/// Ante handler: the sequence.
pub const SEQUENCE: u64 = 9_728;
/// Ante handler: the fee, which is the last step.
pub const ANTE: u64 = 30_473;
/// Ante handler: an allowance is read and written, in a simulation too. A registration with a granter
/// used 152,317 instead of 135,800 (protocol.md section 10), of which the granter's address, with its
/// tag and two lengths, is 46 bytes.
pub const ALLOWANCE: u64 = 16_517 - 46 * PER_BYTE;
/// Used in a block but not in a simulation: the fee is moved.
pub const FEE_MOVE: u64 = 16_084;

/// Registration: the topic is read.
pub const REGISTER_TOPIC: u64 = 60_000;
/// Registration: rejected, because the worker is registered.
pub const REGISTER_AGAIN: u64 = 66_949;
/// Registration: complete.
pub const REGISTER: u64 = 116_725;

/// Payload: the whitelist is read.
pub const WHITELIST: u64 = 72_563;
/// Payload: the bundle is validated.
pub const BUNDLE: u64 = 65_949;
/// Payload: the topic is read.
pub const TOPIC: u64 = 68_783;
/// Payload: the nonce is read.
pub const NONCE: u64 = 70_251;
/// Payload: the registration is read and the data fee is moved.
pub const REGISTRATION: u64 = 75_000;
/// Payload: the labels are compared with the topic's.
pub const LABELS: u64 = 97_142;
/// Payload: admission is decided.
pub const ADMISSION: u64 = 97_058;
/// Payload: the admitted inference is normalised.
pub const NORMALISE: u64 = 107_740;
/// Payload: complete, admitted or not.
pub const INSERT: u64 = 123_866;
/// Payload: complete, on a v9 chain.
pub const INSERT_V9: u64 = 118_612;
/// Added for each labelled value.
pub const PER_LABEL: u64 = 651;
/// Added for each element of a forecast.
pub const PER_ELEMENT: u64 = 2_000;
