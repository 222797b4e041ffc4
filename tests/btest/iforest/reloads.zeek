# @TEST-DOC: Two hundred model loads lose no log line and leak no memory.
#
# @TEST-EXEC: zeek-iforest --quiet train $DATA/lab-day1.conn.log --seed 1 -o 1.model
# @TEST-EXEC: zeek-iforest --quiet train $DATA/lab-day1.conn.log --seed 2 -o 2.model
# @TEST-EXEC: plain-zeek plain -r $DATA/lab-day2.pcap
# @TEST-EXEC: zeek -C -r $DATA/lab-day2.pcap %INPUT >output
# @TEST-EXEC: same-logs plain .
# @TEST-EXEC: ! column conn.log anomaly_score | grep -- -
# @TEST-EXEC: column iforest_model.log action | sort | uniq -c | awk '{ print $2, $1 }' >>output
# @TEST-EXEC: btest-diff output

@load IForest

redef IForest::model_file = "1.model";

global n = 0;
global loaded = 0;
global memory: count;

event connection_state_remove(c: connection) &priority=-10
	{
	if ( ++n % 15 != 0 || loaded == 200 )
		return;

	Config::set_value("IForest::model_file", ++loaded % 2 == 0 ? "1.model" : "2.model");

	# The highest there was so far, in bytes. Zeek's own tables and the analyzers' have room to grow a little.
	if ( loaded == 20 )
		memory = get_proc_stats()$mem;
	else if ( loaded == 200 )
		print "more than 10 MB more memory", get_proc_stats()$mem > memory + 10000000;
	}
