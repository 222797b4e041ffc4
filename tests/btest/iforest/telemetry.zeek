# @TEST-DOC: Prometheus metrics agree with conn.log and dns.log; there are none of a log that is not to be scored.
#
# @TEST-EXEC: iforest-zeek scored -r $DATA/lab-day2.pcap %INPUT IForest::threshold=0.6 Notice::default_suppression_interval=0sec >metrics
# @TEST-EXEC: column scored/conn.log proto anomaly_score anomaly_reasons >rows
# @TEST-EXEC: awk -F '\t' '$2 != "-" { n++ } $3 != "-" { f++ } $1 == "icmp" { i++ } END { printf "connections_flagged conn %d\nconnections_scored conn %d\nconnections_skipped conn,exempt %d\n", f, n, i }' rows >expected
# @TEST-EXEC: column scored/dns.log trans_id | awk 'END { printf "connections_learnt dns %d\nconnections_skipped dns,no model %d\n", NR, NR }' >>expected
# @TEST-EXEC: column scored/conn.log anomaly_score | awk '$1 != "-" { n++ } END { printf "score %d\n", (n + 15) / 16 }' >>expected
# @TEST-EXEC: sort expected >sorted && grep -Fxf expected metrics | sort | diff sorted -
# @TEST-EXEC: cut -d ' ' -f 1 metrics | uniq >output
# @TEST-EXEC: btest-diff output
#
# @TEST-EXEC: iforest-zeek fixed -r $DATA/lab-day1.pcap %INPUT IForest::learn=F >metrics
# @TEST-EXEC: grep -q 'connections_scored conn' metrics
# @TEST-EXEC-FAIL: grep dns metrics
# @TEST-EXEC: iforest-zeek refused -r $DATA/lab-day1.pcap %INPUT IForest::learn=F IForest::dns_model_file=none >metrics
# @TEST-EXEC: grep 'connections_skipped dns,no model' metrics | grep -v ' 0$'

@load IForest

hook IForest::score_policy(c: connection)
	{
	if ( c$conn$proto == icmp )
		break;
	}

event zeek_done() &priority=-10
	{
	local lines: vector of string;

	for ( _, metric in Telemetry::collect_metrics("iforest") )
		lines += fmt("%s %s%.0f", sub(metric$opts$name, /^iforest_/, ""),
		             |metric$label_values| > 0 ? join_string_vec(metric$label_values, ",") + " " : "", metric$value);

	for ( _, histogram in Telemetry::collect_histogram_metrics("iforest") )
		lines += fmt("%s %.0f", sub(histogram$opts$name, /^iforest_/, ""), histogram$observations);

	sort(lines, strcmp);

	for ( _, line in lines )
		print sub(line, /_total/, "");
	}
