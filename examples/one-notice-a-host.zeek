##! One notice an actor and hour, instead of one for each incident and escalation. What follows within the hour is
##! neither logged as a notice nor mailed; conn.log keeps the score of every connection.

@load IForest

module Site;

global noticed: set[addr] &create_expire=1hr;

# After the other policies, mail-alerts.zeek among them: whatever they want done is not done a second time.
hook Notice::policy(n: Notice::Info) &priority=-10
	{
	if ( n$note != IForest::Incident || ! n?$src )
		return;

	if ( n$src in noticed )
		n$actions = Notice::ActionSet();
	else
		add noticed[n$src];
	}
