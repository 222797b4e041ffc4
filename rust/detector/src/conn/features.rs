//! Feature extraction: converts a connection and its context to a row of numbers.

use twox_hash::XxHash3_64;

use crate::conn::connection::{ConnState, Connection, Endpoint};
use crate::conn::context::ConnContext;
use crate::conn::schema::Column;
use crate::context::keys::{ContextKeys, combine};
use crate::quantize::{log2, on_grid};
use crate::schema::{FeatureRow, MAX_COLUMNS, identity};

impl ConnContext {
    /// Row of a connection. Call it once per connection, in order.
    #[cfg(test)]
    pub(crate) fn extract(&mut self, c: &Connection<'_>) -> FeatureRow {
        self.context_row(c).0
    }

    /// Row of a connection, and the keys for [`ScoreHistory::verdict`](crate::ScoreHistory::verdict). Call it once per
    /// connection, in order.
    pub(crate) fn context_row(&mut self, c: &Connection<'_>) -> (FeatureRow, ContextKeys) {
        let keys = ContextKeys::of(c);
        (self.row(c, &keys), keys)
    }

    fn row(&mut self, c: &Connection<'_>, keys: &ContextKeys) -> FeatureRow {
        // The tables do not fit the caches, so the values that need no table are computed while entries are fetched.
        self.prefetch(keys);
        let bytes = c.orig.bytes.unwrap_or(0).saturating_add(c.resp.bytes.unwrap_or(0));
        let packets = c.orig.pkts.unwrap_or(0).saturating_add(c.resp.pkts.unwrap_or(0));
        let duration = c.duration.unwrap_or(0).max(0);
        let a_second = 1e6 / duration.max(1000) as f32;
        let mut row: FeatureRow = [0.0; MAX_COLUMNS];
        let mut set = |column: Column, value: f32| row[column as usize] = value;
        set(Column::OrigBytes, log2(c.orig.bytes.unwrap_or(0) as f32));
        set(Column::RespBytes, log2(c.resp.bytes.unwrap_or(0) as f32));
        set(Column::ByteRate, log2(bytes as f32 * a_second));
        set(Column::PacketRate, log2(packets as f32 * a_second));
        set(Column::Progress, c.conn_state.map_or(0.5, progress));
        set(Column::Direction, f32::from(c.orig.is_local()) - f32::from(c.resp.is_local()));
        set(Column::Service, c.service.map_or(0.0, service_identity));
        set(Column::Port, ((c.proto as u32) << 16 | u32::from(c.resp.port)) as f32);
        set(Column::History, c.history.map_or(0.0, |history| identity(XxHash3_64::oneshot(history))));
        set(Column::Duration, log2(duration as f32 / 1000.0));
        set(Column::OrigPkts, log2(c.orig.pkts.unwrap_or(0) as f32));
        set(Column::RespPkts, log2(c.resp.pkts.unwrap_or(0) as f32));
        set(Column::OrigPktSize, log2(packet_size(&c.orig)));
        set(Column::RespPktSize, log2(packet_size(&c.resp)));
        set(Column::MissedBytes, log2(c.missed_bytes as f32));
        let port = c.service_port();
        let network = XxHash3_64::oneshot(c.resp.addr.network_bytes());
        set(Column::RespNet, identity(network));
        set(Column::Routine, identity(combine(combine(keys.orig, network), port)));
        set(Column::RespPort, identity(combine(keys.resp, port)));
        if c.orig.is_local() && c.resp.is_local() && !c.is_chatter() {
            set(Column::InternalPort, (1 + ((c.proto as u32) << 16 | u32::from(c.resp.port))) as f32);
            set(Column::InternalResp, identity(keys.resp));
        }
        set(Column::OrigServices, identity(keys.orig));
        set(Column::Pair, identity(keys.pair));
        set(Column::Chatter, f32::from(c.is_chatter()));
        let context = self.observe(c, keys);
        set(Column::RespFailedShare, context.resp_failed_share);
        set(Column::RespOriginators, context.resp_originators);
        set(Column::OrigPause, context.orig_pause);
        set(Column::ServiceFailures, context.service_failures);
        set(Column::ServiceCount, context.service_count);
        set(Column::ServiceBytes, context.service_bytes);
        set(Column::Periodicity, context.periodicity);
        set(Column::OrigFailures, context.orig_failures);
        set(Column::ServicePause, context.service_pause);
        row.map(on_grid)
    }
}

/// Progress of a connection: how far it got before it ended.
fn progress(state: ConnState) -> f32 {
    match state {
        ConnState::S0 => 0.0,
        ConnState::OTH => 0.5,
        ConnState::REJ => 1.0,
        ConnState::SH => 1.25,
        ConnState::RSTOS0 => 1.5,
        ConnState::RSTRH | ConnState::SHR => 2.0,
        ConnState::RSTO | ConnState::RSTR => 3.0,
        ConnState::S1 => 4.0,
        ConnState::S2 | ConnState::S3 => 4.5,
        ConnState::SF => 5.0,
    }
}

fn packet_size(endpoint: &Endpoint) -> f32 {
    endpoint.ip_bytes.unwrap_or(0) as f32 / endpoint.pkts.unwrap_or(0).max(1) as f32
}

/// Identity of a set of services, independent of their order.
fn service_identity(services: &[u8]) -> f32 {
    let hashes = services.split(|&byte| byte == b',').map(XxHash3_64::oneshot);
    identity(hashes.fold(0, u64::wrapping_add))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_are_a_set() {
        assert_eq!(service_identity(b"ssl,http"), service_identity(b"http,ssl"));
        assert_ne!(service_identity(b"ssl"), service_identity(b"http"));
        assert_ne!(service_identity(b"ssl"), service_identity(b"dns"));
        assert_ne!(service_identity(b"ssl"), 0.0);
    }

    #[test]
    fn rows_are_finite_for_any_input() {
        let mut c = Connection { ts: i64::MIN, duration: Some(i64::MIN), ..Connection::default() };
        let mut extractor = ConnContext::default();
        for (ts, n) in [(i64::MAX, u64::MAX), (i64::MIN, 0), (0, 1)] {
            (c.ts, c.duration) = (ts, Some(ts));
            (c.orig.bytes, c.resp.bytes, c.orig.pkts, c.resp.pkts) = (Some(n), Some(n), Some(n), Some(n));
            let row = extractor.extract(&c);
            assert!(row.iter().all(|x| x.is_finite()), "{row:?}");
        }
    }

    /// A local host contacts an external one.
    fn answered() -> Connection<'static> {
        let mut c = Connection { duration: Some(2_000_000), missed_bytes: 7, ..Connection::default() };
        (c.orig.addr.0[15], c.resp.addr.0[15]) = (1, 2);
        (c.proto, c.conn_state) = (crate::Proto::Tcp, Some(ConnState::SF));
        (c.service, c.history) = (Some(&b"ssl"[..]), Some(&b"ShADadFf"[..]));
        (c.orig.local, c.resp.local, c.resp.port) = (Some(true), Some(false), 443);
        (c.orig.bytes, c.orig.pkts, c.orig.ip_bytes) = (Some(1000), Some(10), Some(1500));
        (c.resp.bytes, c.resp.pkts, c.resp.ip_bytes) = (Some(3000), Some(6), Some(3600));
        c
    }

    #[test]
    fn row_matches_the_schema() {
        let row = ConnContext::default().extract(&answered());
        for (column, value) in [
            (Column::OrigBytes, log2(1000.0)),
            (Column::RespBytes, log2(3000.0)),
            (Column::ByteRate, log2(2000.0)),
            (Column::PacketRate, log2(8.0)),
            (Column::Progress, 5.0),
            (Column::Direction, 1.0),
            (Column::Service, service_identity(b"ssl")),
            (Column::Port, 131_515.0),
            (Column::Duration, log2(2000.0)),
            (Column::OrigPkts, log2(10.0)),
            (Column::RespPkts, log2(6.0)),
            (Column::OrigPktSize, log2(150.0)),
            (Column::RespPktSize, log2(600.0)),
            (Column::MissedBytes, log2(7.0)),
            (Column::RespFailedShare, 0.25),
            (Column::OrigPause, log2(1e5)),
            (Column::ServiceFailures, 0.0),
            (Column::ServiceCount, 1.0),
            (Column::ServiceBytes, log2(1000.0)),
            (Column::Periodicity, 0.0),
            (Column::OrigFailures, 0.0),
            (Column::ServicePause, log2(1e5)),
            (Column::Chatter, 0.0),
            (Column::NetShare, 0.0),
        ] {
            assert_eq!(row[column as usize], on_grid(value), "{column:?}");
        }
    }

    #[test]
    fn rates_use_at_least_a_millisecond() {
        let mut c = answered();
        for duration in [None, Some(-5), Some(10), Some(1000)] {
            c.duration = duration;
            let row = ConnContext::default().extract(&c);
            assert_eq!(row[Column::ByteRate as usize], on_grid(log2(4e6)), "{duration:?}");
            assert_eq!(row[Column::PacketRate as usize], on_grid(log2(16_000.0)), "{duration:?}");
        }
    }

    #[test]
    fn direction_is_outward_inward_or_neither() {
        for (orig, resp, direction) in [(true, false, 1.0), (false, true, -1.0), (true, true, 0.0), (false, false, 0.0)]
        {
            let mut c = answered();
            (c.orig.local, c.resp.local) = (Some(orig), Some(resp));
            assert_eq!(ConnContext::default().extract(&c)[Column::Direction as usize], direction);
        }
    }

    #[test]
    fn internal_columns_are_those_of_unicast_between_local_hosts() {
        let internal = |orig, resp, broadcast| {
            let mut c = answered();
            (c.orig.local, c.resp.local) = (Some(orig), Some(resp));
            if broadcast {
                c.resp.addr = std::net::IpAddr::from([10, 0, 0, 255]).into();
            }
            let row = ConnContext::default().extract(&c);
            [Column::InternalPort, Column::InternalResp].map(|column| row[column as usize])
        };
        let resp = identity(ContextKeys::of(&answered()).resp);
        assert_eq!(internal(true, true, false), [131_516.0, resp]);
        for (orig, resp, broadcast) in [(true, false, false), (false, true, false), (true, true, true)] {
            assert_eq!(internal(orig, resp, broadcast), [0.0, 0.0]);
        }
    }

    #[test]
    fn identities_are_exact_in_f32() {
        let most = (1 << 24) - 1;
        for (hash, number) in [(0, 1.0), (5, 6.0), (most - 1, 16_777_215.0), (most, 1.0), (most + 7, 8.0)] {
            assert_eq!(identity(hash), number, "{hash}");
        }
    }

    #[test]
    fn progress_rises_from_unanswered_to_closed_in_order() {
        use ConnState::*;
        let progress = [S0, OTH, REJ, SH, RSTOS0, SHR, RSTR, S1, S2, SF].map(progress);
        assert!(progress.is_sorted_by(|a, b| a < b), "{progress:?}");
        assert_eq!((progress[0], progress[7], progress[9]), (0.0, 4.0, 5.0));
    }
}
