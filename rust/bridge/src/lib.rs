//! The border between the detector and a sensor written in C++.
//!
//! It hands over and translates; what to score, when to reload, whom to tell is decided on the other side. Nothing that
//! goes wrong in here can reach C++ other than as a value: errors are sentences, a panic is caught and makes an
//! [`Outcome::Fault`](ffi::Outcome).

mod fault;
mod sensor;
mod view;

use sensor::{Sensor, new_sensor};

#[cxx::bridge(namespace = "iforest")]
mod ffi {
    /// The transport protocol.
    enum Proto {
        Unknown,
        Icmp,
        Tcp,
        Udp,
    }

    /// A truth value that may be unset.
    enum Known {
        Unset,
        No,
        Yes,
    }

    /// A number that may be unset.
    #[derive(Clone, Copy, Default)]
    struct Count {
        set: bool,
        value: u64,
    }

    /// One side of a connection.
    struct Endpoint {
        /// 16 bytes in network order, an IPv4 address mapped.
        addr: [u8; 16],
        port: u16,
        local: Known,
        bytes: Count,
        pkts: Count,
        ip_bytes: Count,
    }

    /// What the sensor knows of a connection that has ended, borrowed for the length of a call: the fields of conn.log,
    /// in the sensor's own units.
    struct ConnectionView<'a> {
        /// Seconds since 1970.
        ts: f64,
        /// Seconds; negative if unset.
        duration: f64,
        orig: Endpoint,
        resp: Endpoint,
        proto: Proto,
        missed_bytes: u64,
        /// Empty if unset, as the two that follow.
        conn_state: &'a [u8],
        service: &'a [u8],
        history: &'a [u8],
    }

    /// What became of a connection that was handed over.
    enum Outcome {
        /// It has a score.
        Scored,
        /// No model is at work.
        NoModel,
        /// The software failed: it has no score. [`Sensor::take_fault`] says why.
        Fault,
    }

    /// What the detector says of a connection.
    struct Verdict {
        outcome: Outcome,
        /// Whether the score passes the threshold.
        anomalous: bool,
        /// Between 0 and 1, in whole millionths; 0 without a score.
        score: f64,
    }

    extern "Rust" {
        /// A detector that may have no model yet.
        type Sensor;

        /// A sensor without a model.
        fn new_sensor() -> Box<Sensor>;

        /// Puts the model of a file to work; what was learnt of hosts stays. On an error the model before it remains.
        fn load_model(self: &mut Sensor, path: &[u8]) -> Result<()>;

        /// Whether the file differs from the one `load_model` last tried, in which case it is worth another try.
        fn model_changed(self: &Sensor) -> bool;

        /// Stops scoring.
        fn unload_model(self: &mut Sensor);

        /// Sets the score from which on a connection is anomalous; 0 or less for the model's own.
        fn set_threshold(self: &mut Sensor, threshold: f64);

        /// The threshold at work.
        fn threshold(self: &Sensor) -> f64;

        /// Scores a connection and remembers it as context for those that follow.
        fn score(self: &mut Sensor, connection: &ConnectionView) -> Verdict;

        /// Remembers a connection as context for those that follow.
        fn pass_by(self: &mut Sensor, connection: &ConnectionView) -> Outcome;

        /// What the software failed from, once: empty ever after.
        fn take_fault(self: &mut Sensor) -> String;
    }
}
