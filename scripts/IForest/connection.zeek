##! What becomes of a connection that has ended: it is scored, told of, learnt from.

@load ./learn
@load ./main
@load ./notice

module IForest;

# Whether the hooks have handlers: to run one that has none takes more than half of what a score does.
global score_policy_set = F;
global learn_policy_set = F;

event zeek_init() &priority=100
	{
	score_policy_set = __has_handlers(score_policy);
	learn_policy_set = __has_handlers(learn_policy);
	}

# After the record is complete (5), before removal hooks (-3) and the log (-5), so that users' handlers see the score.
# One handler, because each costs every connection.
event connection_state_remove(c: connection) &priority=3
	{
	if ( score_policy_set && ! hook score_policy(c) )
		__pass_by(c$conn);
	else if ( __score(c$conn) )
		report(c);

	if ( learning )
		if ( (! learn_policy_set || hook learn_policy(c)) && __learn(learn_after) && fits() )
			fit(F);
	}
