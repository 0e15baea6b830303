//! Keys, and the bytes that are signed with them. The only folder that uses cosmrs.

pub mod keygen;
pub mod messages;
pub mod private_key;
pub mod secret_file;
pub mod seed_phrase;
pub mod signers;
pub mod tx;
pub mod wallet;
pub mod wallet_source;
