##! Figures for Prometheus, through Zeek's telemetry framework. Each node of a cluster exposes its own. The histograms
##! are filled by the plugin itself.

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

global scored = counter("connections_scored", "Connections that have a score");
global flagged = counter("connections_flagged", "Connections whose score passed the threshold");
global learnt = counter("connections_learnt", "Connections learnt from");
global loads = counter("model_loads", "Models put to work");
global refusals = counter("model_refusals", "Models refused: damaged, older than the one at work, or not to be read");

global skipped = Telemetry::register_counter_family(Telemetry::MetricOpts(
    $prefix="iforest", $name="connections_skipped", $unit="", $label_names=vector("reason"),
    $help_text="Connections without a score"));

global rows = gauge("reservoir_rows", "", "Rows kept to learn from");
global model_version = gauge("model_version", "", "When the model at work was fitted, in seconds since 1970");
global model_age = gauge("model_age", "seconds", "How long ago the model at work was fitted");
global drift = gauge("drift", "", "Population stability index of live scores against the model's calibration");

hook Telemetry::sync()
	{
	if ( ! takes_part() )
		return;

	local statistics = Statistics();
	__statistics(statistics);

	Telemetry::counter_set(scored, statistics$scored);
	Telemetry::counter_set(flagged, statistics$flagged);
	Telemetry::counter_set(learnt, statistics$learnt);
	Telemetry::counter_set(loads, statistics$loaded);
	Telemetry::counter_set(refusals, statistics$refused);
	Telemetry::counter_family_set(skipped, vector("no model"), statistics$without_model);
	Telemetry::counter_family_set(skipped, vector("exempt"), statistics$exempt);
	Telemetry::counter_family_set(skipped, vector("fault"), statistics$faults);
	Telemetry::gauge_set(rows, statistics$rows);
	Telemetry::gauge_set(drift, statistics$drift);

	local at_work = version();

	if ( at_work > double_to_time(0.0) )
		{
		Telemetry::gauge_set(model_version, time_to_double(at_work));
		Telemetry::gauge_set(model_age, interval_to_double(current_time() - at_work));
		}
	}
