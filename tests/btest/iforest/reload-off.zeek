# @TEST-DOC: With an interval of 0 a changed model file is left alone, until the interval is set at run time.
#
# @TEST-EXEC: zeek-iforest --quiet train $DATA/lab-day1.conn.log -o lab.model
# @TEST-EXEC: zeek -C -r $DATA/lab-day1.pcap %INPUT 2>stderr
# @TEST-EXEC: column conn.log anomaly_score | awk 'NR == 600 || NR == 700 { print NR, $1 == "-" ? "unset" : "set" }' >output
# @TEST-EXEC: column reporter.log level message >>output
# @TEST-EXEC: btest-diff output

@load IForest

redef IForest::model_file = "model";
redef IForest::model_check_interval = 0sec;

global n = 0;

event connection_state_remove(c: connection) &priority=-10
	{
	switch ( ++n )
		{
		case 100:
			piped_exec("cp lab.model model", "");
			break;
		case 600:
			Config::set_value("IForest::model_check_interval", 1sec);
			break;
		}
	}
