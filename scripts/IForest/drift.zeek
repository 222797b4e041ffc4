##! Drift detection: compares live scores with the model's calibration by the population stability index. While the index
##! stays high, the model is recalibrated on recent traffic; if that does not help, a notice is raised and a new model is
##! fitted.

@load base/frameworks/notice
@load ./learn
@load ./log_kinds
@load ./validate

module IForest;

export {
	redef enum Notice::Type += {
		## The distribution of live scores has differed from the model's
		## calibration for long: the traffic has changed.
		Model_Drift,
	};

	## The window of live scores that is compared, at least a minute. It
	## moves in steps of a twenty-fourth.
	const drift_window = 1day &redef;

	## The population stability index that counts as drift. By convention,
	## 0.1 is a moderate shift and 0.25 a large one. At least 0.
	option drift_threshold = 0.25;

	## The number of successive steps with an index above the threshold
	## before the model is recalibrated, at least 1.
	option drift_patience = 3;
}

global drift_slice_length = drift_window / 24.0;

# The number of each log's successive steps above the threshold.
global steps_above: table[LogKind] of count &default=0;

# The logs whose model was recalibrated, until its next fit.
global recalibrated: set[LogKind];

hook model_fitted(log: LogKind)
	{
	if ( running_fits[log] == FIT )
		delete recalibrated[log];
	}

function watch_drift(log: LogKind, index: double)
	{
	local steps = index >= drift_threshold ? steps_above[log] + 1 : 0;
	steps_above[log] = steps;

	if ( steps < drift_patience )
		return;

	steps_above[log] = 0;

	if ( log !in recalibrated && learns(log) )
		{
		# A recalibration that could not start is tried again.
		if ( fit(log, T) )
			add recalibrated[log];

		return;
		}

	delete recalibrated[log];
	NOTICE(Notice::Info($note=Model_Drift,
	                    $msg=fmt("drift in %s.log: population stability index %.2f, threshold %.2f; live scores differ from the model's calibration",
	                             log_name(log), index, drift_threshold),
	                    $identifier=fmt("IForest %s", log_name(log))));

	if ( learns(log) )
		fit(log, F);
	}

# Worker to manager: the score histogram of a slice.
#
# log: The log that was scored.
#
# of_version: The version of the model that gave the scores.
#
# counts: The number of scores in each tenth of its calibration.
global drift_slice: event(log: LogKind, of_version: count, counts: index_vec);

event drift_slice(log: LogKind, of_version: count, counts: index_vec)
	{
	if ( of_version == __model_version(log) )
		__add_drift_counts(log, counts);
	}

event next_drift_slice()
	{
	if ( zeek_is_terminating() )
		return;

	for ( _, log in scored_logs )
		{
		# Without learning, workers load the model from a file and the manager has none.
		if ( has_model(log) && (is_central_node() || ! learns(log)) )
			{
			local statistics = Statistics();
			__statistics(log, statistics);
			watch_drift(log, statistics$drift);
			}

		local counts = __start_drift_slice(log);

		if ( ! is_central_node() && learns(log) && |counts| > 0 )
			Cluster::publish(Cluster::manager_topic, drift_slice, log, __model_version(log), counts);
		}

	schedule drift_slice_length { next_drift_slice() };
	}

function change_drift_threshold(id: string, value: double): double
	{
	return clamp_double(id, value, 0.0, 1e6);
	}

function change_drift_patience(id: string, value: count): count
	{
	return clamp_count(id, value, 1, 1000000);
	}

event zeek_init() &priority=-5
	{
	if ( ! is_learning_node() )
		return;

	Option::set_change_handler("IForest::drift_threshold", change_drift_threshold);
	Option::set_change_handler("IForest::drift_patience", change_drift_patience);

	# An option that is invalid from the start is corrected by its handler.
	if ( ! (drift_threshold >= 0.0 && drift_threshold <= 1e6) )
		Option::set("IForest::drift_threshold", drift_threshold);

	if ( drift_patience < 1 || drift_patience > 1000000 )
		Option::set("IForest::drift_patience", drift_patience);

	drift_slice_length = at_least("IForest::drift_window", drift_window, 1min) / 24.0;
	schedule drift_slice_length { next_drift_slice() };
	}
