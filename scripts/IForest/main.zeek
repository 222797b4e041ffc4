##! Options and hooks of the package, and loading of model files. An isolation forest scores every finished connection
##! and every DNS query (``anomaly_score`` in conn.log and dns.log).
##!
##! Each log has its own model, learnt by the sensor (see ``learn.zeek``) or made by ``zeek-iforest train`` from logs of
##! the same network. Without a model, and with a refused one, Zeek runs as if the package were not installed.

@load base/frameworks/reporter
@load base/protocols/conn
@load ./cluster_role
@load ./jobs
@load ./model_log
@load ./log_kinds
@load ./validate
@load ./warn_once

module IForest;

export {
	redef record Conn::Info += {
		## How unusual the connection is, between 0 and 1: about 0.5 for a
		## typical connection, higher for an unusual one. Unset without a
		## model, and for connections that
		## :zeek:see:`IForest::score_policy` exempts.
		anomaly_score: double &log &optional;

		## The reasons of an alert with their values, strongest first.
		anomaly_reasons: string &log &optional;
	};

	## The model file. The empty string selects a model learnt by the
	## sensor. If a model is refused, the previous one stays loaded.
	option model_file = "";

	## The minisign public key that model files must be signed with: the
	## second line of the file that ``minisign -G`` writes. The signature is
	## in the file of the same name with ``.minisig`` appended. The empty
	## string accepts unsigned files. After a change, a loaded model without
	## a signature by the new key is unloaded.
	option trusted_key = "";

	## Accept model and state files that other users can write to, directly
	## or through a directory.
	option allow_writable = F;

	## Learn a model of conn.log from the sensor's traffic if
	## :zeek:see:`IForest::model_file` is not set, and one of dns.log if
	## :zeek:see:`IForest::dns_model_file` is not set.
	option learn = T;

	## The interval between checks of model files, at least a second. A
	## file that has changed, or that was not trusted before, is loaded
	## again. 0 turns the checks off.
	option model_check_interval = 1min;

	## The score, up to 1, from which a connection alerts. 0 selects the
	## threshold for the alert budget.
	option threshold = 0.0;

	## The alert budget: the approximate number of alerts per day, at the
	## connection rate that the model was trained on. 0 selects the model's
	## own budget. :zeek:see:`IForest::threshold` overrides it.
	option alerts_per_day = 0.0;

	## Score dns.log, and learn from it.
	option score_dns = T;

	## The model file of dns.log. The empty string selects a model learnt by
	## the sensor. If a model is refused, the previous one stays loaded.
	option dns_model_file = "";

	## The score, up to 1, from which a query alerts. 0 selects the threshold
	## for the alert budget.
	option dns_threshold = 0.0;

	## The alert budget of queries: the approximate number of alerts per day.
	## 0 selects the model's own. :zeek:see:`IForest::dns_threshold`
	## overrides it.
	option dns_alerts_per_day = 0.0;

	## Selects the connections to score. A handler that breaks exempts the
	## connection: it has no score, raises no notice, and is not learnt
	## unless :zeek:see:`IForest::learn_exempt` is set. It still counts as
	## context for its hosts.
	##
	## c: A finished connection with *c$conn* filled in.
	global score_policy: hook(c: connection);
}

function has_model(log: LogKind): bool
	{
	return __describe(log, Info($ts=now(), $action=LOAD));
	}

# Converts a model version, in microseconds since 1970. Versions themselves stay counts: a time loses microseconds when it
# is sent to another node.
function version_time(version: count): time
	{
	return double_to_time(version / 1e6);
	}

# Returns true if a log is scored and has no model file.
function can_learn(log: LogKind): bool
	{
	return log == DNS_LOG ? score_dns && dns_model_file == "" : model_file == "";
	}

# Returns true if this node, or its cluster, learns the model of a log.
function learns(log: LogKind): bool
	{
	return learn && can_learn(log);
	}

# Warns if the sample of a loaded model is too small for the alert budget.
function check_budget(log: LogKind)
	{
	warn_once(fmt("budget of %s.log", log_name(log)), __budget_problem(log));
	}

function report_load(log: LogKind, path: string, refusal: string)
	{
	report_refusal(log, path, refusal);

	if ( refusal == "" )
		{
		log_loaded(log, path);
		check_budget(log);
		}
	}

function load_model(log: LogKind, path: string)
	{
	report_load(log, path, __load_model(log, path));
	}

hook job_finished(job: Job)
	{
	if ( job$kind != JOB_LOADED && job$kind != JOB_REFUSED )
		return;

	report_load(job$log, job$path, job$problem);

	if ( job$kind == JOB_LOADED )
		Reporter::info(fmt("IForest: %s: loaded the changed model", job$path));
	}

# The generation of the scheduled check; events of earlier ones are ignored.
global check_generation = 0;

event check_model_file(generation: count)
	{
	if ( generation != check_generation || zeek_is_terminating() )
		return;

	local pause = model_check_interval;

	# On a disk that hangs, only one check waits. Learning, with the same interval, can have just started a job.
	if ( __busy() )
		pause = pause < 1sec ? pause : 1sec;
	else
		{
		for ( _, log in scored_logs )
			warn_once(fmt("check of %s.log", log_name(log)), __check_model_file(log));

		poll_jobs();
		}

	schedule pause { check_model_file(generation) };
	}

function schedule_checks(every: interval)
	{
	++check_generation;

	if ( every > 0sec )
		schedule every { check_model_file(check_generation) };
	}

function change_model_file(id: string, value: string): string
	{
	local log = log_of_option(id);

	if ( value == "" )
		__unload_model(log);
	else
		load_model(log, value);

	return value;
	}

function change_model_check_interval(id: string, value: interval): interval
	{
	local every = value <= 0sec ? value : at_least(id, value, 1sec);

	if ( every != model_check_interval )
		schedule_checks(every);

	return every;
	}

# Checks the loaded model files again: those that are no longer trusted are unloaded.
function set_trust(key: string, writable: bool)
	{
	__set_trust(key, writable);

	for ( _, log in scored_logs )
		{
		local path = log == DNS_LOG ? dns_model_file : model_file;

		if ( path == "" || ! sees_connections() )
			next;

		__unload_model(log);
		load_model(log, path);
		}
	}

function change_trusted_key(id: string, value: string): string
	{
	if ( value != trusted_key )
		set_trust(value, allow_writable);

	return value;
	}

function change_allow_writable(id: string, value: bool): bool
	{
	if ( value != allow_writable )
		set_trust(trusted_key, value);

	return value;
	}

function change_threshold(id: string, value: double): double
	{
	local log = log_of_option(id);
	local clamped = clamp_double(id, value, 0.0, 1.0);
	__set_threshold(log, clamped);
	check_budget(log);
	return clamped;
	}

function change_alerts_per_day(id: string, value: double): double
	{
	local log = log_of_option(id);
	local clamped = clamp_double(id, value, 0.0, 1e9);
	__set_alerts_per_day(log, clamped);
	check_budget(log);
	return clamped;
	}

event zeek_init()
	{
	Option::set_change_handler("IForest::trusted_key", change_trusted_key);
	Option::set_change_handler("IForest::allow_writable", change_allow_writable);
	__set_trust(trusted_key, allow_writable);
	__set_zeek_version(zeek_version());

	# The manager needs it for its fits.
	Option::set_change_handler("IForest::alerts_per_day", change_alerts_per_day);
	Option::set_change_handler("IForest::dns_alerts_per_day", change_alerts_per_day);

	# An option that is invalid from the start is corrected by its handler.
	if ( ! (alerts_per_day >= 0.0 && alerts_per_day <= 1e9) )
		Option::set("IForest::alerts_per_day", alerts_per_day);

	if ( ! (dns_alerts_per_day >= 0.0 && dns_alerts_per_day <= 1e9) )
		Option::set("IForest::dns_alerts_per_day", dns_alerts_per_day);

	if ( ! sees_connections() )
		return;

	Option::set_change_handler("IForest::model_file", change_model_file);
	Option::set_change_handler("IForest::dns_model_file", change_model_file);
	Option::set_change_handler("IForest::model_check_interval", change_model_check_interval);
	Option::set_change_handler("IForest::threshold", change_threshold);
	Option::set_change_handler("IForest::dns_threshold", change_threshold);

	if ( ! (threshold >= 0.0 && threshold <= 1.0) )
		Option::set("IForest::threshold", threshold);

	if ( ! (dns_threshold >= 0.0 && dns_threshold <= 1.0) )
		Option::set("IForest::dns_threshold", dns_threshold);

	if ( model_check_interval > 0sec && model_check_interval < 1sec )
		Option::set("IForest::model_check_interval", model_check_interval);

	__set_threshold(CONN_LOG, threshold);
	__set_threshold(DNS_LOG, dns_threshold);
	__set_alerts_per_day(CONN_LOG, alerts_per_day);
	__set_alerts_per_day(DNS_LOG, dns_alerts_per_day);
	schedule_checks(model_check_interval);

	if ( model_file == "" && ! learn )
		Reporter::warning("IForest: connections are not scored: set IForest::model_file, or IForest::learn to T");
	else if ( model_file != "" )
		load_model(CONN_LOG, model_file);

	if ( dns_model_file != "" )
		load_model(DNS_LOG, dns_model_file);
	}
