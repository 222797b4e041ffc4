##! Actions on the outcome of a record, shared by the scripts of the logs.

@load ./incident
@load ./learn

module IForest;

# Reports changed incidents, and starts a fit that is due.
function act_on_outcome(log: LogKind, outcome: Outcome)
	{
	if ( outcome == ALERT || outcome == INCIDENTS_CHANGED )
		hook incidents_changed();

	if ( outcome == FIT_DUE && fits() )
		fit(log, F);
	}
