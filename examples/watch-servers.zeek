##! A lower threshold for the servers that matter most: what is merely odd elsewhere is worth a look there.

@load IForest

module Site;

export {
	redef enum Notice::Type += {
		## A connection with a precious server is odder than usual.
		Odd_Connection_With_Server,
	};

	## The servers.
	option precious_servers: set[subnet] = { 192.168.1.0/28 };

	## The score from which on their connections raise a notice.
	option precious_threshold = 0.6;
}

# The score is there from priority 3 on.
event connection_state_remove(c: connection)
	{
	if ( ! c?$conn || ! c$conn?$anomaly_score || c$conn$anomaly_score < precious_threshold )
		return;

	if ( c$id$orig_h !in precious_servers && c$id$resp_h !in precious_servers )
		return;

	NOTICE(Notice::Info($note=Odd_Connection_With_Server,
	                    $msg=fmt("score %.3f with a server that matters", c$conn$anomaly_score),
	                    $conn=c,
	                    $identifier=cat(c$id$orig_h, c$id$resp_h, c$id$resp_p)));
	}
