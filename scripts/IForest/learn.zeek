##! Learning: fits a model on the sensor's own traffic while :zeek:see:`IForest::model_file` is not set.
##!
##! A standalone Zeek learns and fits by itself. In a cluster the workers sample and the manager fits; see
##! ``cluster.zeek``.
##!
##! Fits run on a background thread. With a trace file Zeek waits for them, so that the same trace gives the same scores.

@load base/frameworks/reporter
@load ./cluster_role
@load ./jobs
@load ./log
@load ./main
@load ./state
@load ./validate
@load ./warn_once

module IForest;

export {
	## The number of connections before the first fit, at least 100. A tenth
	## of them must be in the reservoir, which takes longer if most come from
	## one host.
	option learn_after = 10000;

	## The interval between fits. 0 turns them off after the first one.
	option refit_interval = 1day;

	## The capacity of the reservoir, 256 to 10,000,000 rows of about 200
	## bytes. A change resamples the rows learnt before.
	option reservoir_rows = 32768;

	## The age at which a connection's weight has halved, at least a minute.
	## A change resamples the rows learnt before.
	option reservoir_half_life = 7days;

	## Learn from connections that :zeek:see:`IForest::score_policy` exempts.
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

	## Counters since start, and gauges.
	type Statistics: record {
		## Connections with a score.
		scored: count &default=0;
		## Connections without a score because there was no model.
		without_model: count &default=0;
		## Connections exempted from scoring.
		exempt: count &default=0;
		## Connections without a score because of an internal error.
		failed: count &default=0;
		## Connections that alerted.
		alerted: count &default=0;
		## Connections learnt from.
		learnt: count &default=0;
		## Models loaded.
		loaded: count &default=0;
		## Models refused.
		refused: count &default=0;
		## Rows in the reservoir.
		rows: count &default=0;
		## Connections that the rows represent.
		seen: count &default=0;
		## The population stability index of live scores.
		drift: double &default=0.0;
	};
}

# The kind of the running fit.
global fitting: Action;

global last_fit = double_to_time(0.0);

# True after a failed fit, until the next turn: it is not retried on every connection.
global failed = F;

# The value of learns(), without a call per connection.
global learning = F;

# Allows the first fit. A handler that breaks defers it.
global ready: hook();

# The interval and time of turns, and the generation of their chain.
global turn_interval = learning_interval;
global last_turn = double_to_time(0.0);
global turn_generation = 0;

# Runs after this node has fitted and loaded a model.
global new_model: hook();

# Runs every learning_interval on learning nodes.
global each_turn: hook();

# Returns the version of the next model: the current time, but later than the loaded model's.
function next_version(): count
	{
	local this = double_to_count(time_to_double(current_time()) * 1e6);
	local later = __model_version() + 1;
	return this > later ? this : later;
	}

hook job_finished(job: Job)
	{
	if ( job$kind == JOB_FIT_FAILED )
		failed = T;

	if ( job$kind != JOB_FITTED )
		return;

	local info = about_model(fitting);
	info$took = job$took;
	info$pause = job$pause;
	write_model(info);
	check_budget();
	hook new_model();
	}

# Starts a fit, or with *recalibrate* a recalibration of the loaded model. Returns false if it could not start.
function fit(recalibrate: bool): bool
	{
	# After a loss of the reservoir, a few rows must not replace a model of many.
	if ( failed || ! __can_fit(learn_after) )
		return F;

	local problem = __fit(recalibrate, next_version(), alerts_per_day > 0.0 ? alerts_per_day : 20.0,
	                      state_file("model"));

	if ( problem != "" )
		{
		failed = T;
		warn_once("fit", fmt("cannot start a fit: %s", problem));
		return F;
		}

	fitting = recalibrate ? RECALIBRATE : FIT;

	# A recalibration does not make the trees younger.
	if ( ! recalibrate )
		last_fit = clock();

	poll_jobs();
	return T;
	}

function fit_if_due()
	{
	if ( __fit_is_due(learn_after) && hook ready() )
		fit(F);
	}

function refit_if_due()
	{
	if ( ! has_model() )
		return;

	# After a restart the interval starts at the time of the loaded model's fit.
	if ( last_fit == double_to_time(0.0) )
		last_fit = reading_traces() ? clock() : version_time(__model_version());

	# The fit was dated by a clock that ran ahead.
	if ( last_fit > clock() )
		last_fit = clock();

	if ( refit_interval > 0sec && clock() - last_fit >= refit_interval )
		fit(F);
	}

event take_turn(generation: count)
	{
	# At shutdown Zeek runs all scheduled events.
	if ( generation != turn_generation || zeek_is_terminating() )
		return;

	last_turn = clock();
	failed = F;
	apply_finished_jobs();

	if ( learns() )
		{
		if ( fits() )
			{
			fit_if_due();
			refit_if_due();
			}

		lock_state();

		# On a disk that hangs, only one save waits.
		if ( ! __busy() && (clock() - last_save >= save_interval || last_save > clock()) )
			save();

		hook each_turn();
		}

	schedule turn_interval { take_turn(generation) };
	}

# Starts learning. With *context*, saved host context replaces the present one.
function start_learning(context: bool)
	{
	learning = T;
	__start_learning(reservoir_rows, reservoir_half_life);

	if ( state == "" )
		open_state(state_dir);

	load_state(context);
	}

function change_learning(on: bool, context: bool)
	{
	if ( on )
		start_learning(context);
	else
		{
		save();
		learning = F;
		__stop_learning();
		}
	}

function change_state_dir(id: string, value: string): string
	{
	if ( value == state_dir )
		return value;

	if ( ! learns() )
		{
		use_state("");
		return value;
		}

	# If the old disk hangs, this save is skipped; the one below writes to the new directory.
	if ( ! is_new() && ! __busy() )
		save();

	open_state(value);
	load_state(is_new());

	local problem = __save_model(state_file("model"));

	if ( problem != "" )
		Reporter::warning(fmt("IForest: %s", problem));

	save();
	return value;
	}

function change_learn(id: string, value: bool): bool
	{
	if ( value != learn && model_file == "" )
		change_learning(value, is_new());

	return value;
	}

function change_model_file_learning(id: string, value: string): string
	{
	if ( learn && (value == "") != (model_file == "") )
		{
		# Context that belongs to scored connections is newer than the saved one.
		local statistics = Statistics();
		__statistics(statistics);
		change_learning(value == "", is_new() && statistics$scored == 0);
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

	if ( learning )
		__start_learning(rows, reservoir_half_life);

	return rows;
	}

function change_reservoir_half_life(id: string, value: interval): interval
	{
	local half_life = at_least(id, value, 1min);

	if ( learning )
		__start_learning(reservoir_rows, half_life);

	return half_life;
	}

event zeek_init() &priority=-5
	{
	if ( ! is_learning_node() )
		return;

	Option::set_change_handler("IForest::learn", change_learn);
	Option::set_change_handler("IForest::model_file", change_model_file_learning, -5);
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

	if ( learns() )
		{
		start_learning(T);

		if ( fits() && ! reading_traces() && ! has_model() )
			Reporter::info(fmt("IForest: learning; connections are scored after the first %d", learn_after));
		}

	turn_interval = at_least("IForest::learning_interval", learning_interval, 100msec);
	last_turn = clock();
	schedule turn_interval { take_turn(turn_generation) };
	}

event zeek_done()
	{
	if ( ! is_learning_node() )
		return;

	if ( learns() )
		save();

	wait_for_jobs();
	}
