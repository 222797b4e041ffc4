##! Notices of anomalous connections.

@load base/frameworks/notice
@load ./main

module IForest;

export {
	redef enum Notice::Type += {
		## A connection is anomalous. Notices are suppressed per originator
		## and main reason, so that a scan is one notice.
		Anomalous_Connection,
	};
}

# Describes the connection: protocol, originator and responder.
function describe(c: connection): string
	{
	local protocol = c$conn?$service ? c$conn$service : cat(c$conn$proto);
	local has_port = c$conn$proto == tcp || c$conn$proto == udp;

	return fmt("%s connection from %s to %s%s", protocol, c$id$orig_h, c$id$resp_h,
	           has_port ? fmt(" port %s", c$id$resp_p) : "");
	}

# The size of a token bucket that refills in an hour: a flood can come from a million addresses.
const notices_per_hour = 1000.0;

global tokens = notices_per_hour;
global refilled_at = double_to_time(0.0);
global cap_reported = F;

function report_cap()
	{
	if ( cap_reported )
		return;

	cap_reported = T;
	NOTICE(Notice::Info($note=Anomalous_Connection,
	                    $msg=fmt("more than %.0f notices an hour; further anomalous connections are in conn.log only",
	                             notices_per_hour),
	                    $identifier="more"));
	}

function report(c: connection)
	{
	local hours = (network_time() - refilled_at) / 1hr;
	tokens = hours < 1.0 ? tokens + hours * (notices_per_hour - tokens) : notices_per_hour;
	refilled_at = network_time();

	if ( tokens < 1.0 )
		{
		report_cap();
		return;
		}

	local reasons = c$conn?$anomaly_reasons ? fmt(": %s", c$conn$anomaly_reasons) : "";
	local notice = Notice::Info($note=Anomalous_Connection,
	                            $msg=fmt("%s: score %.3f, threshold %.3f%s", describe(c),
	                                     c$conn$anomaly_score, __threshold(), reasons),
	                            $conn=c,
	                            $identifier=cat(c$id$orig_h, __main_reason()));

	if ( Notice::is_being_suppressed(notice) )
		return;

	tokens -= 1.0;
	cap_reported = F;
	NOTICE(notice);
	}
