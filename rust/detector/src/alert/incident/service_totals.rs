//! Totals of an incident: connections to one service of one responder, or queries for names of one domain.

use serde::{Deserialize, Serialize};

use super::pauses::Pauses;
use super::queries::Domain;
use super::record::{Record, TotalsKey};
use super::service::{self, ServiceName};
use crate::address::Address;
use crate::dns::query::DnsQuery;
use crate::proto::Proto;

/// Connections of an incident to one service of one responder, or queries for names of one domain.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct ServiceTotals {
    pub(super) responder: Address,
    pub(super) proto: Proto,
    pub(super) port: u16,
    #[serde(with = "service")]
    pub(super) service: ServiceName,
    pub(super) records: u64,
    pub(super) alerts: u64,
    pub(super) evidence: u64,
    pub(super) failed: u64,
    pub(super) bytes_out: u64,
    pub(super) bytes_in: u64,
    pub(super) largest_out: u64,
    pub(super) duration: i64,
    pub(super) longest: i64,
    pub(super) first: i64,
    pub(super) last: i64,
    pub(super) pauses: Pauses,
    pub(super) last_start: i64,
    /// True if the responder is internal.
    pub(super) is_internal: bool,
    /// True if an alert was for an amount sent.
    pub(super) large: bool,
    /// True if an alert was for a rare port or service.
    pub(super) rare: bool,
    /// Set for queries.
    pub(super) domain: Option<Box<Domain>>,
}

impl ServiceTotals {
    pub(super) fn new(record: &Record, query: Option<&DnsQuery<'_>>) -> Self {
        Self {
            responder: record.responder,
            proto: record.proto,
            port: record.port,
            service: record.service,
            records: 0,
            alerts: 0,
            evidence: 0,
            failed: 0,
            bytes_out: 0,
            bytes_in: 0,
            largest_out: 0,
            duration: 0,
            longest: 0,
            first: record.ts,
            last: record.end,
            pauses: Pauses::default(),
            last_start: record.ts,
            is_internal: record.resp_is_internal,
            large: false,
            rare: false,
            domain: record.query.map(|own| Box::new(Domain::new(&own, query))),
        }
    }

    pub(super) fn add(&mut self, record: &Record) {
        if self.records > 0 {
            self.pauses.add(record.ts.abs_diff(self.last_start) as f64 / 1e6);
        }
        let duration = record.end.saturating_sub(record.ts);
        self.last_start = self.last_start.max(record.ts);
        self.records += 1;
        self.failed += u64::from(record.failed);
        self.bytes_out = self.bytes_out.saturating_add(record.bytes_out);
        self.bytes_in = self.bytes_in.saturating_add(record.bytes_in);
        self.largest_out = self.largest_out.max(record.bytes_out);
        self.duration = self.duration.saturating_add(duration);
        self.longest = self.longest.max(duration);
        self.first = self.first.min(record.ts);
        self.last = self.last.max(record.end);
        if self.service.is_empty() {
            self.service = record.service;
        }
        if let (Some(domain), Some(query)) = (&mut self.domain, &record.query) {
            domain.add(query, record.responder);
        }
    }

    pub(super) fn key(&self) -> TotalsKey {
        match &self.domain {
            None => TotalsKey::Service(self.responder, self.proto, self.port),
            Some(domain) => TotalsKey::Domain(domain.key),
        }
    }

    pub(super) fn merge(&mut self, other: &ServiceTotals) {
        self.records = self.records.saturating_add(other.records);
        self.alerts = self.alerts.saturating_add(other.alerts);
        self.evidence = self.evidence.saturating_add(other.evidence);
        self.failed = self.failed.saturating_add(other.failed);
        self.pauses.merge(&other.pauses);
        self.bytes_out = self.bytes_out.saturating_add(other.bytes_out);
        self.bytes_in = self.bytes_in.saturating_add(other.bytes_in);
        self.largest_out = self.largest_out.max(other.largest_out);
        self.duration = self.duration.saturating_add(other.duration);
        self.longest = self.longest.max(other.longest);
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        self.last_start = self.last_start.max(other.last_start);
        if self.service.is_empty() {
            self.service = other.service;
        }
        if let (Some(own), Some(theirs)) = (&mut self.domain, &other.domain) {
            own.merge(theirs);
        }
        (self.large, self.rare) = (self.large || other.large, self.rare || other.rare);
    }
}
