//! Columns that the logs of every kind share, and their values.

use std::ops::Range;

use detector::{Address, Proto};
use zeek_log::{Error, ErrorKind, Row};

/// Latest valid time in microseconds since 1970, the end of 2099. Later times have another unit or a broken clock.
const MAX_TIME: i64 = 4_102_444_800_000_000;

/// Positions of the shared columns, which come first in every log.
const TS: usize = 0;
const UID: usize = 1;
const ORIG_H: usize = 2;
const ORIG_P: usize = 3;
const RESP_H: usize = 4;
const RESP_P: usize = 5;
const PROTO: usize = 6;
/// Number of the shared columns.
pub const SHARED: usize = 7;

/// Declares the columns of a log: the name of `ts` in the Elastic Common Schema, then the columns that are not shared,
/// with their names and aliases.
macro_rules! log_columns {
    ($ts:literal; $($column:ident $name:literal $aliases:expr;)*) => {
        #[derive(Clone, Copy)]
        #[repr(usize)]
        enum Column { _Shared = $crate::input::columns::SHARED - 1, $($column),* }

        /// Columns of the log, the shared ones first.
        pub const COLUMNS: &[zeek_log::ColumnSpec<'static>] = &[
            zeek_log::ColumnSpec::with_aliases("ts", &["@timestamp", $ts]),
            zeek_log::ColumnSpec::with_aliases("uid", &["zeek.session_id"]),
            zeek_log::ColumnSpec::with_aliases("id.orig_h", &["id_orig_h", "source.ip", "source.address"]),
            zeek_log::ColumnSpec::with_aliases("id.orig_p", &["id_orig_p", "source.port"]),
            zeek_log::ColumnSpec::with_aliases("id.resp_h", &["id_resp_h", "destination.ip", "destination.address"]),
            zeek_log::ColumnSpec::with_aliases("id.resp_p", &["id_resp_p", "destination.port"]),
            zeek_log::ColumnSpec::with_aliases("proto", &["network.transport"]),
            $(zeek_log::ColumnSpec::with_aliases($name, &$aliases)),*
        ];
    };
}

pub(super) use log_columns;

/// Values that every record needs.
pub struct Essentials {
    /// Microseconds since 1970.
    pub ts: i64,
    pub orig: (Address, u16),
    pub resp: (Address, u16),
    pub proto: Proto,
}

impl Essentials {
    /// Positions of their columns.
    pub const COLUMNS: [usize; 6] = [TS, ORIG_H, ORIG_P, RESP_H, RESP_P, PROTO];

    /// Reads them from a row.
    ///
    /// # Errors
    /// If one is unset or does not have the type of its column.
    #[inline]
    pub fn of(row: &Row) -> Result<Self, Error> {
        let unset = |column: usize| move || row.error(column, ErrorKind::Unset);
        let host = |addr: usize, port: usize| {
            Ok((Address(row.addr(addr)?.ok_or_else(unset(addr))?), row.port(port)?.ok_or_else(unset(port))?))
        };
        Ok(Self {
            ts: within(row, TS, row.time(TS)?, 0..MAX_TIME, "a time from 1970 to 2099, in seconds")?
                .ok_or_else(unset(TS))?,
            orig: host(ORIG_H, ORIG_P)?,
            resp: host(RESP_H, RESP_P)?,
            proto: Proto::parse(row.get(PROTO).ok_or_else(unset(PROTO))?),
        })
    }
}

/// Returns the `uid` of a row.
pub fn uid(row: &Row) -> Option<&[u8]> {
    row.get(UID)
}

/// Returns `micros`, the time in a column, if it is within a range.
///
/// # Errors
/// If it is outside; the message names `wanted` as the expected value.
pub fn within(
    row: &Row,
    column: usize,
    micros: Option<i64>,
    range: Range<i64>,
    wanted: &'static str,
) -> Result<Option<i64>, Error> {
    match micros {
        Some(micros) if !range.contains(&micros) => row.value(column, wanted, |_| None),
        micros => Ok(micros),
    }
}
