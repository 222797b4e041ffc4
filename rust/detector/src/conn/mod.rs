//! Records of conn.log: the connection, its features, and the context they need.

pub(crate) mod connection;
pub(crate) mod context;
pub(crate) mod features;
pub(crate) mod reasons;
pub mod schema;
