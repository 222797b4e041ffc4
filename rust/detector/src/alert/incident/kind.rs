//! Kinds of incidents.

use serde::{Deserialize, Serialize};

/// Kind of an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum IncidentKind {
    /// Many targets or ports, most of them closed or silent.
    Scan,
    /// Repeated short sessions with a service that asks for a password.
    Guessing,
    /// Large queries or echo requests, many of them.
    Tunnel,
    /// A large one-sided upload to the outside.
    Exfiltration,
    /// A connection of an hour or more.
    LongSession,
    /// Sessions between internal hosts on ports of remote administration.
    LateralMovement,
    /// Connections to one service at regular intervals.
    Beacon,
    /// A service that stopped answering.
    Outage,
    /// Many originators that fail on one target.
    Flood,
    /// A port or protocol that is rare here, and that answers.
    NewService,
    /// Many new domains that do not exist or are unlike words.
    GeneratedDomains,
    /// Anything else.
    Other,
}

impl IncidentKind {
    /// Every kind, in the order of the rules.
    pub const ALL: [Self; 12] = [
        Self::Scan,
        Self::Guessing,
        Self::Tunnel,
        Self::Exfiltration,
        Self::LongSession,
        Self::LateralMovement,
        Self::Beacon,
        Self::Outage,
        Self::Flood,
        Self::NewService,
        Self::GeneratedDomains,
        Self::Other,
    ];

    /// Name as in logs: `long session`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Scan => "scan",
            Self::Guessing => "guessing",
            Self::Tunnel => "tunnel",
            Self::Exfiltration => "exfiltration",
            Self::LongSession => "long session",
            Self::LateralMovement => "lateral movement",
            Self::Beacon => "beacon",
            Self::Outage => "outage",
            Self::Flood => "flood",
            Self::NewService => "new service",
            Self::GeneratedDomains => "generated domains",
            Self::Other => "other",
        }
    }

    /// Kind with this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}
