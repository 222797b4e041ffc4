##! Exempts scanners and monitoring systems: their connections have no score, raise no notice and are not learnt. They
##! still count as context for the hosts they contact.

@load IForest

module Site;

export {
	## Originators whose connections are not scored, such as vulnerability
	## scanners and monitoring systems.
	option unscored_originators: set[subnet] = { 192.168.1.7/32 };

	## Responder ports: connections to these are not scored.
	option unscored_ports: set[port] = { 9100/tcp };
}

hook IForest::score_policy(c: connection)
	{
	if ( c$id$orig_h in unscored_originators || c$id$resp_p in unscored_ports )
		break;
	}
