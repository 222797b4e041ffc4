##! Raises at most one notice per actor and hour, instead of one for each incident and escalation. Further notices within
##! the hour are neither logged nor mailed; conn.log still has the score of every connection.

@load IForest

module Site;

global noticed: set[addr] &create_expire=1hr;

# Runs after the other policies, such as mail-alerts.zeek, to remove the actions that they added.
hook Notice::policy(n: Notice::Info) &priority=-10
	{
	if ( n$note != IForest::Incident || ! n?$src )
		return;

	if ( n$src in noticed )
		n$actions = Notice::ActionSet();
	else
		add noticed[n$src];
	}
