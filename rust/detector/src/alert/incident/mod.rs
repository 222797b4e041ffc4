//! Incidents: alerts and accumulated evidence of one actor, grouped until the actor is quiet.
//!
//! A [`Grouper`] processes every record in order of end times. An alert or evidence opens an incident of its
//! originator or extends the open one. Further records join it: those to a service or domain with evidence, failed ones
//! of a scanner or on a port with evidence, and queries for generated domains. An exchange that is regular for a day
//! ([`regular_exchange`]) is evidence as well. If many originators attack one target, the target becomes the actor.
//! Records of both logs are of one incident if they have the same originator. [`rules`] classify an incident,
//! [`summary`] describes it, and [`known`] lists expected activity.
//!
//! * A surge is the moment at which many originators fail on one responder ([`surge`]); it opens an incident.
//! * A flood is the kind of an incident with many originators that fail on its target.
//! * A burst is a pair's alerts within a clock hour; some alert budgets count it once
//!   ([`Schema::counts_bursts`](crate::Schema::counts_bursts)).
//!
//! Memory is bounded: 4,096 open incidents of at most 40 kB each, the last 65,536 records (about 12 MB), regular
//! exchanges (2 MB) and failures by responder (1 MB). Beyond 4,096 incidents the one quiet for longest is closed, single
//! alerts first.
//!
//! [`GrouperSnapshot`] carries the open incidents from one run to the next. In a cluster, each worker's grouper forwards
//! its additions and the manager's grouper merges them: see [`transfer`].

mod change;
mod civil_date;
pub(crate) mod distinct_set;
mod grouper;
mod history;
pub(crate) mod host_risk;
#[expect(clippy::module_inception, reason = "the type that the directory is about")]
mod incident;
mod kind;
pub(crate) mod known;
mod outbox;
mod pauses;
mod queries;
mod record;
mod regular_exchange;
pub(crate) mod rules;
mod service;
mod service_totals;
mod snapshot;
mod soundness;
mod summary;
mod surge;
pub(crate) mod transfer;

pub use self::change::{Change, Event};
pub use self::grouper::{Grouper, INCIDENT_TIMEOUT};
pub use self::incident::{Incident, Observation, Role};
pub use self::kind::IncidentKind;
pub use self::snapshot::GrouperSnapshot;
pub use self::summary::format_port;

#[cfg(test)]
mod tests;
