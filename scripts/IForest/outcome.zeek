##! Actions after a record was scored: reports changed incidents and starts a fit that is due. Shared by conn.zeek and
##! dns.zeek.

@load ./incident
@load ./learn

module IForest;

# Reports changed incidents, and starts a fit that is due.
function act_on_outcome(log: LogKind, outcome: Outcome)
	{
	if ( outcome == ALERT || outcome == INCIDENTS_CHANGED )
		hook incidents_changed();

	if ( outcome == FIT_DUE && is_central_node() )
		fit(log, F);
	}
