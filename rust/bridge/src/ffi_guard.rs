//! Sensor wrapper that catches panics.
//!
//! C++ can call only the functions that [`guard!`] generates, and a few that wrap these. If a function can return an
//! error, a panic becomes that error; otherwise the function returns its fallback, and [`GuardedSensor::take_panic`]
//! returns the message. The declarations in the crate root document the functions.

use detector::LogKind;

use crate::panic::{catch, install_panic_hook};
use crate::sensor::Sensor;
use crate::types::{
    ConnectionView, Description, DnsView, FinishedJob, HostRisk, IncidentChange, Outcome, Statistics, Verdict,
};

/// Sensor whose panics do not reach C++.
#[derive(Default)]
pub struct GuardedSensor {
    sensor: Sensor,
    /// Message of the first panic that was not returned as an error; empty once taken. Later ones are likely
    /// consequences.
    panic: Option<String>,
}

pub(crate) fn new_sensor() -> Box<GuardedSensor> {
    install_panic_hook();
    Box::default()
}

/// Creates a sensor for dns.log.
pub(crate) fn new_dns_sensor(conn: &GuardedSensor) -> Box<GuardedSensor> {
    Box::new(GuardedSensor { sensor: conn.sensor.for_log(LogKind::Dns), panic: None })
}

macro_rules! guard {
    ($(fn $name:ident($($arg:ident: $type:ty),*) $(-> $output:ty = $fallback:expr)?;)*
     $(try fn $try_name:ident($($try_arg:ident: $try_type:ty),*) -> $ok:ty;)*
     incidents:
     $(fn $of_name:ident($($of_arg:ident: $of_type:ty),*) $(-> $of_output:ty)?;)*
     $(try fn $try_of_name:ident($($try_of_arg:ident: $try_of_type:ty),*) -> $of_ok:ty;)*) => {
        impl GuardedSensor {
            $(pub(crate) fn $name(&mut self, $($arg: $type),*) $(-> $output)? {
                guarded(|| self.sensor.$name($($arg),*)).unwrap_or_else(|panic| {
                    self.panic.get_or_insert(panic);
                    $(return $fallback;)?
                })
            })*
            $(pub(crate) fn $try_name(&mut self, $($try_arg: $try_type),*) -> Result<$ok, String> {
                for_cpp(guarded(|| self.sensor.$try_name($($try_arg),*)).unwrap_or_else(Err))
            })*
            // Before grouping starts, and after a panic, the result is the default.
            $(pub(crate) fn $of_name(&mut self, $($of_arg: $of_type),*) $(-> $of_output)? {
                let grouped = guarded(|| self.sensor.incidents.with(|incidents| incidents.$of_name($($of_arg),*)));
                grouped.map_err(|panic| _ = self.panic.get_or_insert(panic)).ok().flatten().unwrap_or_default()
            })*
            $(pub(crate) fn $try_of_name(&mut self, $($try_of_arg: $try_of_type),*) -> Result<$of_ok, String> {
                let grouped = guarded(|| self.sensor.incidents.with(|it| it.$try_of_name($($try_of_arg),*)).transpose());
                for_cpp(grouped.unwrap_or_else(Err).map(Option::unwrap_or_default))
            })*
        }

        /// Calls each guarded function on a new sensor; returns its name and the panic message.
        #[cfg(test)]
        fn call_each() -> Vec<(&'static str, String)> {
            vec![
                $((stringify!($name), {
                    let mut sensor = new_sensor();
                    $(let $arg = tests::any();)*
                    let _ = sensor.$name($($arg),*);
                    sensor.take_panic()
                }),)*
                $((stringify!($try_name), {
                    $(let $try_arg = tests::any();)*
                    new_sensor().$try_name($($try_arg),*).err().unwrap_or_default()
                }),)*
                $((stringify!($of_name), {
                    let mut sensor = new_sensor();
                    $(let $of_arg = tests::any();)*
                    let _ = sensor.$of_name($($of_arg),*);
                    sensor.take_panic()
                }),)*
                $((stringify!($try_of_name), {
                    $(let $try_of_arg = tests::any();)*
                    new_sensor().$try_of_name($($try_of_arg),*).err().unwrap_or_default()
                }),)*
            ]
        }
    };
}

guard! {
    fn set_trust(key: &[u8], allow_writable: bool);
    fn set_zeek_version(version: &[u8]);
    fn unload_model();
    fn set_threshold(threshold: f64);
    fn set_alerts_per_day(alerts_per_day: f64);
    fn budget_problem() -> String = String::new();
    fn score(view: &ConnectionView<'_>, learn: bool, learn_after: u64) -> Verdict = Verdict::default();
    fn observe(view: &ConnectionView<'_>, learn: bool, learn_after: u64) -> Outcome = Outcome::Failed;
    fn score_dns(view: &DnsView<'_>, learn: bool, learn_after: u64) -> Verdict = Verdict::default();
    fn observe_dns(view: &DnsView<'_>, learn: bool, learn_after: u64) -> Outcome = Outcome::Failed;
    fn learn(learn_after: u64) -> bool = false;
    fn start_learning(rows: usize, half_life: f64);
    fn stop_learning();
    fn can_fit(learn_after: u64) -> bool = false;
    fn fit_is_due(learn_after: u64) -> bool = false;
    fn finished_job(wait: f64) -> FinishedJob = FinishedJob::default();
    fn busy() -> bool = false;
    fn take_sample(max_rows: usize) -> Vec<u8> = Vec::new();
    fn sample_bound() -> f64 = f64::INFINITY;
    fn set_sample_bound(bound: f64);
    fn model_bytes() -> Vec<u8> = Vec::new();
    fn start_incidents(timeout: f64, forwards: bool);
    fn describe() -> Description = Description::default();
    fn statistics() -> Statistics = Statistics::default();
    fn start_drift_slice() -> Vec<u64> = Vec::new();
    fn add_drift_counts(counts: &[u64]) -> bool = false;

    try fn load_model(path: &[u8]) -> ();
    try fn check_model_file() -> ();
    try fn fit(version: i64, alerts_per_day: f64, file: &[u8]) -> ();
    try fn recalibrate(version: i64, alerts_per_day: f64, file: &[u8]) -> ();
    try fn open_state(directory: &[u8]) -> ();
    try fn lock_state() -> ();
    try fn save_model(file: &[u8]) -> ();
    try fn load_saved_model(file: &[u8]) -> bool;
    try fn save_sample(file: &[u8]) -> ();
    try fn load_sample(file: &[u8]) -> ();
    try fn save_context(file: &[u8]) -> ();
    try fn load_context(file: &[u8]) -> ();
    try fn merge_sample(bytes: &[u8]) -> ();
    try fn adopt_model(bytes: &[u8], version: i64, checksum: &[u8], file: &[u8], write_first: bool) -> bool;

    incidents:
    fn set_incident_timeout(timeout: f64);
    fn known_problem() -> String;
    fn next_incident() -> IncidentChange;
    fn close_incidents(now: f64, all: bool) -> bool;
    fn has_additions() -> bool;
    fn take_additions(most: usize, now: f64) -> Vec<u8>;
    fn renamings() -> Vec<u8>;
    fn take_opened() -> Vec<u8>;
    fn host_risks() -> Vec<HostRisk>;

    try fn set_known(list: &[u8]) -> ();
    try fn merge_additions(bytes: &[u8]) -> bool;
    try fn rename_incidents(bytes: &[u8]) -> ();
}

impl GuardedSensor {
    /// As `score`, for C++: the verdict is returned through an argument, because a struct with strings costs more as a
    /// return value.
    pub(crate) fn score_into(
        &mut self,
        view: &ConnectionView<'_>,
        learn: bool,
        learn_after: u64,
        verdict: &mut Verdict,
    ) {
        *verdict = self.score(view, learn, learn_after);
    }

    pub(crate) fn score_dns_into(&mut self, view: &DnsView<'_>, learn: bool, learn_after: u64, verdict: &mut Verdict) {
        *verdict = self.score_dns(view, learn, learn_after);
    }

    pub(crate) fn take_panic(&mut self) -> String {
        self.panic.as_mut().map(std::mem::take).unwrap_or_default()
    }
}

fn guarded<T>(call: impl FnOnce() -> T) -> Result<T, String> {
    catch(|| {
        #[cfg(test)]
        assert!(!tests::INJECTED.get(), "injected");
        call()
    })
}

/// Makes an error readable for C++, which reads it up to the first NUL and takes an empty one for success.
fn for_cpp<T>(result: Result<T, String>) -> Result<T, String> {
    result.map_err(|error| match error.is_empty() {
        true => "unknown error".to_owned(),
        false => error.replace('\0', "\\0"),
    })
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    thread_local! {
        /// True while every guarded function panics.
        pub(super) static INJECTED: Cell<bool> = const { Cell::new(false) };
    }

    /// Arbitrary arguments; an injected panic comes before they are read.
    pub(super) trait Any {
        fn any() -> Self;
    }

    macro_rules! any {
        ($($type:ty = $value:expr;)*) => {
            $(impl Any for $type { fn any() -> Self { $value } })*
        };
    }

    any! {
        &[u8] = b"";
        &[u64] = &[];
        bool = false;
        f64 = 0.0;
        i64 = 0;
        u64 = 0;
        usize = 0;
        &ConnectionView<'static> = Box::leak(Box::new(view()));
        &DnsView<'static> = Box::leak(Box::new(dns_view()));
    }

    pub(super) fn any<T: Any>() -> T {
        T::any()
    }

    fn view() -> ConnectionView<'static> {
        use crate::types::{Count, Endpoint, Proto, Tristate};
        let side = || Endpoint {
            addr: [0; 16],
            port: 0,
            local: Tristate::Unset,
            bytes: Count::default(),
            pkts: Count::default(),
            ip_bytes: Count::default(),
        };
        ConnectionView {
            ts: 0.0,
            duration: 0.0,
            orig: side(),
            resp: side(),
            proto: Proto::Tcp,
            missed_bytes: 0,
            conn_state: b"",
            service: b"",
            history: b"",
            uid: b"",
        }
    }

    fn dns_view() -> DnsView<'static> {
        use crate::types::{Count, Proto};
        DnsView {
            ts: 0.0,
            rtt: -1.0,
            client: [0; 16],
            client_port: 0,
            server: [0; 16],
            server_port: 53,
            proto: Proto::Udp,
            has_query: true,
            query: b"example.com",
            qtype: Count::default(),
            rcode: Count::default(),
            answers: 0,
            answer_bytes: 0,
            min_ttl: -1.0,
            uid: b"",
        }
    }

    #[test]
    fn every_function_contains_panics() {
        INJECTED.set(true);
        let panics = call_each();
        INJECTED.set(false);
        for (name, message) in panics {
            assert!(message.starts_with("injected ("), "{name}: {message}");
        }
    }

    #[test]
    fn reports_the_first_panic_once() {
        let mut sensor = new_sensor();
        assert_eq!(sensor.take_panic(), "");
        INJECTED.set(true);
        sensor.unload_model();
        INJECTED.set(false);
        assert!(sensor.take_panic().starts_with("injected"));
        sensor.panic.get_or_insert("a consequence".into());
        assert_eq!(sensor.take_panic(), "");
    }

    #[test]
    fn errors_have_no_nul_and_are_not_empty() {
        let mut sensor = new_sensor();
        for name in [&b"\0model"[..], b"a\0b"] {
            let shown = String::from_utf8_lossy(name).replace('\0', "\\0");
            let refusal = sensor.load_model(name).unwrap_err();
            assert!(refusal.starts_with(&shown) && !refusal.contains('\0'), "{refusal:?}");
            assert!(sensor.open_state(name).unwrap_err().starts_with(&shown));
        }
        assert!(!for_cpp::<()>(Err(String::new())).unwrap_err().is_empty());
    }
}
