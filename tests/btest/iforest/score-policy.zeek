# @TEST-DOC: score_policy exempts connections from scoring; they still count as context.
#
# @TEST-EXEC: iforest-zeek all -r $DATA/lab-day1.pcap
# @TEST-EXEC: iforest-zeek some -r $DATA/lab-day1.pcap %INPUT
# @TEST-EXEC: column all/conn.log uid proto anomaly_score | awk -v OFS='\t' '$2 == "udp" { $3 = "-" } 1' >expected
# @TEST-EXEC: grep -q udp expected
# @TEST-EXEC: column some/conn.log uid proto anomaly_score >found
# @TEST-EXEC: diff expected found

@load IForest

hook IForest::score_policy(c: connection)
	{
	if ( c$conn$proto == udp )
		break;
	}
