##! Exempts scanners and monitoring systems: their connections have no score, raise no notice and are not learnt, but still
##! count as context for the hosts they talk to.

@load IForest

module Site;

export {
	## Originators whose connections are not scored: vulnerability scanners,
	## monitoring systems.
	option unscored_originators: set[subnet] = { 192.168.1.7/32 };

	## Responders' ports to which connections are not scored.
	option unscored_ports: set[port] = { 9100/tcp };
}

hook IForest::score_policy(c: connection)
	{
	if ( c$id$orig_h in unscored_originators || c$id$resp_p in unscored_ports )
		break;
	}
