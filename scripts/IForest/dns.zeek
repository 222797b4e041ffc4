##! Scores every DNS query with its response: ``anomaly_score`` in dns.log. Queries and connections of one host join one
##! incident, see ``incident.zeek``.
##!
##! The model is learnt by the sensor (see ``learn.zeek``), or made by ``zeek-iforest train`` from dns.log of the same
##! network. Without a model, and with a refused one, Zeek runs as if this script were not loaded.

@load base/frameworks/notice
@load base/protocols/dns
@load base/utils/queue
@load ./learn
@load ./main
@load ./notice
@load ./outcome

module IForest;

export {
	redef record DNS::Info += {
		## How unusual the query is, between 0 and 1: about 0.5 for a typical
		## query, higher for an unusual one. Unset without a model, and for
		## queries that :zeek:see:`IForest::dns_score_policy` exempts.
		anomaly_score: double &log &optional;

		## The reasons of an alert with their values, strongest first.
		anomaly_reasons: string &log &optional;

		## The identifier of the incident that the query belongs to.
		anomaly_incident: string &log &optional;
	};

	redef enum Notice::Type += {
		## A DNS query is anomalous. Ignored by default, because
		## :zeek:see:`IForest::Incident` covers it; to get these notices:
		## ``redef Notice::ignored_types -= { IForest::Anomalous_Query };``
		## Notices are suppressed per client and main reason.
		Anomalous_Query,
	};

	redef Notice::ignored_types += { Anomalous_Query };

	## Selects the queries to score. A handler that breaks exempts the query:
	## it has no score, raises no notice, and is not learnt unless
	## :zeek:see:`IForest::learn_exempt` is set. It still counts as context.
	##
	## c: The connection of the query.
	##
	## rec: The query, as it will be logged.
	global dns_score_policy: hook(c: connection, rec: DNS::Info);

	## Selects the queries to learn from. A handler that breaks excludes the
	## query; it is scored all the same.
	##
	## c: The connection of the query.
	##
	## rec: The query, as it will be logged.
	global dns_learn_policy: hook(c: connection, rec: DNS::Info);
}

# Running a hook without handlers takes more than half the time of a score.
global dns_policies_set = F;
global dns_learn_policy_set = F;
global dns_learning = F;

hook learning_changed(log: LogKind, on: bool)
	{
	if ( log == DNS_LOG )
		dns_learning = on;
	}

event zeek_init() &priority=100
	{
	dns_learn_policy_set = __has_handlers(dns_learn_policy);
	dns_policies_set = dns_learn_policy_set || __has_handlers(dns_score_policy);
	}

function report_query(c: connection, rec: DNS::Info)
	{
	if ( Anomalous_Query in Notice::ignored_types )
		return;

	local name = rec?$query ? rec$query : "(no name)";
	local qtype = rec?$qtype_name ? fmt(" %s", rec$qtype_name) : "";
	local reasons = rec?$anomaly_reasons ? rec$anomaly_reasons : "";
	report_alert(DNS_LOG, Anomalous_Query, c, fmt("query of %s for %s%s", c$id$orig_h, name, qtype), rec$anomaly_score,
	             reasons);
	}

# Acts on the outcome of a query, and learns it if a hook decides on that.
function act_on_query(c: connection, rec: DNS::Info, use_learn_policy: bool)
	{
	local outcome = __outcome(DNS_LOG);

	if ( outcome == ALERT )
		report_query(c, rec);

	if ( use_learn_policy && hook dns_learn_policy(c, rec) && __learn(DNS_LOG, learn_after) )
		outcome = FIT_DUE;

	act_on_outcome(DNS_LOG, outcome);
	}

# Scores or exempts a query, and learns it, as the hooks decide.
function apply_dns_policies(c: connection, rec: DNS::Info)
	{
	local exempt = ! hook dns_score_policy(c, rec);
	local learn_this = dns_learning && (! exempt || learn_exempt);
	local learn_now = learn_this && ! dns_learn_policy_set;

	if ( (exempt ? __observe_dns(rec, learn_now, learn_after) : __score_dns(rec, learn_now, learn_after)) ||
	     dns_learn_policy_set )
		act_on_query(c, rec, learn_this && dns_learn_policy_set);
	}

function score_query(c: connection, rec: DNS::Info)
	{
	if ( dns_policies_set )
		apply_dns_policies(c, rec);
	else if ( __score_dns(rec, dns_learning, learn_after) )
		act_on_query(c, rec, F);
	}

function score_queue(c: connection, queue: Queue::Queue)
	{
	local infos: vector of DNS::Info;
	Queue::get_vector(queue, infos);

	for ( i in infos )
		score_query(c, infos[i]);
	}

function score_queries(c: connection, pending: DNS::PendingMessages)
	{
	for ( _, queue in pending )
		score_queue(c, queue);
	}

# Scores the messages that Zeek logs and drops to make room for another one with this ID.
function score_overflow(c: connection, pending: DNS::PendingMessages, id: count)
	{
	if ( id !in pending )
		{
		if ( |pending| > DNS::max_pending_query_ids )
			score_queries(c, pending);
		}
	else if ( Queue::len(pending[id]) > DNS::max_pending_msgs )
		score_queue(c, pending[id]);
	}

function has_pending(pending: DNS::PendingMessages, id: count): bool
	{
	return id in pending && Queue::len(pending[id]) > 0;
	}

# Scores messages without a partner before Zeek's handler (5) of DNS::set_session drops them to make room for another one.
function score_before_overflow(c: connection, messages: DNS::State, id: count, is_query: bool)
	{
	if ( is_query )
		{
		if ( messages?$pending_query && messages?$pending_queries &&
		     ! ( messages?$pending_replies && has_pending(messages$pending_replies, id) ) )
			score_overflow(c, messages$pending_queries, id);
		}
	else if ( messages?$pending_replies )
		{
		if ( ! ( messages?$pending_query && messages$pending_query$trans_id == id ) &&
		     ! ( messages?$pending_queries && has_pending(messages$pending_queries, id) ) )
			score_overflow(c, messages$pending_replies, id);
		}
	}

# Most connections have one query at a time, which is in no queue.
hook DNS::set_session(c: connection, msg: dns_msg, is_query: bool) &priority=6
	{
	if ( c?$dns_state && ( c$dns_state?$pending_queries || c$dns_state?$pending_replies ) && score_dns )
		score_before_overflow(c, c$dns_state, msg$id, is_query);
	}

# Runs shortly before the log is written (-5), when users' handlers have completed the query, so that the score is in
# the log. Repeats the body of score_query, because a call costs 900 instructions.
event dns_end(c: connection, msg: dns_msg) &priority=-4
	{
	if ( c?$dns && c$dns$saw_reply && c$dns$saw_query && score_dns )
		{
		if ( dns_policies_set )
			apply_dns_policies(c, c$dns);
		else if ( __score_dns(c$dns, dns_learning, learn_after) )
			act_on_query(c, c$dns, F);
		}
	}

# Scores unpaired messages, in the order in which Zeek's handler (0) logs them.
hook DNS::finalize_dns(c: connection) &priority=5
	{
	if ( ! score_dns || ! c?$dns_state )
		return;

	if ( c$dns_state?$pending_query )
		score_query(c, c$dns_state$pending_query);

	if ( c$dns_state?$pending_queries )
		score_queries(c, c$dns_state$pending_queries);

	if ( c$dns_state?$pending_replies )
		score_queries(c, c$dns_state$pending_replies);
	}
