# @TEST-DOC: The drift index in scripts is the population stability index of the counted scores.
#
# @TEST-EXEC: zeek-iforest --quiet train $DATA/lab-day1.conn.log -o model
# @TEST-EXEC: zeek %INPUT >output
# @TEST-EXEC: btest-diff output

@load IForest

redef IForest::model_file = "model";

function index(counts: index_vec): double
	{
	IForest::__add_drift_counts(IForest::CONN_LOG, counts);
	local statistics = IForest::Statistics();
	IForest::__statistics(IForest::CONN_LOG, statistics);
	return statistics$drift;
	}

event zeek_init() &priority=-10
	{
	print "same distribution", index(vector(1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000)) < 0.01;

	# Shares of 0.01 in nine tenths and 0.91 in the last: 9 * 0.09 * ln(10) + 0.81 * ln(9.1).
	local shifted = index(vector(0, 0, 0, 0, 0, 0, 0, 0, 0, 90000));
	print "nine tenths in one bin", shifted > 3.5 && shifted < 3.8;
	}
