##! Learning: fits a model of conn.log on the sensor's own traffic while :zeek:see:`IForest::model_file` is not set, and one
##! of dns.log while :zeek:see:`IForest::dns_model_file` is not set. The options apply to both.
##!
##! A standalone Zeek learns and fits by itself. In a cluster the workers sample and the manager fits; see
##! ``cluster.zeek``.
##!
##! Fits run on a background thread. With a trace file Zeek waits for them, so that the same trace gives the same scores.

@load base/frameworks/reporter
@load ./cluster_role
@load ./jobs
@load ./model_log
@load ./log_kinds
@load ./main
@load ./state
@load ./validate
@load ./warn_once

module IForest;

export {
	## The number of connections, or queries, before the first fit, at least
	## 100. A tenth of them must be in the reservoir, which takes longer if
	## most come from one host.
	option learn_after = 10000;

	## The interval between fits. 0 turns them off after the first one.
	option refit_interval = 1day;

	## The capacity of each log's reservoir, 256 to 10,000,000 rows of about
	## 200 bytes. A change resamples the rows learnt before.
	option reservoir_rows = 32768;

	## The age at which a row's weight has halved, at least a minute. A
	## change resamples the rows learnt before.
	option reservoir_half_life = 7days;

	## Learn from connections that :zeek:see:`IForest::score_policy` exempts,
	## and from queries that :zeek:see:`IForest::dns_score_policy` exempts.
	## Off by default: an exempted scanner would otherwise make scans usual.
	option learn_exempt = F;

	## The interval between checks for a due fit, and in a cluster, between
	## samples sent by workers: at least 100 milliseconds.
	const learning_interval = 1min &redef;

	## Selects the connections to learn from. A handler that breaks excludes
	## the connection; it is scored all the same.
	##
	## c: A finished connection with *c$conn* filled in.
	global learn_policy: hook(c: connection);

	## Counters of a log since start, and gauges.
	type Statistics: record {
		## Records with a score.
		scored: count &default=0;
		## Records without a score because there was no model.
		without_model: count &default=0;
		## Records exempted from scoring.
		exempt: count &default=0;
		## Records without a score because of an internal error.
		failed: count &default=0;
		## Records that alerted.
		alerted: count &default=0;
		## Records learnt from.
		learnt: count &default=0;
		## Models loaded.
		loaded: count &default=0;
		## Models refused.
		refused: count &default=0;
		## Rows in the reservoir.
		rows: count &default=0;
		## Records that the rows represent.
		seen: count &default=0;
		## The population stability index of live scores.
		drift: double &default=0.0;
	};
}

# The kind of each log's running fit.
global running_fits: table[LogKind] of Action;

# The time of each log's last fit.
global last_fit: table[LogKind] of time &default=double_to_time(0.0);

# The logs whose fit failed, until the next tick: it is not retried on every record.
global failed_fits: set[LogKind];

# Runs when learning of a log starts or stops. A handler sets a variable, which costs less per record than a lookup.
global learning_changed: hook(log: LogKind, on: bool);

# Allows the first fit. A handler that breaks defers it.
global first_fit_policy: hook(log: LogKind);

# The interval between ticks, the time of the last one, and the generation of scheduled ticks; those of an earlier
# generation are ignored.
global tick_interval = learning_interval;
global last_tick = double_to_time(0.0);
global tick_generation = 0;

# Runs after this node has fitted and loaded a model.
global model_fitted: hook(log: LogKind);

# Runs every learning_interval on learning nodes.
global on_learning_tick: hook();

# Returns the version of the next model: the current time, but later than the loaded model's.
function next_version(log: LogKind): count
	{
	local this = double_to_count(time_to_double(current_time()) * 1e6);
	local later = __model_version(log) + 1;
	return this > later ? this : later;
	}

hook job_finished(job: Job)
	{
	if ( job$kind == JOB_FIT_FAILED )
		add failed_fits[job$log];

	if ( job$kind != JOB_FITTED )
		return;

	local info = about_model(job$log, running_fits[job$log]);
	info$took = job$took;
	info$pause = job$pause;
	write_model(info);
	check_budget(job$log);
	hook model_fitted(job$log);
	}

# Starts a fit, or with *recalibrate* a recalibration of the loaded model. Returns false if it could not start.
function fit(log: LogKind, recalibrate: bool): bool
	{
	# After a loss of the reservoir, a few rows must not replace a model of many.
	if ( log in failed_fits || ! __can_fit(log, learn_after) )
		return F;

	local budget = log == DNS_LOG ? dns_alerts_per_day : alerts_per_day;
	local problem = __fit(log, recalibrate, next_version(log), budget > 0.0 ? budget : 20.0,
	                      state_file(log, "model"));

	if ( problem != "" )
		{
		add failed_fits[log];
		warn_once(fit_of(log), fmt("cannot start a fit of %s.log: %s", log_name(log), problem));
		return F;
		}

	running_fits[log] = recalibrate ? RECALIBRATE : FIT;

	# A recalibration does not make the trees younger.
	if ( ! recalibrate )
		last_fit[log] = clock();

	poll_jobs();
	return T;
	}

function fit_if_due(log: LogKind)
	{
	if ( __fit_is_due(log, learn_after) && hook first_fit_policy(log) )
		fit(log, F);
	}

function refit_if_due(log: LogKind)
	{
	if ( ! has_model(log) )
		return;

	# After a restart the interval starts at the time of the loaded model's fit.
	if ( last_fit[log] == double_to_time(0.0) )
		last_fit[log] = reading_traces() ? clock() : version_time(__model_version(log));

	# The fit was dated by a clock that ran ahead.
	if ( last_fit[log] > clock() )
		last_fit[log] = clock();

	# Version 0: it ran so far ahead that other nodes refuse the model.
	if ( __model_version(log) == 0 || refit_interval > 0sec && clock() - last_fit[log] >= refit_interval )
		fit(log, F);
	}

event learning_tick(generation: count)
	{
	# At shutdown Zeek runs all scheduled events.
	if ( generation != tick_generation || zeek_is_terminating() )
		return;

	last_tick = clock();
	failed_fits = set();
	apply_finished_jobs();

	if ( |learning_logs| > 0 )
		{
		for ( _, log in scored_logs )
			if ( log in learning_logs && is_central_node() )
				{
				fit_if_due(log);
				refit_if_due(log);
				}

		# On a disk that hangs, only one save waits.
		if ( ! __busy() )
			{
			lock_state();

			if ( clock() - last_save >= save_interval || last_save > clock() )
				save();
			}

		hook on_learning_tick();
		}

	schedule tick_interval { learning_tick(generation) };
	}

# Starts learning from a log. With *context*, saved host context replaces the present one.
function start_learning(log: LogKind, context: bool)
	{
	add learning_logs[log];
	hook learning_changed(log, T);
	__start_learning(log, reservoir_rows, reservoir_half_life);

	if ( node_state_dir == "" )
		open_state(state_dir);

	load_state(log, context, T);
	}

function change_learning(log: LogKind, on: bool, context: bool)
	{
	if ( on )
		start_learning(log, context);
	else
		{
		save();
		delete learning_logs[log];
		hook learning_changed(log, F);
		__stop_learning(log);
		}
	}

function change_state_dir(id: string, value: string): string
	{
	if ( value == state_dir )
		return value;

	if ( |learning_logs| == 0 )
		{
		switch_state("");
		return value;
		}

	# If the old disk hangs, this save is skipped; the one below writes to the new directory.
	if ( ! is_before_first_save() && ! __busy() )
		save();

	open_state(value);
	local context = is_before_first_save();

	# A sample that was saved here is part of the present one.
	local sample = node_state_dir !in saved_dirs;

	for ( _, log in scored_logs )
		{
		if ( log !in learning_logs )
			next;

		# The other directory's sample can be part of this one's.
		if ( context )
			{
			__stop_learning(log);
			__start_learning(log, reservoir_rows, reservoir_half_life);
			}

		load_state(log, context, sample);
		local problem = __save_model(log, state_file(log, "model"));

		if ( problem != "" )
			Reporter::warning(fmt("IForest: %s", problem));
		}

	save();
	return value;
	}

function change_learn(id: string, value: bool): bool
	{
	if ( value == learn )
		return value;

	local context = is_before_first_save();

	for ( _, log in scored_logs )
		if ( can_learn(log) )
			change_learning(log, value, context);

	return value;
	}

function change_score_dns(id: string, value: bool): bool
	{
	if ( value != score_dns && learn && dns_model_file == "" )
		change_learning(DNS_LOG, value, is_before_first_save());

	return value;
	}

function change_model_file_learning(id: string, value: string): string
	{
	local log = log_of_option(id);
	local before = log == DNS_LOG ? dns_model_file : model_file;

	if ( learn && (log != DNS_LOG || score_dns) && (value == "") != (before == "") )
		{
		# Once records were scored, the present context is newer than the saved one.
		local statistics = Statistics();
		__statistics(log, statistics);
		change_learning(log, value == "", is_before_first_save() && statistics$scored == 0);
		}

	return value;
	}

function change_learn_after(id: string, value: count): count
	{
	return clamp_count(id, value, 100, 1000000000);
	}

function change_reservoir_rows(id: string, value: count): count
	{
	local rows = clamp_count(id, value, 256, 10000000);

	for ( log in learning_logs )
		__start_learning(log, rows, reservoir_half_life);

	return rows;
	}

function change_reservoir_half_life(id: string, value: interval): interval
	{
	local half_life = at_least(id, value, 1min);

	for ( log in learning_logs )
		__start_learning(log, reservoir_rows, half_life);

	return half_life;
	}

event zeek_init() &priority=-5
	{
	if ( ! is_learning_node() )
		return;

	Option::set_change_handler("IForest::learn", change_learn);
	Option::set_change_handler("IForest::model_file", change_model_file_learning, -5);
	Option::set_change_handler("IForest::score_dns", change_score_dns);
	Option::set_change_handler("IForest::dns_model_file", change_model_file_learning, -5);
	Option::set_change_handler("IForest::reservoir_rows", change_reservoir_rows);
	Option::set_change_handler("IForest::reservoir_half_life", change_reservoir_half_life);
	Option::set_change_handler("IForest::learn_after", change_learn_after);
	Option::set_change_handler("IForest::state_dir", change_state_dir);

	# An option that is invalid from the start is corrected by its handler.
	if ( learn_after < 100 || learn_after > 1000000000 )
		Option::set("IForest::learn_after", learn_after);

	if ( reservoir_rows < 256 || reservoir_rows > 10000000 )
		Option::set("IForest::reservoir_rows", reservoir_rows);

	if ( ! (reservoir_half_life >= 1min) )
		Option::set("IForest::reservoir_half_life", reservoir_half_life);

	for ( _, log in scored_logs )
		{
		if ( ! learns(log) )
			next;

		start_learning(log, T);

		if ( is_central_node() && ! reading_traces() && ! has_model(log) )
			Reporter::info(fmt("IForest: learning; %s are scored after the first %d", records_of(log), learn_after));
		}

	tick_interval = at_least("IForest::learning_interval", learning_interval, 100msec);
	last_tick = clock();
	# A configuration file, which can change the directory, is read after the first tick.
	last_save = clock();
	schedule tick_interval { learning_tick(tick_generation) };
	}

event zeek_done()
	{
	if ( ! is_learning_node() )
		return;

	save();
	wait_for_jobs();
	}
