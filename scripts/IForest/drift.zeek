##! Drift: watches whether live scores are still distributed as the model's calibration says, by the population stability
##! index. When the index stays high the threshold is set anew on recent traffic; when that does not help, there is a
##! notice and the model is fitted anew.

@load base/frameworks/notice
@load ./learn
@load ./limits

module IForest;

export {
	redef enum Notice::Type += {
		## Live scores have been distributed differently from the model's
		## calibration for long: the traffic has changed.
		Model_Drift,
	};

	## The window of live scores that is compared, a minute at least. It
	## slides by a twenty-fourth.
	const drift_window = 1day &redef;

	## The population stability index that counts as drift. By custom 0.1 is
	## a moderate shift and 0.25 a large one.
	option drift_threshold = 0.25;

	## How many times in a row the index has to pass the threshold, looked at
	## once in a twenty-fourth of the window, before anything is done.
	option drift_patience = 3;
}

# How long a slice of the window is.
global drift_slice_length = drift_window / 24.0;

# How often in a row the index was above the threshold, and whether the model was calibrated for it already.
global above = 0;
global recalibrated = F;

# What was learnt anew has been calibrated for nothing yet.
hook new_model()
	{
	if ( fitting == FIT )
		recalibrated = F;
	}

function watch_drift(index: double)
	{
	above = index > drift_threshold ? above + 1 : 0;

	if ( above == 0 || above < drift_patience )
		return;

	above = 0;

	if ( ! recalibrated && learns() )
		{
		recalibrated = T;
		fit(T);
		return;
		}

	recalibrated = F;
	NOTICE(Notice::Info($note=Model_Drift,
	                    $msg=fmt("live scores have drifted from the model's calibration: population stability index %.2f, threshold %.2f",
	                             index, drift_threshold),
	                    $identifier="IForest"));

	if ( learns() )
		fit(F);
	}

# Worker to manager: how the scores of a slice were distributed.
#
# of_version: The model that gave them.
#
# counts: How many fell in each tenth of its calibration.
global drift_slice: event(of_version: time, counts: index_vec);

event drift_slice(of_version: time, counts: index_vec)
	{
	if ( of_version == version() )
		__add_drift(counts);
	}

event turn_drift()
	{
	if ( zeek_is_terminating() )
		return;

	local statistics = Statistics();

	if ( fits() )
		{
		__statistics(statistics);
		watch_drift(statistics$drift);
		}

	local counts = __turn_drift();

	if ( ! fits() && |counts| > 0 )
		Cluster::publish(Cluster::manager_topic, drift_slice, version(), counts);

	schedule drift_slice_length { turn_drift() };
	}

event zeek_init() &priority=-5
	{
	if ( ! takes_part() )
		return;

	drift_slice_length = at_least("IForest::drift_window", drift_window, 1min) / 24.0;
	schedule drift_slice_length { turn_drift() };
	}
