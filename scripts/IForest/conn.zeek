##! Processing of finished connections: scores them, groups them into incidents, and learns from them.

@load ./learn
@load ./main
@load ./notice
@load ./outcome

module IForest;

# Running a hook without handlers takes more than half the time of a score.
global policies_set = F;
global learn_policy_set = F;
global learning = F;

hook learning_changed(log: LogKind, on: bool)
	{
	if ( log == CONN_LOG )
		learning = on;
	}

event zeek_init() &priority=100
	{
	learn_policy_set = __has_handlers(learn_policy);
	policies_set = learn_policy_set || __has_handlers(score_policy);
	}

# Acts on the outcome of a connection, and learns it if a hook decides on that.
function act_on_connection(c: connection, use_learn_policy: bool)
	{
	local outcome = __outcome(CONN_LOG);

	if ( outcome == ALERT )
		report_connection(c);

	if ( use_learn_policy && hook learn_policy(c) && __learn(CONN_LOG, learn_after) )
		outcome = FIT_DUE;

	act_on_outcome(CONN_LOG, outcome);
	}

# Scores or exempts a connection, and learns it, as the hooks decide.
function apply_policies(c: connection)
	{
	local exempt = ! hook score_policy(c);
	local learn_this = learning && (! exempt || learn_exempt);
	local learn_now = learn_this && ! learn_policy_set;

	if ( (exempt ? __observe(c$conn, learn_now, learn_after) : __score(c$conn, learn_now, learn_after)) || learn_policy_set )
		act_on_connection(c, learn_this && learn_policy_set);
	}

# Runs after Conn::Info is complete (5) and before removal hooks (-3) and the log (-5), so that users' handlers see the
# score. There is only one handler, because each handler and each expression costs time for every connection.
event connection_state_remove(c: connection) &priority=3
	{
	if ( policies_set )
		apply_policies(c);
	else if ( __score(c$conn, learning, learn_after) )
		act_on_connection(c, F);
	}
