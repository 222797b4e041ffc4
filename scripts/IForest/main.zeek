##! Scores every connection with an isolation forest as it ends: ``anomaly_score`` in conn.log, a notice when the score
##! passes the threshold.
##!
##! The model is learnt in place (see ``learn.zeek``), or comes from ``zeek-iforest train``, run on conn.log of the network
##! to be watched. Until there is a model, or with one that is refused, Zeek runs on as if this package were not there.

@load base/frameworks/reporter
@load base/protocols/conn
@load ./background
@load ./limits
@load ./log
@load ./node

module IForest;

export {
	redef record Conn::Info += {
		## How unusual the connection is, between 0 and 1: about 0.5 for
		## one like most, higher the more unusual. Unset while there is
		## no model, and for connections that a
		## :zeek:see:`IForest::score_policy` exempts.
		anomaly_score: double &log &optional;

		## What makes an anomalous connection so, in words and values,
		## the strongest reason first. Unset for any other.
		anomaly_reasons: string &log &optional;
	};

	## The model file. The empty string stands for a model learnt in place.
	## When another model is refused, the one before it stays at work.
	option model_file = "";

	## The public key whose signature a model file has to have, as the
	## second line of what ``minisign -G`` writes; the signature is the
	## file of the same name with ``.minisig`` behind it. A model without,
	## or with another's, is refused when it is loaded. The empty string
	## asks for none.
	option trusted_key = "";

	## Whether a model file, or state, is taken although others can write
	## to it or to a directory above it.
	option allow_writable = F;

	## Whether a model is learnt in place where no model file is set.
	option learn = T;

	## How often the model file is looked at; when it has changed, or one
	## that could not be trusted now can be, it is loaded again. 0 turns
	## that off; otherwise it is a second at least.
	option model_check_interval = 1min;

	## The score from which on a connection raises
	## :zeek:see:`IForest::Anomalous_Connection`. 0 takes the model's own,
	## which follows from the number of alerts a day it was trained for.
	option threshold = 0.0;

	## About how many connections a day raise
	## :zeek:see:`IForest::Anomalous_Connection`, at the rate of connections
	## that the model was trained on. 0 takes the model's own number.
	## A :zeek:see:`IForest::threshold` overrules it.
	option alerts_per_day = 0.0;

	## Says which connections are scored: a handler that breaks exempts the
	## connection. It still counts for what is usual of its hosts.
	##
	## c: A connection that has ended, *c$conn* filled in.
	global score_policy: hook(c: connection);
}

function has_model(): bool
	{
	return __describe(Info($ts=now(), $action=LOAD));
	}

# The version of the model at work; 0 without one.
function version(): time
	{
	local info = about_model(LOAD);
	return info?$version ? info$version : double_to_time(0.0);
	}

# Whether this node's cluster, or this node alone, learns in place.
function learns(): bool
	{
	return learn && model_file == "";
	}

function report_load(path: string, refusal: string)
	{
	if ( refusal == "" )
		{
		log_loaded(path);
		return;
		}

	log_refused(path, refusal);
	Reporter::warning(fmt("IForest: %s", refusal));
	}

function load_model(path: string)
	{
	report_load(path, __load_model(path));
	}

hook background_ended(done: Done)
	{
	if ( done$what != "loaded" && done$what != "refused" )
		return;

	report_load(done$path, done$problem);

	if ( done$what == "loaded" )
		Reporter::info(fmt("IForest: %s has changed and was loaded", done$path));
	}

# Which chain of looks at the model file is the present one.
global looks = 0;

event look_at_model(chain: count)
	{
	if ( chain != looks || zeek_is_terminating() )
		return;

	# Where the disk hangs, one look waits for it and not one more each time.
	if ( ! __busy() )
		{
		warn("look", __look_at_model());
		follow_up();
		}

	schedule model_check_interval { look_at_model(chain) };
	}

function watch_model(every: interval)
	{
	++looks;

	if ( every > 0sec )
		schedule every { look_at_model(looks) };
	}

function change_model_file(id: string, value: string): string
	{
	if ( value == "" )
		__unload_model();
	else
		load_model(value);

	return value;
	}

function change_model_check_interval(id: string, value: interval): interval
	{
	local every = value <= 0sec ? value : at_least(id, value, 1sec);

	if ( every != model_check_interval )
		watch_model(every);

	return every;
	}

function change_trusted_key(id: string, value: string): string
	{
	__set_trust(value, allow_writable);
	return value;
	}

function change_allow_writable(id: string, value: bool): bool
	{
	__set_trust(trusted_key, value);
	return value;
	}

function change_threshold(id: string, value: double): double
	{
	__set_threshold(value);
	return value;
	}

function change_alerts_per_day(id: string, value: double): double
	{
	local alerts = value;

	if ( ! is_finite(value) )
		{
		alerts = 0.0;
		Reporter::warning(fmt("IForest: %s is %s, which is no number of alerts: the model's own is taken instead", id, value));
		}

	__set_alerts_per_day(alerts);
	return alerts;
	}

event zeek_init()
	{
	Option::set_change_handler("IForest::trusted_key", change_trusted_key);
	Option::set_change_handler("IForest::allow_writable", change_allow_writable);
	__set_trust(trusted_key, allow_writable);

	# A manager fits by it.
	Option::set_change_handler("IForest::alerts_per_day", change_alerts_per_day);

	if ( ! is_finite(alerts_per_day) )
		Option::set("IForest::alerts_per_day", alerts_per_day);

	if ( ! sees_connections() )
		return;

	Option::set_change_handler("IForest::model_file", change_model_file);
	Option::set_change_handler("IForest::model_check_interval", change_model_check_interval);
	Option::set_change_handler("IForest::threshold", change_threshold);

	if ( model_check_interval > 0sec && model_check_interval < 1sec )
		Option::set("IForest::model_check_interval", model_check_interval);

	__set_threshold(threshold);
	__set_alerts_per_day(alerts_per_day);
	watch_model(model_check_interval);

	if ( model_file == "" && ! learn )
		Reporter::warning("IForest: connections are not scored: IForest::model_file is not set, and IForest::learn is off");
	else if ( model_file != "" )
		load_model(model_file);
	}
