##! Blocks the actor of an incident for an hour, through Zeek's NetControl framework. The site's NetControl backend
##! (OpenFlow, acld, a script behind Broker) carries out the block; without a backend nothing is blocked.
##!
##! Unusual is not malicious: look at a week of incidents before loading this, and list the hosts that the site depends
##! on in :zeek:see:`Site::never_block`.

@load IForest
@load base/frameworks/netcontrol

module Site;

export {
	## The duration of a block.
	option block_interval = 1hr;

	## The lowest score of an incident whose actor is blocked. 0 blocks the
	## actor of every incident.
	option block_threshold = 0.0;

	## Hosts that are never blocked, such as name servers and gateways.
	option never_block: set[subnet] = { };
}

hook Notice::policy(n: Notice::Info)
	{
	if ( n$note != IForest::Incident || ! n?$src || n$src in never_block )
		return;

	if ( n?$incident && n$incident$score < block_threshold )
		return;

	NetControl::drop_address(n$src, block_interval, n$msg);
	}
