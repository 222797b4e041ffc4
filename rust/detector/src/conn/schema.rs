//! Schema of conn.log: columns, their purpose, and groups of columns.

use crate::schema::{
    Encoding, Feature, FeatureRow, LogKind, PairGain, Schema, TrackedMaximum, category, columns, feature, number,
};

const fn conditional(name: &'static str, of: Column, width: f32, meaning: &'static str) -> Feature {
    let given = [Column::Service as u16, Column::Port as u16];
    feature(name, Encoding::Conditional { given, of: of as u16, width }, meaning)
}

columns! {
    /// All columns. Amounts are compressed as log2 of 1 + the amount; a missing amount counts as 0. Context includes
    /// earlier connections and the present one; "lately" means with a weight that decays to 1/e in an hour.
    OrigBytes = number("orig_bytes", "payload bytes from the originator: uploads, exfiltration");
    RespBytes = number("resp_bytes", "payload bytes from the responder: downloads");
    ByteRate = number("byte_rate", "payload bytes per second, both ways");
    PacketRate = number("packet_rate", "packets per second, both ways: floods, idle sessions");
    Progress = number("progress",
        "how far the connection got, by conn_state: 0 unanswered (S0) to 4 established (S1) and 5 closed in order \
         (SF)");
    Direction = number("direction",
        "1 from the local networks outward, -1 inward, 0 otherwise; by address if local_orig and local_resp are unset");
    Service = category("service", "the set of services recognised, order ignored: how rare it is here");
    Port = category("port", "protocol and responder's port: how rare it is here");
    History = category("history", "the connection's history: how rare that sequence of packets is here");
    Duration = number("duration", "milliseconds from the first packet to the last: connections held open");
    OrigPkts = number("orig_pkts", "packets from the originator");
    RespPkts = number("resp_pkts", "packets from the responder");
    OrigPktSize = number("orig_pkt_size", "bytes per packet from the originator, headers included: tunnels");
    RespPktSize = number("resp_pkt_size", "bytes per packet from the responder, headers included");
    MissedBytes = number("missed_bytes", "bytes missed in gaps");
    RespFailedShare = number("resp_failed_share",
        "share of the connections to this responder that failed lately: closed ports, command-and-control servers \
         that are down");
    RespOriginators = number("resp_originators",
        "different originators this responder had in this clock hour and the one before: how popular it is");
    OrigPause = number("orig_pause", "seconds since the originator's last connection, at most 100,000");
    ServiceFailures = number("service_failures",
        "consecutive failed connections between these two hosts on this port: retries to a command-and-control server \
         that is down");
    ServiceCount = number("service_count",
        "connections between these two hosts on this port lately: guessing, tunnels");
    ServiceBytes = number("service_bytes",
        "payload bytes the originator sent the responder on this port lately: tunnels, slow exfiltration");
    Periodicity = number("periodicity",
        "regularity of the pauses between connections of these two hosts on this port: grows with their number and \
         steadiness, 0 if no steadier than random: beacons");
    OrigFailures = number("orig_failures",
        "consecutive failed connections of this originator, without those of chatter (see below): scans, guessing");
    ServicePause = number("service_pause",
        "seconds since the last connection between these two hosts on this port, at most 100,000");
    RespNet = category("resp_net", "the responder's network, /24 or /64: how rare it is here");
    RespPort = category("resp_port", "the responder with protocol and port: how rare that service is here");
    InternalPort = feature("internal_port", Encoding::OptionalCategory,
        "protocol and port between two local hosts: how rare it is among such connections; lateral movement");
    InternalResp = feature("internal_resp", Encoding::OptionalCategory,
        "responder of a connection between two local hosts: how rare it is among such connections; a client that \
         turns into a server");
    Routine = feature("routine", Encoding::DayShare,
        "share of the days of training on which the originator used this port of the responder's network; lowers the \
         score");
    OrigServices = feature("orig_services", Encoding::Partners { with: Column::RespPort as u16 },
        "different services that the originator used in training: how much is known of it");
    Pair = feature("pair", Encoding::Identity, "the two hosts; not seen by the forest");
    Chatter = number("chatter",
        "1 for multicast, broadcast, link-local and address configuration, which have a separate forest");
    NetShare = feature("net_share", Encoding::Share { of: Column::RespNet as u16, with: Column::OrigServices as u16 },
        "how few of the originators in training contacted the responder's network");
    UnusualPause = conditional("unusual_pause", Column::OrigPause, 1.0,
        "how rare the originator's pause is for this service");
    UnusualOrigSize = conditional("unusual_orig_size", Column::OrigPktSize, 0.5,
        "how rare the originator's packet size is for this service");
    UnusualRespSize = conditional("unusual_resp_size", Column::RespPktSize, 0.5,
        "how rare the responder's packet size is for this service");
}

/// Groups of columns. Small groups keep irrelevant columns from diluting relevant ones. Columns of the responder's
/// network are combined with others, because a rare network alone is common.
const GROUPS: &[&[u16]] = &[
    &[Column::RespFailedShare as u16],
    &[Column::Progress as u16],
    &[Column::OrigPause as u16],
    &[Column::OrigFailures as u16],
    &[Column::RespOriginators as u16],
    &[Column::Direction as u16],
    &[Column::NetShare as u16],
    &[Column::ServicePause as u16],
    &[Column::OrigPktSize as u16],
    &[Column::UnusualPause as u16],
    &[Column::Periodicity as u16],
    &[Column::OrigFailures as u16, Column::ServiceFailures as u16],
    &[Column::Periodicity as u16, Column::NetShare as u16, Column::ServiceCount as u16],
    &[Column::Port as u16, Column::Service as u16, Column::History as u16],
    &[
        Column::OrigBytes as u16,
        Column::RespBytes as u16,
        Column::ByteRate as u16,
        Column::PacketRate as u16,
        Column::Duration as u16,
        Column::OrigPkts as u16,
        Column::RespPkts as u16,
        Column::OrigPktSize as u16,
        Column::RespPktSize as u16,
        Column::MissedBytes as u16,
        Column::ServiceBytes as u16,
    ],
    &[Column::UnusualOrigSize as u16, Column::UnusualRespSize as u16],
    &[Column::NetShare as u16, Column::OrigServices as u16],
    &[Column::NetShare as u16, Column::RespPort as u16],
    &[Column::RespNet as u16, Column::NetShare as u16],
    &[Column::InternalPort as u16],
    &[Column::InternalResp as u16],
    // A third group for both, because a lateral movement is often a few ordinary connections.
    &[Column::InternalPort as u16, Column::InternalResp as u16],
];

/// A second, as a value of the duration column.
const ENCODED_SECOND: f32 = 10.0;

/// Progress from which a connection counts as established.
const ESTABLISHED: f32 = 3.0;
const MAX_REGULARITY: f32 = 3.0;

/// Amounts of a connection, and of one host with one service of another, that matter to an analyst when they exceed all
/// of training: sessions, transfers, tunnels, beacons. Hosts differ more in their amounts than in the length of their
/// sessions; with more weight, a host that is merely busier would outrank attacks.
const MAXIMA: &[TrackedMaximum] = &[
    TrackedMaximum { column: Column::Duration as u16, weight: 1.0, from: ENCODED_SECOND, rank: 1 },
    // Stolen data is often sent in several uploads, which would mask one another.
    TrackedMaximum { column: Column::OrigBytes as u16, weight: 0.5, from: 0.0, rank: 5 },
    TrackedMaximum { column: Column::RespBytes as u16, weight: 0.5, from: 0.0, rank: 1 },
    TrackedMaximum { column: Column::ServiceBytes as u16, weight: 0.5, from: 0.0, rank: 1 },
    TrackedMaximum { column: Column::Periodicity as u16, weight: 0.5, from: 0.0, rank: 1 },
];

/// Regularity of an encoded row: the periodicity of its service, up to 3, which about ten regular connections reach; less
/// for an activity of the training days. Only of established connections: ICMP errors and retries of failed connections
/// are regular by design.
fn regularity(row: &FeatureRow) -> f64 {
    let is_established = row[Column::Progress as usize] >= ESTABLISHED;
    let routine = row[Column::Routine as usize];
    let regularity = row[Column::Periodicity as usize].min(MAX_REGULARITY) * (1.0 - routine);
    if is_established { f64::from(regularity) } else { 0.0 }
}

/// Columns of conn.log rows.
pub static SCHEMA: Schema = Schema {
    log: LogKind::Conn,
    name: "conn",
    version: 6,
    features: FEATURES,
    groups: GROUPS,
    // Anomalies show in few groups of columns, so that the score follows the highest group scores.
    trees_per_group: 12,
    mean_exponent: 4,
    maxima: MAXIMA,
    peer_group: Column::Chatter as u16,
    routine: Some(Column::Routine as u16),
    counts_bursts: false,
    pair: Column::Pair as u16,
    pair_gain: Some(PairGain { doubling: 0.03, regular: 0.17, regularity }),
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_are_in_the_order_of_columns() {
        for (name, column) in [
            ("orig_bytes", Column::OrigBytes),
            ("progress", Column::Progress),
            ("periodicity", Column::Periodicity),
            ("resp_net", Column::RespNet),
            ("chatter", Column::Chatter),
            ("unusual_resp_size", Column::UnusualRespSize),
        ] {
            assert_eq!(FEATURES[column as usize].name, name);
        }
        assert_eq!(FEATURES.len(), Column::UnusualRespSize as usize + 1);
    }

    #[test]
    fn only_established_connections_outside_the_routine_are_regular() {
        let regularity = |progress, periodicity, routine| {
            let mut row = [0.0; crate::schema::MAX_COLUMNS];
            row[Column::Progress as usize] = progress;
            row[Column::Periodicity as usize] = periodicity;
            row[Column::Routine as usize] = routine;
            regularity(&row)
        };
        assert_eq!([regularity(5.0, 2.0, 0.0), regularity(3.0, 7.0, 0.0), regularity(5.0, 2.0, 0.75)], [2.0, 3.0, 0.5]);
        assert_eq!([regularity(0.5, 2.0, 0.0), regularity(5.0, 2.0, 1.0)], [0.0, 0.0]);
    }

    /// Fails when columns change. Older models no longer fit: raise the version as well.
    #[test]
    fn version_changes_with_the_schema() {
        assert_eq!((SCHEMA.version, SCHEMA.fingerprint()), (6, 12_734_392_415_307_693_031));
    }
}
