//! The border between the detector and a sensor written in C++.
//!
//! It hands over and translates; what to score, when to reload, whom to tell is decided on the other side. Nothing that
//! goes wrong in here can reach C++ other than as a value: errors are sentences, a panic is caught and makes an
//! [`Outcome::Fault`](ffi::Outcome).

mod background;
mod border;
mod ended;
mod fault;
mod learning;
mod look;
mod sensor;
mod state;
mod view;

use border::{Border, new_sensor};

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
        /// The software failed: it has no score. [`Border::take_fault`] says why.
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

    /// What makes a connection anomalous.
    #[derive(Clone, Default)]
    struct Reasons {
        /// In words and values, the strongest first.
        text: String,
        /// The feature that the strongest speaks of.
        main: String,
    }

    /// What the sensor has done so far, and how it stands.
    #[derive(Clone, Copy, Default)]
    struct Statistics {
        /// Connections that have a score.
        scored: u64,
        /// Connections without a score, by the reason: no model, exempted, a failure of the software.
        without_model: u64,
        exempt: u64,
        faults: u64,
        /// Connections whose score passed the threshold.
        flagged: u64,
        /// Connections offered to learn from.
        learnt: u64,
        /// Models put to work, and models refused.
        loaded: u64,
        refused: u64,
        /// Rows in the reservoir, and how many connections they stand for.
        rows: u64,
        seen: u64,
        /// The population stability index of the live scores; 0 while there are too few.
        drift: f64,
    }

    /// The model at work. Everything is zero without one.
    #[derive(Default)]
    struct Description {
        /// When it was fitted, in microseconds since 1970: the later, the newer.
        version: i64,
        /// That of its file, in hexadecimal digits.
        checksum: String,
        connections: u64,
        rows: u64,
        trees: u64,
        sample_size: u64,
        threshold: f64,
    }

    /// What came to an end in the background.
    enum Finished {
        Nothing,
        /// A model was fitted or calibrated, and is at work.
        Fitted,
        /// There is no such model; the one before it stays at work.
        NotFitted,
        /// A file was written, or not.
        Saved,
        /// A model file that had changed is at work, or was refused.
        Loaded,
        Refused,
        /// The state directory was claimed.
        Claimed,
        /// Nothing that anybody is to be told of.
        Unchanged,
    }

    /// The end of something in the background.
    struct Done {
        what: Finished,
        /// The file or the directory, if it was about one.
        file: String,
        /// What went wrong, if anything.
        problem: String,
        /// Seconds it took, on a thread of its own.
        took: f64,
        /// Seconds it held the caller up, from the start on, all in all.
        pause: f64,
    }

    extern "Rust" {
        /// A detector that may have no model yet.
        #[cxx_name = "Sensor"]
        type Border;

        /// A sensor without a model.
        fn new_sensor() -> Box<Border>;

        /// Puts the model of a file to work; what was learnt of hosts stays. On an error the model before it remains.
        fn load_model(self: &mut Border, path: &[u8]) -> Result<()>;

        /// Sets which files are believed: those signed with a key of minisign, where one is given; those that others can
        /// write to, if allowed.
        fn set_trust(self: &mut Border, key: &str, allow_writable: bool);

        /// Starts to look in the background whether the file, or what it was refused for, differs from what was last tried,
        /// and to load it if so.
        fn look_at_model(self: &mut Border) -> Result<()>;

        /// Stops scoring.
        fn unload_model(self: &mut Border);

        /// Sets the score from which on a connection is anomalous; 0 or less for the model's own.
        fn set_threshold(self: &mut Border, threshold: f64);

        /// Sets the threshold of each model for so many alerts a day; 0 or less for the model's own.
        fn set_alerts_per_day(self: &mut Border, alerts_per_day: f64);

        /// The threshold at work.
        fn threshold(self: &Border) -> f64;

        /// Scores a connection and remembers it as context for those that follow.
        fn score(self: &mut Border, connection: &ConnectionView) -> Verdict;

        /// Why the connection that was scored last is anomalous; empty if it is not.
        fn reasons(self: &Border) -> &Reasons;

        /// Remembers a connection as context for those that follow.
        fn pass_by(self: &mut Border, connection: &ConnectionView) -> Outcome;

        /// Learns in place from here on: so many rows, each counting half as much after `half_life` seconds, a minute at
        /// least. Under other figures than before it goes on with what would have been kept by them.
        fn start_learning(self: &mut Border, rows: usize, half_life: f64);

        /// Learns no more, and forgets what was not fitted yet.
        fn stop_learning(self: &mut Border);

        /// Learns from the connection that was handed over last. Returns what `fit_is_due` does then.
        fn learn(self: &mut Border, after: u64) -> bool;

        /// Whether a model can be fitted: enough was seen, `after` connections, a tenth of them in the reservoir; and no fit
        /// is under way.
        fn can_fit(self: &Border, after: u64) -> bool;

        /// Whether there is no model yet and one can be fitted.
        fn fit_is_due(self: &Border, after: u64) -> bool;

        /// Starts to fit a model in the background, to be put to work by `finished` and written to `file` unless that is
        /// empty.
        fn fit(self: &mut Border, version: i64, alerts_per_day: f64, file: &[u8]) -> Result<()>;

        /// Like `fit`, but only calibrates the model at work on what was learnt since.
        fn recalibrate(self: &mut Border, version: i64, alerts_per_day: f64, file: &[u8]) -> Result<()>;

        /// What comes to an end next in the background, waited for so many seconds.
        fn finished(self: &mut Border, wait: f64) -> Done;

        /// Whether anything is going on in the background that `finished` has not told of.
        fn busy(self: &Border) -> bool;

        /// Claims the directory of what is to survive a restart, which is made where it is missing, and gives the one before
        /// it up; with an empty name, only that. An error says who else writes there.
        fn open_state(self: &mut Border, directory: &[u8]) -> Result<()>;

        /// Starts to claim that directory once more, where somebody else had it.
        fn claim_state(self: &mut Border) -> Result<()>;

        /// Starts to write the model at work to a file.
        fn save_state(self: &mut Border, file: &[u8]) -> Result<()>;

        /// Puts the model of a file to work, if there is such a file: one this sensor wrote. Returns whether it did: not
        /// where the one at work is as new.
        fn load_state(self: &mut Border, file: &[u8]) -> Result<bool>;

        /// Starts to write what was learnt to a file.
        fn save_sample(self: &mut Border, file: &[u8]) -> Result<()>;

        /// Takes in what was learnt before from a file, if there is one.
        fn load_sample(self: &mut Border, file: &[u8]) -> Result<()>;

        /// Starts to write what is remembered of hosts, services and scores to a file.
        fn save_memory(self: &mut Border, file: &[u8]) -> Result<()>;

        /// Goes on with what was remembered in a file, if there is one.
        fn load_memory(self: &mut Border, file: &[u8]) -> Result<()>;

        /// Takes what was learnt out, `most` rows of it, for another node.
        fn take_sample(self: &mut Border, most: usize) -> Vec<u8>;

        /// Takes in what another node has learnt.
        fn merge_sample(self: &mut Border, bytes: &[u8]) -> Result<()>;

        /// The key from which on the reservoir takes no more rows; infinite while it is not full.
        fn sample_bound(self: &Border) -> f64;

        /// Has rows left out that the reservoir they are for would not take.
        fn set_sample_bound(self: &mut Border, bound: f64);

        /// The file of the model at work; empty without one.
        fn model_bytes(self: &Border) -> Vec<u8>;

        /// Puts another node's model to work and writes it to `file` unless that is empty, if it is newer than the one at
        /// work. Returns whether it was; an older one, or one that is damaged, is an error. It is written in the background,
        /// or with `write_first` before it is at work.
        fn adopt_model(self: &mut Border, bytes: &[u8], checksum: &str, file: &[u8], write_first: bool)
        -> Result<bool>;

        /// The model at work.
        fn describe(self: &Border) -> Description;

        /// What was done so far.
        fn statistics(self: &Border) -> Statistics;

        /// How long the last connection took to score in seconds, if it was timed; negative if not.
        fn scoring_time(self: &Border) -> f64;

        /// Begins another slice of the window in which drift is looked for. Returns how the scores of the slice now over
        /// were distributed; nothing without a model.
        fn turn_drift(self: &mut Border) -> Vec<u64>;

        /// Adds what another node with the same model has counted.
        fn add_drift(self: &mut Border, counts: &[u64]) -> bool;

        /// What the software failed from, once: empty ever after.
        fn take_fault(self: &mut Border) -> String;
    }
}
