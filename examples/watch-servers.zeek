##! Sets a lower threshold for the most important servers, for which slightly unusual connections are worth a look.

@load IForest

module Site;

export {
	redef enum Notice::Type += {
		## The score of a connection with an important server is at or
		## above :zeek:see:`Site::important_threshold`.
		Odd_Connection_With_Server,
	};

	## The important servers.
	option important_servers: set[subnet] = { 192.168.1.0/28 };

	## The lowest score of a connection that raises a notice.
	option important_threshold = 0.6;
}

# The package sets the score at priority 3, before this handler runs.
event connection_state_remove(c: connection)
	{
	if ( ! c?$conn || ! c$conn?$anomaly_score || c$conn$anomaly_score < important_threshold )
		return;

	if ( c$id$orig_h !in important_servers && c$id$resp_h !in important_servers )
		return;

	NOTICE(Notice::Info($note=Odd_Connection_With_Server,
	                    $msg=fmt("score %.3f of a connection with an important server", c$conn$anomaly_score),
	                    $conn=c,
	                    $identifier=cat(c$id$orig_h, c$id$resp_h, c$id$resp_p)));
	}
