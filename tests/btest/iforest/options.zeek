# @TEST-DOC: Model and threshold change at run time.
#
# @TEST-EXEC: zeek-iforest --quiet train $DATA/lab-day1.conn.log -o lab.model
# @TEST-EXEC: zeek -C -r $DATA/lab-day1.pcap %INPUT 2>stderr
# @TEST-EXEC: column conn.log anomaly_score | awk '{ now = $1 == "-" ? "unset" : "set" } now != last { print NR, now; last = now }' >output
# @TEST-EXEC: column notice.log note | grep -v IForest::Incident | sort | uniq -c | awk '{ print $2, $1 }' >>output
# @TEST-EXEC: column config.log id new_value >>output
# @TEST-EXEC: column reporter.log level message >>output
# @TEST-EXEC: btest-diff output

@load IForest

redef IForest::learn = F;

# No notice is suppressed.
redef Notice::default_suppression_interval = 0sec;
redef Notice::ignored_types = {};

global n = 0;

# Runs after the log line of connection n was written.
event connection_state_remove(c: connection) &priority=-10
	{
	switch ( ++n )
		{
		case 100:
			Config::set_value("IForest::model_file", "lab.model");
			break;
		case 200:
			# Every connection alerts.
			Config::set_value("IForest::threshold", 0.000001);
			break;
		case 210:
			# None does.
			Config::set_value("IForest::threshold", 1.0);
			break;
		case 300:
			Config::set_value("IForest::model_file", "missing.model");
			break;
		case 400:
			Config::set_value("IForest::model_file", "");
			break;
		case 500:
			Config::set_value("IForest::model_file", "lab.model");
			break;
		}
	}
