//! A simulation as a whole: chain, sample model, faults and servers, started and controlled by a
//! [`handle::Localnet`].

pub mod faults;
pub mod handle;
pub mod model;
pub mod options;
pub mod rules;
pub mod trace;
pub mod world;
