##! Blocks the actor of an incident for an hour, through Zeek's NetControl framework. What carries a block out is the
##! site's NetControl backend (OpenFlow, acld, a script behind Broker); without one nothing is blocked.
##!
##! Unusual is not malicious: look at a week of incidents before loading this, and list in
##! :zeek:see:`Site::never_block` whatever the site cannot be without.

@load IForest
@load base/frameworks/netcontrol

module Site;

export {
	## How long an originator stays blocked.
	option block_interval = 1hr;

	## The score of an incident from which on its actor is blocked. 0: with
	## every incident.
	option block_threshold = 0.0;

	## Hosts that are never blocked: name servers, gateways, whatever many
	## depend on.
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
