//! Keys, and the bytes that are signed with them. The only folder that uses cosmrs.

pub mod keygen;
pub mod messages;
pub mod secret_file;
pub mod seed_phrase;
pub mod signers;
pub mod tx;
pub mod wallet;
