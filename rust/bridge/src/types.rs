//! Values passed between C++ and Rust.

pub(crate) use ffi::*;

impl Default for IncidentEvent {
    fn default() -> Self {
        Self::None
    }
}

impl Default for JobKind {
    fn default() -> Self {
        Self::Pending
    }
}

impl Default for Verdict {
    /// Verdict of a failed call.
    fn default() -> Self {
        let (reasons, main_reason, incident) = Default::default();
        Self { outcome: Outcome::Failed, score: 0.0, threshold: 0.0, seconds: -1.0, reasons, main_reason, incident }
    }
}

#[cxx::bridge(namespace = "iforest")]
mod ffi {
    /// Transport protocol.
    enum Proto {
        Unknown,
        Icmp,
        Tcp,
        Udp,
    }

    /// Optional boolean.
    enum Tristate {
        Unset,
        No,
        Yes,
    }

    /// Optional number.
    #[derive(Clone, Copy, Default)]
    struct Count {
        set: bool,
        value: u64,
    }

    /// One side of a connection.
    struct Endpoint {
        /// 16 bytes in network order; IPv4 addresses are mapped.
        addr: [u8; 16],
        port: u16,
        local: Tristate,
        bytes: Count,
        pkts: Count,
        ip_bytes: Count,
    }

    /// A finished connection, borrowed from Zeek for one call: the fields of conn.log in Zeek's units.
    struct ConnectionView<'a> {
        /// Seconds since 1970.
        ts: f64,
        /// Seconds; negative if unset.
        duration: f64,
        orig: Endpoint,
        resp: Endpoint,
        proto: Proto,
        missed_bytes: u64,
        /// Empty if unset, like the two fields that follow.
        conn_state: &'a [u8],
        service: &'a [u8],
        history: &'a [u8],
        uid: &'a [u8],
    }

    /// A DNS transaction, borrowed from Zeek for one call: the fields of dns.log in Zeek's units.
    struct DnsView<'a> {
        /// Seconds since 1970.
        ts: f64,
        /// Seconds; negative if unset.
        rtt: f64,
        /// 16 bytes in network order; IPv4 addresses are mapped.
        client: [u8; 16],
        client_port: u16,
        server: [u8; 16],
        server_port: u16,
        proto: Proto,
        has_query: bool,
        query: &'a [u8],
        qtype: Count,
        rcode: Count,
        /// Number of elements of `answers`, and the sum of their lengths in bytes.
        answers: u32,
        answer_bytes: u64,
        /// The least of `TTLs` in seconds; negative without any.
        min_ttl: f64,
        /// Identifier of its connection; empty if unset.
        uid: &'a [u8],
    }

    /// Result of passing a record to the sensor.
    #[derive(Debug)]
    enum Outcome {
        /// A panic was caught; the record has no score.
        Failed,
        /// No model is loaded.
        NoModel,
        /// No model is loaded, and the first one can be fitted.
        FitDue,
        /// A model is loaded; the record does not alert, or was not scored.
        Normal,
        /// The score is at or above the threshold.
        Alert,
        /// The record does not alert, but incidents have changed.
        Incident,
    }

    /// Everything the scripts need about a scored record.
    struct Verdict {
        outcome: Outcome,
        /// Between 0 and 1, in whole millionths; 0 without a score.
        score: f64,
        threshold: f64,
        /// Scoring time in seconds; negative if this call was not timed.
        seconds: f64,
        /// The reasons of an alert in words, strongest first.
        reasons: String,
        /// The feature behind the strongest reason.
        main_reason: String,
        /// Identifier of the incident it belongs to, or empty.
        incident: String,
    }

    /// An event in the life of an incident.
    #[derive(Debug)]
    enum IncidentEvent {
        /// There is none.
        None,
        Opened,
        /// Its kind changed, or it has ten times the records.
        Changed,
        Closed,
        /// It became part of another incident.
        Merged,
    }

    /// An event and the incident at that time.
    #[derive(Default)]
    struct IncidentChange {
        event: IncidentEvent,
        /// True if it is worth a notice.
        escalates: bool,
        /// True if the actor is the target of many originators.
        is_target: bool,
        id: String,
        /// Identifier of the incident that it became part of, or empty.
        merged_into: String,
        /// Seconds since 1970, like the next.
        start: f64,
        last: f64,
        actor: [u8; 16],
        kind: String,
        score: f64,
        records: u64,
        alerts: u64,
        targets: Vec<String>,
        targets_total: u64,
        ports: Vec<String>,
        ports_total: u64,
        uids: Vec<String>,
        reasons: Vec<String>,
        summary: String,
        attack: Vec<String>,
        /// Line for the list of known activity that covers the incident.
        known_lines: String,
    }

    /// Risk of a host, and the incidents that contribute to it.
    struct HostRisk {
        host: [u8; 16],
        risk: f64,
        incidents: Vec<String>,
        kinds: Vec<String>,
        /// The part of each incident.
        parts: Vec<f64>,
    }

    /// Counters since start, and gauges.
    #[derive(Clone, Copy, Default)]
    struct Statistics {
        /// Records with a score.
        scored: u64,
        /// Records without a score, by cause.
        without_model: u64,
        exempt: u64,
        failed: u64,
        /// Records that alerted.
        alerted: u64,
        /// Records offered to the reservoir.
        learnt: u64,
        /// Models loaded, and models refused.
        loaded: u64,
        refused: u64,
        /// Rows in the reservoir, and the number of records they represent.
        rows: u64,
        seen: u64,
        /// Population stability index of the live scores; 0 while there are too few.
        drift: f64,
    }

    /// Description of the loaded model. All fields are zero or empty without one.
    #[derive(Default)]
    struct Description {
        /// Time of the fit in microseconds since 1970, 0 if a clock that ran ahead dated it. The newer model has the higher
        /// version.
        version: i64,
        /// Checksum of the model file in hexadecimal digits.
        checksum: String,
        connections: u64,
        rows: u64,
        trees: u64,
        sample_size: u64,
        threshold: f64,
        /// Version of the Zeek that it was learnt under; empty for a model of the command line.
        zeek_version: String,
    }

    /// Kind of a finished background job.
    #[derive(Debug)]
    enum JobKind {
        /// No job has finished.
        Pending,
        /// A model was fitted or recalibrated, and is now loaded.
        Fitted,
        /// A fit failed; the previous model stays loaded.
        FitFailed,
        /// A file was written, or writing it failed.
        Saved,
        /// A changed model file was loaded.
        Loaded,
        /// A changed model file was refused.
        Refused,
        /// The state directory was locked.
        Locked,
        /// The job had no effect.
        NoChange,
    }

    /// A finished background job.
    #[derive(Default)]
    struct FinishedJob {
        kind: JobKind,
        /// The file or directory of the job, if any.
        file: String,
        /// The error, if any.
        problem: String,
        /// Seconds on the background thread.
        took: f64,
        /// Seconds during which packet processing was held up.
        pause: f64,
    }

    // The functions in the crate root return vectors of `HostRisk`.
    impl Vec<HostRisk> {}
}
