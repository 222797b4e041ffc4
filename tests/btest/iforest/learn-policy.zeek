# @TEST-DOC: learn_policy excludes connections from learning; they are still scored.
#
# @TEST-EXEC: zeek -C -r $DATA/lab-day2.pcap %INPUT
# @TEST-EXEC: column conn.log proto anomaly_score | grep -c 'tcp.-' >output
# @TEST-EXEC: column conn.log anomaly_score | awk '{ now = $1 == "-" ? "unset" : "set" } now != last { print now; last = now }' >>output
# @TEST-EXEC: column iforest_model.log action connections rows >>output
# @TEST-EXEC: column conn.log proto anomaly_score | awk '$2 != "-" { print $1 }' | sort -u >>output
# @TEST-EXEC: btest-diff output

@load IForest

redef IForest::learn_after = 500;
redef IForest::score_dns = F;
redef IForest::refit_interval = 0sec;
redef IForest::drift_threshold = 1000.0;

hook IForest::learn_policy(c: connection)
	{
	if ( c$conn$proto != tcp )
		break;
	}
