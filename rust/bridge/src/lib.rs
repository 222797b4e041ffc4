//! FFI layer between Zeek's C++ plugin and the detector.
//!
//! It converts values and contains no policy: the scripts decide what to score, when to fit and what to report.
//! Errors reach C++ as messages. Panics are caught, see [`ffi_guard`].

mod background;
mod convert;
mod ffi_guard;
mod incidents;
mod job;
mod learning;
mod model_file;
mod panic;
mod sensor;
mod state_dir;
mod types;

use ffi_guard::{GuardedSensor, new_dns_sensor, new_sensor};

#[cxx::bridge(namespace = "iforest")]
mod ffi {
    unsafe extern "C++" {
        include!("iforest-bridge/src/types.rs.h");
        type ConnectionView<'a> = crate::types::ConnectionView<'a>;
        type DnsView<'a> = crate::types::DnsView<'a>;
        type Description = crate::types::Description;
        type FinishedJob = crate::types::FinishedJob;
        type HostRisk = crate::types::HostRisk;
        type IncidentChange = crate::types::IncidentChange;
        type Outcome = crate::types::Outcome;
        type Statistics = crate::types::Statistics;
        type Verdict = crate::types::Verdict;
    }

    extern "Rust" {
        /// Sensor of one log; it may have no model yet.
        #[cxx_name = "Sensor"]
        type GuardedSensor;

        /// Creates a sensor without a model.
        fn new_sensor() -> Box<GuardedSensor>;

        /// Creates a sensor for dns.log without a model. It shares the background thread of that for conn.log, so that
        /// the lock on the state directory is released after the writes of both, and its incidents.
        fn new_dns_sensor(conn: &GuardedSensor) -> Box<GuardedSensor>;

        /// Loads a model file; host context stays. On an error the previous model stays loaded.
        fn load_model(self: &mut GuardedSensor, path: &[u8]) -> Result<()>;

        /// Sets the minisign public key that model files must be signed with (empty for none), and accepts or refuses
        /// files that other users can write to.
        fn set_trust(self: &mut GuardedSensor, key: &[u8], allow_writable: bool);

        /// Sets the version of Zeek, which models fitted here record.
        fn set_zeek_version(self: &mut GuardedSensor, version: &[u8]);

        /// Starts a background job that reloads the model file if it has changed since the last attempt.
        fn check_model_file(self: &mut GuardedSensor) -> Result<()>;

        /// Stops scoring; host context stays.
        fn unload_model(self: &mut GuardedSensor);

        /// Sets the alert threshold; 0 or less selects the model's own.
        fn set_threshold(self: &mut GuardedSensor, threshold: f64);

        /// Sets the alert budget that the threshold of each model is derived from; 0 or less selects the model's own.
        fn set_alerts_per_day(self: &mut GuardedSensor, alerts_per_day: f64);

        /// Returns a warning if the loaded model's sample is too small for the alert budget in force, or an empty
        /// string.
        fn budget_problem(self: &mut GuardedSensor) -> String;

        /// Scores a connection, adds it to the host context, and with `learn` to the reservoir. Stores the result in
        /// `verdict`, because returning a struct with strings to C++ costs more.
        fn score_into(
            self: &mut GuardedSensor,
            connection: &ConnectionView,
            learn: bool,
            learn_after: u64,
            verdict: &mut Verdict,
        );

        /// Adds a connection to the host context without scoring it, and with `learn` to the reservoir.
        fn observe(self: &mut GuardedSensor, connection: &ConnectionView, learn: bool, learn_after: u64) -> Outcome;

        /// Scores a query, adds it to the context, and with `learn` to the reservoir.
        fn score_dns_into(
            self: &mut GuardedSensor,
            query: &DnsView,
            learn: bool,
            learn_after: u64,
            verdict: &mut Verdict,
        );

        /// Adds a query to the context without scoring it, and with `learn` to the reservoir.
        fn observe_dns(self: &mut GuardedSensor, query: &DnsView, learn: bool, learn_after: u64) -> Outcome;

        /// Adds the last record to the reservoir, unless that was done. Returns the result of `fit_is_due`.
        fn learn(self: &mut GuardedSensor, learn_after: u64) -> bool;

        /// Starts learning into a reservoir of `rows` rows with a half-life in seconds, at least 60. Rows learnt before
        /// are resampled to the new settings.
        fn start_learning(self: &mut GuardedSensor, rows: usize, half_life: f64);

        /// Stops learning and empties the reservoir.
        fn stop_learning(self: &mut GuardedSensor);

        /// Returns true if a fit can start: `learn_after` records were seen, a tenth of them (or half of the capacity,
        /// if less) is in the reservoir, and no fit is running.
        fn can_fit(self: &mut GuardedSensor, learn_after: u64) -> bool;

        /// Returns true if no model is loaded and a fit can start.
        fn fit_is_due(self: &mut GuardedSensor, learn_after: u64) -> bool;

        /// Starts fitting a model in the background. [`finished_job`] loads it; it is written to `file` unless that is
        /// empty.
        fn fit(self: &mut GuardedSensor, version: i64, alerts_per_day: f64, file: &[u8]) -> Result<()>;

        /// Starts recalibrating the loaded model: its trees stay, its threshold is derived from the reservoir.
        fn recalibrate(self: &mut GuardedSensor, version: i64, alerts_per_day: f64, file: &[u8]) -> Result<()>;

        /// Applies and returns the next finished background job, waiting up to `wait` seconds for it.
        fn finished_job(self: &mut GuardedSensor, wait: f64) -> FinishedJob;

        /// Returns true while a job is running or has not been returned by `finished_job`.
        fn busy(self: &mut GuardedSensor) -> bool;

        /// Creates and locks the state directory, and releases the previous one. An empty name only releases.
        fn open_state(self: &mut GuardedSensor, directory: &[u8]) -> Result<()>;

        /// Starts another attempt to lock the state directory in the background.
        fn lock_state(self: &mut GuardedSensor) -> Result<()>;

        /// Starts writing the loaded model to a file.
        fn save_model(self: &mut GuardedSensor, file: &[u8]) -> Result<()>;

        /// Loads a model this sensor saved, if the file exists and is newer than the loaded model. Returns true if it
        /// did.
        fn load_saved_model(self: &mut GuardedSensor, file: &[u8]) -> Result<bool>;

        /// Starts writing the reservoir to a file.
        fn save_sample(self: &mut GuardedSensor, file: &[u8]) -> Result<()>;

        /// Merges a saved reservoir, if the file exists.
        fn load_sample(self: &mut GuardedSensor, file: &[u8]) -> Result<()>;

        /// Starts writing host context and recent scores to a file.
        fn save_context(self: &mut GuardedSensor, file: &[u8]) -> Result<()>;

        /// Restores host context and recent scores, if the file exists.
        fn load_context(self: &mut GuardedSensor, file: &[u8]) -> Result<()>;

        /// Removes up to `max_rows` rows from the reservoir and returns them, serialized for another node.
        fn take_sample(self: &mut GuardedSensor, max_rows: usize) -> Vec<u8>;

        /// Merges rows of another node into the reservoir.
        fn merge_sample(self: &mut GuardedSensor, bytes: &[u8]) -> Result<()>;

        /// Returns the sampling key above which the reservoir takes no more rows; infinite while it is not full.
        fn sample_bound(self: &mut GuardedSensor) -> f64;

        /// Drops rows whose sampling key is above the bound of another node's reservoir. An invalid bound clears the
        /// limit.
        fn set_sample_bound(self: &mut GuardedSensor, bound: f64);

        /// Returns the loaded model's file contents; empty without a model.
        fn model_bytes(self: &mut GuardedSensor) -> Vec<u8>;

        /// Loads another node's model if it is newer than the loaded one, and writes it to `file` unless that is empty:
        /// in the background, or before loading it with `write_first`. Returns false for the version already loaded. An
        /// older or damaged model is an error.
        fn adopt_model(
            self: &mut GuardedSensor,
            bytes: &[u8],
            version: i64,
            checksum: &[u8],
            file: &[u8],
            write_first: bool,
        ) -> Result<bool>;

        /// Starts grouping into incidents, with a timeout in seconds; with `forwards` additions are stored for another
        /// node.
        fn start_incidents(self: &mut GuardedSensor, timeout: f64, forwards: bool);

        /// Replaces the timeout of incidents, in seconds.
        fn set_incident_timeout(self: &mut GuardedSensor, timeout: f64);

        /// Replaces the list of known activity; after an error the previous list stays.
        fn set_known(self: &mut GuardedSensor, list: &[u8]) -> Result<()>;

        /// Problem of the list of known activity: it has no entries, or all have expired. Empty if there is no problem.
        fn known_problem(self: &mut GuardedSensor) -> String;

        /// Removes and returns the next event of incidents.
        fn next_incident(self: &mut GuardedSensor) -> IncidentChange;

        /// Closes all incidents, or those quiet at the time `now` in seconds. Returns true if there are events.
        fn close_incidents(self: &mut GuardedSensor, now: f64, all: bool) -> bool;

        /// Returns true if there are additions to incidents for the manager.
        fn has_additions(self: &mut GuardedSensor) -> bool;

        /// Removes the additions to at most `most` incidents, serialized together with the time in seconds.
        fn take_additions(self: &mut GuardedSensor, most: usize, now: f64) -> Vec<u8>;

        /// Merges additions of another node. Returns true if there are events.
        fn merge_additions(self: &mut GuardedSensor, bytes: &[u8]) -> Result<bool>;

        /// Returns identifiers for the node whose additions were merged last.
        fn renamings(self: &mut GuardedSensor) -> Vec<u8>;

        /// Removes the identifiers of incidents that opened, serialized for all nodes; empty without any.
        fn take_opened(self: &mut GuardedSensor) -> Vec<u8>;

        /// Uses the manager's identifiers.
        fn rename_incidents(self: &mut GuardedSensor, bytes: &[u8]) -> Result<()>;

        /// Returns the hosts with a risk above zero, the highest first.
        fn host_risks(self: &mut GuardedSensor) -> Vec<HostRisk>;

        /// Describes the loaded model.
        fn describe(self: &mut GuardedSensor) -> Description;

        /// Returns counters and gauges.
        fn statistics(self: &mut GuardedSensor) -> Statistics;

        /// Starts a new slice of the drift window and returns the finished slice's score histogram; empty without a
        /// model.
        fn start_drift_slice(self: &mut GuardedSensor) -> Vec<u64>;

        /// Adds the score histogram of another node that runs the same model.
        fn add_drift_counts(self: &mut GuardedSensor, counts: &[u64]) -> bool;

        /// Returns the message of the first caught panic, once; empty afterwards.
        fn take_panic(self: &mut GuardedSensor) -> String;
    }
}
