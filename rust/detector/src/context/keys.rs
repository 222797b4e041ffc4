//! Keys of the context tables: hashes of a record's hosts and service.

/// Hashes of a record's hosts and service, the keys of the context tables.
#[derive(Clone, Copy, Debug, Default)]
pub struct ContextKeys {
    pub(crate) orig: u64,
    pub(crate) resp: u64,
    /// The two ends whose mean score counts: originator and responder, or client and domain.
    pub(crate) pair: u64,
    /// The pair with protocol and port; the pair itself for queries.
    pub(crate) service: u64,
    /// The originator with protocol and port; the client alone for queries.
    pub(crate) fan_out: u64,
}

/// Hash of two hashes, in order.
pub(crate) fn combine(a: u64, b: u64) -> u64 {
    // Folded multiplication: every bit of either depends on every bit of both.
    let product = u128::from(a ^ 0x9E37_79B9_7F4A_7C15) * u128::from(b ^ 0xD6E8_FEB8_6659_FD93);
    (product as u64) ^ (product >> 64) as u64
}
