//! The features, in the order of a row: their names, what each is for, and which of them a tree may see together.

/// Rises whenever a feature is added, removed, reordered or computed differently: a model is bound to one version.
pub const VERSION: u32 = 2;

/// How many values a row has.
pub const N_FEATURES: usize = FEATURES.len();

/// A column of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
#[allow(missing_docs, reason = "each is described in FEATURES")]
pub enum Column {
    OrigBytes,
    RespBytes,
    ByteRate,
    PacketRate,
    Progress,
    Direction,
    Service,
    Port,
    History,
    Duration,
    OrigPkts,
    RespPkts,
    OrigPktSize,
    RespPktSize,
    MissedBytes,
    RespFailedShare,
    RespOriginators,
    OrigNewServices,
    OrigPause,
    ServiceFailures,
    ServiceCount,
    ServiceBytes,
    Periodicity,
}

/// Type of a column of a [`FeatureRow`](crate::FeatureRow).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A number; the forest sees it as it is.
    Number,
    /// The identity of a category; the forest sees how rare that category was in training, as log2 of one in so many.
    Category,
}

/// The description of one column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Feature {
    /// Position in a row.
    pub column: Column,
    /// Its name, as in the matrix the command line writes.
    pub name: &'static str,
    /// Type of its values.
    pub kind: Kind,
    /// Meaning, unit and purpose.
    pub meaning: &'static str,
}

const fn number(column: Column, name: &'static str, meaning: &'static str) -> Feature {
    Feature { column, name, kind: Kind::Number, meaning }
}

const fn category(column: Column, name: &'static str, meaning: &'static str) -> Feature {
    Feature { column, name, kind: Kind::Category, meaning }
}

/// Every feature, in the order of a row. Amounts are compressed as log2 of 1 + the amount; a missing amount counts as
/// 0. Context is of connections that ended earlier and of the present one; "lately" means with a weight that falls to
/// 1/e in an hour.
pub const FEATURES: &[Feature] = &[
    number(Column::OrigBytes, "orig_bytes", "payload bytes from the originator: uploads, exfiltration"),
    number(Column::RespBytes, "resp_bytes", "payload bytes from the responder: downloads"),
    number(Column::ByteRate, "byte_rate", "payload bytes a second, both ways"),
    number(Column::PacketRate, "packet_rate", "packets a second, both ways: floods, idle sessions"),
    number(
        Column::Progress,
        "progress",
        "how far the connection got, by conn_state: 0 unanswered (S0) to 4 established (S1) and 5 closed in order (SF)",
    ),
    number(
        Column::Direction,
        "direction",
        "1 from the local networks outward, -1 inward, 0 otherwise; by address where the sensor does not say",
    ),
    category(Column::Service, "service", "the set of services recognised, order ignored: how rare it is here"),
    category(Column::Port, "port", "protocol and responder's port: how rare it is here"),
    category(Column::History, "history", "the connection's history: how rare that sequence of packets is here"),
    number(Column::Duration, "duration", "milliseconds from the first packet to the last: connections held open"),
    number(Column::OrigPkts, "orig_pkts", "packets from the originator"),
    number(Column::RespPkts, "resp_pkts", "packets from the responder"),
    number(Column::OrigPktSize, "orig_pkt_size", "bytes a packet from the originator, headers included: tunnels"),
    number(Column::RespPktSize, "resp_pkt_size", "bytes a packet from the responder, headers included"),
    number(Column::MissedBytes, "missed_bytes", "bytes missed in gaps"),
    number(
        Column::RespFailedShare,
        "resp_failed_share",
        "share of the connections to this responder that failed lately: closed ports, dead controllers",
    ),
    number(
        Column::RespOriginators,
        "resp_originators",
        "different originators this responder had in this clock hour and the one before: how popular it is",
    ),
    number(
        Column::OrigNewServices,
        "orig_new_services",
        "ports of responders that this originator contacted for the first time lately: scans, worms",
    ),
    number(Column::OrigPause, "orig_pause", "seconds since the originator's last connection, at most 100,000"),
    number(
        Column::ServiceFailures,
        "service_failures",
        "connections in a row between these two hosts on this port that failed: retries to a dead controller",
    ),
    number(
        Column::ServiceCount,
        "service_count",
        "connections between these two hosts on this port lately: guessing, tunnels",
    ),
    number(
        Column::ServiceBytes,
        "service_bytes",
        "payload bytes the originator sent the responder on this port lately: tunnels, slow exfiltration",
    ),
    number(
        Column::Periodicity,
        "periodicity",
        "pauses between these two hosts on this port times how much steadier than random they are: beacons",
    ),
];

/// The columns a tree may cut together: tree `i` of a forest sees group `i` modulo their number. Small groups keep what
/// tells nothing of a given attack from diluting what does.
pub const GROUPS: &[&[Column]] = &[
    &[Column::RespFailedShare],
    &[Column::OrigNewServices],
    &[Column::Progress],
    &[Column::ByteRate, Column::PacketRate],
    &[Column::OrigPause],
    &[Column::ServiceFailures],
    &[Column::Service],
    &[Column::Port],
    &[Column::History],
    &[Column::RespOriginators],
    &[Column::Periodicity],
    &[Column::Periodicity, Column::RespOriginators],
    &[Column::ServiceBytes],
    &[Column::Port, Column::ServiceCount],
    &[Column::OrigBytes],
    &[Column::RespBytes],
    &[Column::Direction],
    &[
        Column::Duration,
        Column::OrigPkts,
        Column::RespPkts,
        Column::OrigPktSize,
        Column::RespPktSize,
        Column::MissedBytes,
    ],
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_stand_in_the_order_of_their_columns() {
        for (i, feature) in FEATURES.iter().enumerate() {
            assert_eq!(feature.column as usize, i, "{}", feature.name);
        }
    }

    #[test]
    fn every_column_is_in_a_group() {
        for feature in FEATURES {
            assert!(GROUPS.iter().any(|group| group.contains(&feature.column)), "{}", feature.name);
        }
    }

    /// Fails when features change. A model made before then fits no longer: raise [`VERSION`] as well.
    #[test]
    fn the_schema_is_that_of_its_version() {
        assert_eq!((VERSION, fingerprint()), (2, 11_693_249_955_934_832_207));
    }
}
