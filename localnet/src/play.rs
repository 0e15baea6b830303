//! A whole simulation: chain, sample model, faults and servers. A [`handle::Localnet`] starts and
//! controls it.

pub mod faults;
pub mod handle;
pub mod key;
pub mod lies;
pub mod model;
pub mod options;
pub mod rules;
pub mod trace;
pub mod world;
