//! The features, in the order of a row: their names and what each is for.

/// Rises whenever a feature is added, removed, reordered or computed differently: a model is bound to one version.
pub const VERSION: u32 = 1;

/// How many values a row has.
pub const N_FEATURES: usize = FEATURES.len();

/// One column of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Feature {
    /// The column's name, as in the matrix the command line writes.
    pub name: &'static str,
    /// What it measures, its unit, and what it is for.
    pub meaning: &'static str,
}

/// Every feature, in the order of a row.
pub const FEATURES: &[Feature] = &[
    Feature { name: "duration", meaning: "log2 of 1 + duration in milliseconds" },
    Feature { name: "orig_bytes", meaning: "log2 of 1 + payload bytes the originator sent" },
    Feature { name: "resp_bytes", meaning: "log2 of 1 + payload bytes the responder sent" },
    Feature { name: "orig_pkts", meaning: "log2 of 1 + packets the originator sent" },
    Feature { name: "resp_pkts", meaning: "log2 of 1 + packets the responder sent" },
    Feature { name: "missed_bytes", meaning: "log2 of 1 + bytes missed in gaps" },
    Feature { name: "resp_port", meaning: "log2 of 1 + the responder's port" },
    Feature { name: "proto", meaning: "transport protocol: 0 unknown, 1 icmp, 2 tcp, 3 udp" },
    Feature { name: "state_S0", meaning: "1 if conn_state is S0" },
    Feature { name: "state_S1", meaning: "1 if conn_state is S1" },
    Feature { name: "state_SF", meaning: "1 if conn_state is SF" },
    Feature { name: "state_REJ", meaning: "1 if conn_state is REJ" },
    Feature { name: "state_S2", meaning: "1 if conn_state is S2" },
    Feature { name: "state_S3", meaning: "1 if conn_state is S3" },
    Feature { name: "state_RSTO", meaning: "1 if conn_state is RSTO" },
    Feature { name: "state_RSTR", meaning: "1 if conn_state is RSTR" },
    Feature { name: "state_RSTOS0", meaning: "1 if conn_state is RSTOS0" },
    Feature { name: "state_RSTRH", meaning: "1 if conn_state is RSTRH" },
    Feature { name: "state_SH", meaning: "1 if conn_state is SH" },
    Feature { name: "state_SHR", meaning: "1 if conn_state is SHR" },
    Feature { name: "state_OTH", meaning: "1 if conn_state is OTH" },
];

/// A number that tells one schema from another: a hash of the version and the names in order.
pub fn fingerprint() -> u64 {
    let mut text = VERSION.to_string();
    for feature in FEATURES {
        text.push('\n');
        text.push_str(feature.name);
    }
    twox_hash::XxHash3_64::oneshot(text.as_bytes())
}
