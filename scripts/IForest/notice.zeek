##! Notices of anomalous connections.

@load base/frameworks/notice
@load ./main

module IForest;

export {
	redef enum Notice::Type += {
		## A connection is anomalous: its score passed the threshold, or
		## it is one of many to its service that are each a little
		## unusual. It is suppressed per originator and main reason, so
		## that a scan is one notice.
		Anomalous_Connection,
	};
}

# What the connection is, from whom, to whom.
function describe(c: connection): string
	{
	local what = c$conn?$service ? c$conn$service : cat(c$conn$proto);
	local has_port = c$conn$proto == tcp || c$conn$proto == udp;

	return fmt("%s connection from %s to %s%s", what, c$id$orig_h, c$id$resp_h,
	           has_port ? fmt(" port %s", c$id$resp_p) : "");
	}

# A flood can come from a million addresses. Where so many notices an hour are used up, there is one that says so.
const notices_an_hour = 1000.0;

global notices_left = notices_an_hour;
global notices_left_at = double_to_time(0.0);
global told_of_more = F;

function tell_of_more()
	{
	if ( told_of_more )
		return;

	told_of_more = T;
	NOTICE(Notice::Info($note=Anomalous_Connection,
	                    $msg=fmt("more connections are anomalous than the %.0f an hour that have a notice; conn.log has them all",
	                             notices_an_hour),
	                    $identifier="more"));
	}

function report(c: connection)
	{
	local hours = (network_time() - notices_left_at) / 1hr;
	notices_left = hours < 1.0 ? notices_left + hours * (notices_an_hour - notices_left) : notices_an_hour;
	notices_left_at = network_time();

	if ( notices_left < 1.0 )
		{
		tell_of_more();
		return;
		}

	local reasons = c$conn?$anomaly_reasons ? fmt(": %s", c$conn$anomaly_reasons) : "";
	local passes = c$conn$anomaly_score >= __threshold();
	local notice = Notice::Info($note=Anomalous_Connection,
	                            $msg=fmt("%s: anomaly score %.3f, %s %.3f%s%s", describe(c), c$conn$anomaly_score,
	                                     passes ? "threshold" : "below the threshold", __threshold(),
	                                     passes ? "" : ", but one of many", reasons),
	                            $conn=c,
	                            $identifier=cat(c$id$orig_h, __main_reason()));

	if ( Notice::is_being_suppressed(notice) )
		return;

	notices_left -= 1.0;
	told_of_more = F;
	NOTICE(notice);
	}
