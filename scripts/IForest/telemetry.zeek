##! Prometheus metrics, through Zeek's telemetry framework. Each node of a cluster exposes its own. The plugin fills the
##! histograms ``iforest_score`` and ``iforest_scoring_time_seconds``, from every sixteenth record.

@load base/frameworks/telemetry
@load ./learn
@load ./log_kinds

module IForest;

function options(name: string, unit: string, labels: string_vec, help_text: string): Telemetry::MetricOpts
	{
	return Telemetry::MetricOpts($prefix="iforest", $name=name, $unit=unit, $label_names=labels, $help_text=help_text);
	}

function counter(name: string, help_text: string): Telemetry::CounterFamily
	{
	return Telemetry::register_counter_family(options(name, "", vector("log"), help_text));
	}

function gauge(name: string, unit: string, help_text: string): Telemetry::GaugeFamily
	{
	return Telemetry::register_gauge_family(options(name, unit, vector("log"), help_text));
	}

global scored = counter("connections_scored", "Connections or queries with a score");
global flagged = counter("connections_flagged", "Connections or queries that alerted");
global learnt = counter("connections_learnt", "Connections or queries learnt from");
global loads = counter("model_loads", "Models loaded");
global refusals = counter("model_refusals", "Models refused: unreadable, untrusted, damaged, or older than the loaded model");

global skipped = Telemetry::register_counter_family(
    options("connections_skipped", "", vector("log", "reason"), "Connections or queries without a score"));

global rows = gauge("reservoir_rows", "", "Rows in the reservoir");
global model_version = gauge("model_version", "", "Time of the loaded model's fit, in seconds since 1970 (0 without a model)");
global model_age = gauge("model_age", "seconds", "Time since the loaded model's fit (0 without a model)");
global drift = gauge("drift", "", "Population stability index of live scores against the model's calibration");

# Returns true for a log that should be scored: conn.log always, so that the metrics show a missing model; dns.log if it
# has a model, learns one, or has a model file set.
function is_scored(log: LogKind): bool
	{
	return log == CONN_LOG || has_model(log) || learns(log) || score_dns && dns_model_file != "";
	}

function sync_log(log: LogKind)
	{
	local name = log_name(log);
	local statistics = Statistics();
	__statistics(log, statistics);

	Telemetry::counter_family_set(scored, vector(name), statistics$scored);
	Telemetry::counter_family_set(flagged, vector(name), statistics$alerted);
	Telemetry::counter_family_set(learnt, vector(name), statistics$learnt);
	Telemetry::counter_family_set(loads, vector(name), statistics$loaded);
	Telemetry::counter_family_set(refusals, vector(name), statistics$refused);
	Telemetry::counter_family_set(skipped, vector(name, "no model"), statistics$without_model);
	Telemetry::counter_family_set(skipped, vector(name, "exempt"), statistics$exempt);
	Telemetry::counter_family_set(skipped, vector(name, "internal error"), statistics$failed);
	Telemetry::gauge_family_set(rows, vector(name), statistics$rows);
	Telemetry::gauge_family_set(drift, vector(name), statistics$drift);

	local fitted_at = version_time(__model_version(log));

	local age = has_model(log) ? current_time() - fitted_at : 0sec;
	Telemetry::gauge_family_set(model_version, vector(name), time_to_double(fitted_at));
	Telemetry::gauge_family_set(model_age, vector(name), interval_to_double(age));
	}

hook Telemetry::sync()
	{
	if ( ! is_learning_node() )
		return;

	for ( _, log in scored_logs )
		{
		if ( is_scored(log) )
			sync_log(log);
		}
	}
