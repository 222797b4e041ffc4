//! Bounded tables of recent behaviour, shared by every kind of log.

pub(crate) mod decay;
pub(crate) mod keys;
pub(crate) mod linear_counter;
pub(crate) mod pair_mean;
pub(crate) mod periodicity;
pub(crate) mod table;
