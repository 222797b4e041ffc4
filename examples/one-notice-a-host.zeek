##! One notice an originator and hour, instead of one for each responder and port: a scan is one thing to look at, not a
##! thousand. conn.log keeps the score of every connection. In a cluster each worker counts for itself.

@load IForest

module Site;

global noticed: set[addr] &create_expire=1hr;

# Zeek decides at priority 10 that a notice is logged.
hook Notice::policy(n: Notice::Info)
	{
	if ( n$note != IForest::Anomalous_Connection || ! n?$src )
		return;

	if ( n$src in noticed )
		delete n$actions[Notice::ACTION_LOG];
	else
		add noticed[n$src];
	}
