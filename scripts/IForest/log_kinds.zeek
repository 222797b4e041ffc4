##! The kinds of logs that are scored. Each has its own model, reservoir and counters.

module IForest;

const scored_logs: vector of LogKind = vector(CONN_LOG, DNS_LOG);

# The logs that this node learns from at present.
global learning_logs: set[LogKind];

# Returns the name of a log without its extension.
function log_name(log: LogKind): string
	{
	return log == DNS_LOG ? "dns" : "conn";
	}

# Returns the noun for the rows of a log, in the plural.
function records_of(log: LogKind): string
	{
	return log == DNS_LOG ? "queries" : "connections";
	}

# Returns the log that an option is about.
function log_of_option(id: string): LogKind
	{
	return /^IForest::dns_/ in id ? DNS_LOG : CONN_LOG;
	}
