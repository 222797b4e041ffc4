# @TEST-DOC: score_policy exempts connections from scoring; they still count as context.
#
# @TEST-EXEC: iforest-zeek all -r $DATA/lab-day1.pcap
# @TEST-EXEC: iforest-zeek some -r $DATA/lab-day1.pcap %INPUT
#
# Exempt connections do not count in the pair's mean score.
# @TEST-EXEC: for run in all some; do column $run/conn.log id.orig_h id.resp_h uid proto anomaly_score >$run/rows; done
# @TEST-EXEC: awk -v OFS='\t' 'NR == FNR { if ($4 == "udp") mixed[$1, $2]; next } $4 == "udp" { $5 = "-" } $4 != "udp" && ($1, $2) in mixed { next } 1' all/rows all/rows >expected
# @TEST-EXEC: awk 'NR == FNR { if ($4 == "udp") mixed[$1, $2]; next } $4 != "udp" && ($1, $2) in mixed { next } 1' some/rows some/rows >found
# @TEST-EXEC: test "$(grep -c udp expected)" -gt 100
# @TEST-EXEC: test "$(grep -vc udp expected)" -gt 100
# @TEST-EXEC: diff expected found

@load IForest

hook IForest::score_policy(c: connection)
	{
	if ( c$conn$proto == udp )
		break;
	}
