# @TEST-DOC: However often the interval is changed, the model file is looked at once in it.
#
# @TEST-EXEC: zeek-iforest --quiet train $DATA/lab-day1.conn.log -o model
# @TEST-EXEC: zeek -C -r $DATA/lab-day1.pcap %INPUT 2>stderr >output
# @TEST-EXEC: btest-diff output

@load IForest

module IForest;

redef IForest::model_file = "model";
redef IForest::model_check_interval = 1min;

global n = 0;
global seen = 0;
global since: time;

event look_at_model(chain: count)
	{
	++seen;
	}

event connection_state_remove(c: connection) &priority=-10
	{
	if ( ++n == 100 )
		for ( _, every in vector(2min, 1min, 2min, 1min) )
			Config::set_value("IForest::model_check_interval", every);

	if ( n == 300 )
		{
		seen = 0;
		since = network_time();
		}

	if ( n == 1200 )
		print fmt("looks: %s, more than once in a minute: %s", seen > 0, seen > (network_time() - since) / 1min + 1.0);
	}
