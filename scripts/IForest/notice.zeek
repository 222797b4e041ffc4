##! Notices of single anomalous connections, which are ignored by default, and the limit on notices.

@load base/frameworks/notice
@load ./log_kinds
@load ./main

module IForest;

export {
	redef enum Notice::Type += {
		## A connection is anomalous. Ignored by default, because
		## :zeek:see:`IForest::Incident` covers it; to get these notices:
		## ``redef Notice::ignored_types -= { IForest::Anomalous_Connection };``
		## Notices are suppressed per originator and main reason.
		Anomalous_Connection,
	};

	redef Notice::ignored_types += { Anomalous_Connection };
}

# The size of a token bucket that refills in an hour. A flood can come from a million addresses; each class of actors has
# its own bucket.
const notices_per_hour = 1000.0;

type TokenBucket: record {
	tokens: double &default=notices_per_hour;
	refilled_at: time &default=double_to_time(0.0);
	cap_reported: bool &default=F;
};

global token_buckets: table[string] of TokenBucket;

# Takes a token, or reports once that there is none.
function take_token(class: string, note: Notice::Type): bool
	{
	if ( class !in token_buckets )
		token_buckets[class] = TokenBucket();

	local bucket = token_buckets[class];
	local hours = (network_time() - bucket$refilled_at) / 1hr;
	bucket$tokens = hours < 1.0 ? bucket$tokens + hours * (notices_per_hour - bucket$tokens) : notices_per_hour;
	bucket$refilled_at = network_time();

	if ( bucket$tokens >= 1.0 )
		{
		bucket$tokens -= 1.0;
		bucket$cap_reported = F;
		return T;
		}

	if ( ! bucket$cap_reported )
		{
		bucket$cap_reported = T;
		NOTICE(Notice::Info($note=note,
		                    $msg=fmt("more than %.0f notices an hour about %s; further ones are in the logs only",
		                             notices_per_hour, class),
		                    $identifier=fmt("more %s", class)));
		}

	return F;
	}

# Raises a notice about the last record of a log, once per originator and main reason.
function report_alert(log: LogKind, note: Notice::Type, c: connection, subject: string, score: double, reasons: string)
	{
	local message = fmt("%s: score %.3f, threshold %.3f", subject, score, __threshold(log));

	if ( reasons != "" )
		message += fmt(": %s", reasons);

	local notice = Notice::Info($note=note, $msg=message, $conn=c,
	                            $identifier=cat(c$id$orig_h, __main_reason(log)));

	if ( ! Notice::is_being_suppressed(notice) && take_token(records_of(log), note) )
		NOTICE(notice);
	}

# Describes the connection: protocol, originator and responder.
function describe_connection(c: connection): string
	{
	local protocol = c$conn?$service ? c$conn$service : cat(c$conn$proto);
	local has_port = c$conn$proto == tcp || c$conn$proto == udp;

	return fmt("%s connection from %s to %s%s", protocol, c$id$orig_h, c$id$resp_h,
	           has_port ? fmt(" port %s", c$id$resp_p) : "");
	}

function report_connection(c: connection)
	{
	if ( Anomalous_Connection in Notice::ignored_types )
		return;

	local reasons = c$conn?$anomaly_reasons ? c$conn$anomaly_reasons : "";
	report_alert(CONN_LOG, Anomalous_Connection, c, describe_connection(c), c$conn$anomaly_score, reasons);
	}
