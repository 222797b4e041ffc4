# @TEST-DOC: Connections that score_policy exempts are not learnt, unless learn_exempt is set.
#
# @TEST-EXEC: zeek -C -r $DATA/lab-day1.pcap %INPUT >default
# @TEST-EXEC: zeek -C -r $DATA/lab-day1.pcap %INPUT IForest::learn_exempt=T >asked
# @TEST-EXEC: column conn.log proto | awk '{ n++ } $1 == "udp" { udp++ } END { print n - udp, udp; }' >counts
# @TEST-EXEC: awk '{ print $1 }' counts | diff - default
# @TEST-EXEC: awk '{ print $1 + $2 }' counts | diff - asked

@load IForest

hook IForest::score_policy(c: connection)
	{
	if ( c$conn$proto == udp )
		break;
	}

event zeek_done()
	{
	local statistics = IForest::Statistics();
	IForest::__statistics(IForest::CONN_LOG, statistics);
	print statistics$learnt;
	}
