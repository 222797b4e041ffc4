##! Prometheus metrics, through Zeek's telemetry framework. Each node of a cluster exposes its own. The plugin fills the
##! histograms ``iforest_score`` and ``iforest_scoring_time_seconds``, from every sixteenth connection.

@load base/frameworks/telemetry
@load ./learn

module IForest;

function options(name: string, unit: string, help_text: string): Telemetry::MetricOpts
	{
	return Telemetry::MetricOpts($prefix="iforest", $name=name, $unit=unit, $help_text=help_text);
	}

function counter(name: string, help_text: string): Telemetry::Counter
	{
	return Telemetry::counter_with(Telemetry::register_counter_family(options(name, "", help_text)));
	}

function gauge(name: string, unit: string, help_text: string): Telemetry::Gauge
	{
	return Telemetry::gauge_with(Telemetry::register_gauge_family(options(name, unit, help_text)));
	}

global scored = counter("connections_scored", "Connections with a score");
global flagged = counter("connections_flagged", "Connections that alerted");
global learnt = counter("connections_learnt", "Connections learnt from");
global loads = counter("model_loads", "Models loaded");
global refusals = counter("model_refusals", "Models refused: unreadable, untrusted, damaged, or older than the loaded model");

global skipped = Telemetry::register_counter_family(Telemetry::MetricOpts(
    $prefix="iforest", $name="connections_skipped", $unit="", $label_names=vector("reason"),
    $help_text="Connections without a score"));

global rows = gauge("reservoir_rows", "", "Rows in the reservoir");
global model_version = gauge("model_version", "", "Time of the loaded model's fit, in seconds since 1970");
global model_age = gauge("model_age", "seconds", "Time since the loaded model's fit");
global drift = gauge("drift", "", "Population stability index of live scores against the model's calibration");

hook Telemetry::sync()
	{
	if ( ! is_learning_node() )
		return;

	local statistics = Statistics();
	__statistics(statistics);

	Telemetry::counter_set(scored, statistics$scored);
	Telemetry::counter_set(flagged, statistics$alerted);
	Telemetry::counter_set(learnt, statistics$learnt);
	Telemetry::counter_set(loads, statistics$loaded);
	Telemetry::counter_set(refusals, statistics$refused);
	Telemetry::counter_family_set(skipped, vector("no model"), statistics$without_model);
	Telemetry::counter_family_set(skipped, vector("exempt"), statistics$exempt);
	Telemetry::counter_family_set(skipped, vector("fault"), statistics$failed);
	Telemetry::gauge_set(rows, statistics$rows);
	Telemetry::gauge_set(drift, statistics$drift);

	local fitted_at = version_time(__model_version());

	if ( fitted_at > double_to_time(0.0) )
		{
		Telemetry::gauge_set(model_version, time_to_double(fitted_at));
		Telemetry::gauge_set(model_age, interval_to_double(current_time() - fitted_at));
		}
	}
