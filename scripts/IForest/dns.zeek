##! Scores every DNS query with its response: ``anomaly_score`` in dns.log, and a notice for each alert.
##!
##! The model is made by ``zeek-iforest train`` from dns.log of the same network. Without a model, and with a refused one,
##! Zeek runs as if this script were not loaded.

@load base/frameworks/notice
@load base/frameworks/reporter
@load base/protocols/dns
@load base/utils/queue
@load ./cluster_role
@load ./log
@load ./main
@load ./notice
@load ./validate

module IForest;

export {
	redef record DNS::Info += {
		## How unusual the query is, between 0 and 1: about 0.5 for a typical
		## query, higher for an unusual one. Unset without a model, and for
		## queries that :zeek:see:`IForest::dns_score_policy` exempts.
		anomaly_score: double &log &optional;

		## The reasons of an alert with their values, strongest first.
		anomaly_reasons: string &log &optional;
	};

	redef enum Notice::Type += {
		## A DNS query is anomalous. Notices are suppressed per client and
		## main reason.
		Anomalous_Query,
	};

	## Score dns.log.
	option score_dns = T;

	## The model file of dns.log. Without it queries are not scored. If a
	## model is refused, the previous one stays loaded.
	option dns_model_file = "";

	## The score, up to 1, from which a query alerts. 0 selects the threshold
	## for the alert budget.
	option dns_threshold = 0.0;

	## The alert budget of queries: the approximate number of alerts per day.
	## 0 selects the model's own.
	option dns_alerts_per_day = 0.0;

	## Selects the queries to score. A handler that breaks exempts the query:
	## it has no score and raises no notice. It still counts as context.
	##
	## c: The connection of the query.
	##
	## rec: The query, as it will be logged.
	global dns_score_policy: hook(c: connection, rec: DNS::Info);
}

# Running a hook without handlers costs more than half of a score.
global dns_score_policy_set = F;

function report_query(c: connection, rec: DNS::Info)
	{
	local name = rec?$query ? rec$query : "(no name)";
	local qtype = rec?$qtype_name ? fmt(" %s", rec$qtype_name) : "";
	local reasons = rec?$anomaly_reasons ? fmt(": %s", rec$anomaly_reasons) : "";
	local notice = Notice::Info($note=Anomalous_Query,
	                            $msg=fmt("query of %s for %s%s: score %.3f, threshold %.3f%s", c$id$orig_h, name, qtype,
	                                     rec$anomaly_score, __dns_threshold(), reasons),
	                            $conn=c,
	                            $identifier=cat(c$id$orig_h, __dns_main_reason()));

	if ( ! Notice::is_being_suppressed(notice) && take_token("queries", Anomalous_Query) )
		NOTICE(notice);
	}

function score_query(c: connection, rec: DNS::Info)
	{
	if ( dns_score_policy_set && ! hook dns_score_policy(c, rec) )
		{
		__observe_dns(rec);
		return;
		}

	if ( __score_dns(rec) )
		report_query(c, rec);
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

# Messages without a partner, before the handler that makes room for another one (5).
hook DNS::set_session(c: connection, msg: dns_msg, is_query: bool) &priority=6
	{
	if ( ! score_dns || ! c?$dns_state )
		return;

	local messages = c$dns_state;

	if ( is_query )
		{
		if ( messages?$pending_query && messages?$pending_queries &&
		     ! ( messages?$pending_replies && has_pending(messages$pending_replies, msg$id) ) )
			score_overflow(c, messages$pending_queries, msg$id);
		}
	else if ( messages?$pending_replies )
		{
		if ( ! ( messages?$pending_query && messages$pending_query$trans_id == msg$id ) &&
		     ! ( messages?$pending_queries && has_pending(messages$pending_queries, msg$id) ) )
			score_overflow(c, messages$pending_replies, msg$id);
		}
	}

# Before the log is written (-5), so that users' handlers see the query complete and the score is in the log.
event dns_end(c: connection, msg: dns_msg) &priority=-4
	{
	if ( score_dns && c?$dns && c$dns$saw_reply && c$dns$saw_query )
		score_query(c, c$dns);
	}

# Unpaired messages, in the order in which they are logged afterwards (0).
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

function load_dns_model(path: string)
	{
	local refusal = __load_dns_model(path);

	if ( refusal != "" )
		Reporter::warning(fmt("IForest: %s", refusal));
	}

function change_dns_model_file(id: string, value: string): string
	{
	if ( value == "" )
		__unload_dns_model();
	else
		load_dns_model(value);

	return value;
	}

function change_dns_threshold(id: string, value: double): double
	{
	local clamped = clamp_double(id, value, 0.0, 1.0);
	__set_dns_threshold(clamped);
	return clamped;
	}

function change_dns_alerts_per_day(id: string, value: double): double
	{
	local clamped = clamp_double(id, value, 0.0, 1e9);
	__set_dns_alerts_per_day(clamped);
	return clamped;
	}

function change_dns_trusted_key(id: string, value: string): string
	{
	__set_dns_trust(value, allow_writable);
	return value;
	}

function change_dns_allow_writable(id: string, value: bool): bool
	{
	__set_dns_trust(trusted_key, value);
	return value;
	}

event zeek_init()
	{
	if ( ! sees_connections() )
		return;

	dns_score_policy_set = __has_handlers(dns_score_policy);
	Option::set_change_handler("IForest::dns_model_file", change_dns_model_file);
	Option::set_change_handler("IForest::dns_threshold", change_dns_threshold);
	Option::set_change_handler("IForest::dns_alerts_per_day", change_dns_alerts_per_day);
	Option::set_change_handler("IForest::trusted_key", change_dns_trusted_key, -1);
	Option::set_change_handler("IForest::allow_writable", change_dns_allow_writable, -1);
	__set_dns_trust(trusted_key, allow_writable);
	__set_dns_threshold(clamp_double("IForest::dns_threshold", dns_threshold, 0.0, 1.0));
	__set_dns_alerts_per_day(clamp_double("IForest::dns_alerts_per_day", dns_alerts_per_day, 0.0, 1e9));

	if ( dns_model_file != "" )
		load_dns_model(dns_model_file);
	}
