//! DNS transactions: the record of dns.log, its features and their context.

pub(crate) mod character_stats;
pub(crate) mod context;
pub(crate) mod domain;
pub(crate) mod features;
pub(crate) mod query;
pub(crate) mod reasons;
pub(crate) mod schema;
