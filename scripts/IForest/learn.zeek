##! Learns in place what is usual, and puts a model of it to work, where :zeek:see:`IForest::model_file` is not set.
##!
##! A standalone Zeek does all of it. In a cluster the workers collect and the manager fits; see ``cluster.zeek``.
##!
##! Fits run on a thread of their own. Where packets come from a trace file there are none to hold up, and the fit is
##! waited for: the same trace gives the same scores.

@load base/frameworks/cluster
@load base/frameworks/reporter
@load ./log
@load ./main

module IForest;

export {
	## The number of connections from which on there is a first model. A
	## tenth of them has to be in the reservoir, which takes longer where
	## they are one host's.
	option learn_after = 10000;

	## How often the model is fitted anew. 0 turns that off.
	option refit_interval = 1day;

	## How many rows are kept to learn from, of about 200 bytes each.
	option reservoir_rows = 32768;

	## After which time a connection counts half as much.
	option reservoir_half_life = 7days;

	## The directory of what is to survive a restart: the model, the
	## reservoir, and what is remembered of hosts, in a directory for each
	## node. The empty string stands for
	## ``iforest`` in :zeek:see:`Cluster::default_store_dir`, which ZeekControl
	## sets to its ``spool/stores``; without that, for ``iforest`` in the
	## current directory; and for none when reading a trace file.
	option state_dir = "";

	## How often it is looked whether a fit is due, and in a cluster, how
	## often workers hand over what they have seen.
	const learning_interval = 1min &redef;

	## How often what was learnt is written to the state directory.
	const save_interval = 10min &redef;

	## Says which connections are learnt from: a handler that breaks exempts
	## the connection. It is scored all the same.
	##
	## c: A connection that has ended, *c$conn* filled in.
	global learn_policy: hook(c: connection);

	## What came to an end in the background.
	type Done: record {
		## Which kind of thing.
		what: string &default="";
		## What went wrong, if anything.
		problem: string &default="";
		## How long it took.
		took: interval &default=0sec;
		## How long it held packets up.
		pause: interval &default=0sec;
	};

	## What was done so far.
	type Statistics: record {
		## Connections with a score.
		scored: count &default=0;
		## Connections without one, by the reason.
		without_model: count &default=0;
		## Connections without one, by the reason.
		exempt: count &default=0;
		## Connections without one, by the reason.
		faults: count &default=0;
		## Connections whose score passed the threshold.
		flagged: count &default=0;
		## Connections learnt from.
		learnt: count &default=0;
		## Models put to work.
		loaded: count &default=0;
		## Models refused.
		refused: count &default=0;
		## Rows in the reservoir.
		rows: count &default=0;
		## Connections they stand for.
		seen: count &default=0;
		## How far live scores are from the calibration.
		drift: double &default=0.0;
	};
}

# Where this node keeps its state; the empty string for nowhere.
global state = "";

# What the fit under way will be logged as.
global fitting: Action;

global last_fit = double_to_time(0.0);
global last_save = double_to_time(0.0);

# Whether the background will be looked at without being asked.
global looking = F;

# Whether this node learns from the connections it sees: what learns() says, without a call for each of them.
global learning = F;

# Runs when this node has fitted a model and put it to work.
global new_model: hook();

# Runs every learning_interval on the nodes that take part.
global each_turn: hook();

# The node that fits: the only one, or the manager.
function fits(): bool
	{
	return ! Cluster::is_enabled() || Cluster::local_node_type() == Cluster::MANAGER;
	}

function takes_part(): bool
	{
	return fits() || sees_connections();
	}

function state_file(name: string): string
	{
	return state == "" ? "" : state + "/" + name;
	}

function state_base(): string
	{
	if ( state_dir != "" )
		return state_dir;

	if ( reading_traces() )
		return "";

	if ( Cluster::default_store_dir == "" )
		return "iforest";

	mkdir(Cluster::default_store_dir);
	return Cluster::default_store_dir + "/iforest";
	}

function open_state()
	{
	local base = state_base();

	if ( base == "" )
		return;

	local own = fmt("%s/%s", base, Cluster::is_enabled() ? Cluster::node : "zeek");

	if ( mkdir(base) && mkdir(own) )
		state = own;
	else
		Reporter::warning(fmt("IForest: what is learnt will not survive a restart: %s cannot be made", own));
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

# The version of a model to come: later than the one before, whatever became of the clock.
function next_version(): time
	{
	local clock = current_time();
	local later = version() + 1usec;
	return clock > later ? clock : later;
	}

function handle(done: Done)
	{
	if ( done$what == "not fitted" )
		Reporter::warning(fmt("IForest: no model could be fitted: %s", done$problem));
	else if ( done$problem != "" )
		Reporter::warning(fmt("IForest: %s", done$problem));

	if ( done$what != "fitted" )
		return;

	local info = about_model(fitting);
	info$took = done$took;
	info$pause = done$pause;
	write_model(info);
	hook new_model();
	}

event look_at_background()
	{
	local done = Done();

	while ( __finished(reading_traces(), done) )
		{
		handle(done);
		done = Done();
		}

	looking = __busy();

	if ( looking )
		schedule 100msec { look_at_background() };
	}

function follow_up()
	{
	if ( reading_traces() )
		{
		local done = Done();

		while ( __finished(T, done) )
			{
			handle(done);
			done = Done();
			}
		}

	else if ( ! looking )
		{
		looking = T;
		schedule 100msec { look_at_background() };
		}
	}

# Fits a model, or with *recalibrate* only sets the threshold of the one at work anew.
function fit(recalibrate: bool)
	{
	# A model learnt from much is not given up for one learnt from little, as after what was learnt is lost.
	if ( ! __has_learnt(learn_after) )
		return;

	local problem = __fit(recalibrate, next_version(), alerts_per_day > 0.0 ? alerts_per_day : 20.0,
	                      state_file("model"));

	if ( problem != "" )
		{
		Reporter::warning(fmt("IForest: no fit was started: %s", problem));
		return;
		}

	fitting = recalibrate ? RECALIBRATE : FIT;
	last_fit = network_time();
	follow_up();
	}

function fit_if_due()
	{
	if ( __fit_is_due(learn_after) )
		fit(F);
	}

# Writes what this node is to go on with: what it remembers, and on the node that fits, what it has learnt.
function save()
	{
	last_save = network_time();

	for ( _, problem in vector(__save_memory(state_file("memory")), fits() ? __save_sample(state_file("sample")) : "") )
		if ( problem != "" )
			Reporter::warning(fmt("IForest: what was learnt is not saved: %s", problem));

	follow_up();
	}

function refit_if_due()
	{
	if ( ! has_model() )
		return;

	# After a restart the clock goes on from when the model was fitted.
	if ( last_fit == double_to_time(0.0) )
		last_fit = network_time() - (reading_traces() ? 0sec : current_time() - version());

	# Dated by a clock that ran ahead.
	if ( last_fit > network_time() )
		last_fit = network_time();

	if ( refit_interval > 0sec && network_time() - last_fit >= refit_interval )
		fit(F);
	}

event take_turn()
	{
	if ( learns() )
		{
		if ( fits() )
			{
			fit_if_due();
			refit_if_due();
			}

		if ( state != "" && (network_time() - last_save >= save_interval || last_save > network_time()) )
			save();

		hook each_turn();
		}

	schedule learning_interval { take_turn() };
	}

# Goes on where the last run ended.
function restore()
	{
	learning = T;
	__start_learning(reservoir_rows, reservoir_half_life);

	if ( state == "" )
		return;

	local problem = __load_state(state_file("model"));

	if ( problem != "" )
		{
		log_refused(state_file("model"), problem);
		Reporter::warning(fmt("IForest: %s", problem));
		}
	else if ( has_model() )
		log_loaded(state_file("model"));

	problem = __load_memory(state_file("memory"));

	if ( problem != "" )
		{
		log_refused(state_file("memory"), problem);
		Reporter::warning(fmt("IForest: %s", problem));
		}

	if ( ! fits() )
		return;

	problem = __load_sample(state_file("sample"));

	if ( problem != "" )
		{
		log_refused(state_file("sample"), problem);
		Reporter::warning(fmt("IForest: %s", problem));
		}
	}

# Changes of the options that say whether to learn.
function change_learning(on: bool)
	{
	if ( on )
		restore();
	else
		{
		learning = F;
		__stop_learning();
		}
	}

function change_learn(id: string, value: bool): bool
	{
	if ( value != learn && model_file == "" )
		change_learning(value);

	return value;
	}

function change_model_file_learning(id: string, value: string): string
	{
	if ( learn && (value == "") != (model_file == "") )
		change_learning(value == "");

	return value;
	}

function change_reservoir_rows(id: string, value: count): count
	{
	if ( learns() )
		__start_learning(value, reservoir_half_life);

	return value;
	}

function change_reservoir_half_life(id: string, value: interval): interval
	{
	if ( learns() )
		__start_learning(reservoir_rows, value);

	return value;
	}

event zeek_init() &priority=-5
	{
	if ( ! takes_part() )
		return;

	Option::set_change_handler("IForest::learn", change_learn);
	Option::set_change_handler("IForest::model_file", change_model_file_learning, -5);
	Option::set_change_handler("IForest::reservoir_rows", change_reservoir_rows);
	Option::set_change_handler("IForest::reservoir_half_life", change_reservoir_half_life);

	if ( learns() )
		{
		open_state();
		restore();

		if ( fits() && ! reading_traces() && ! has_model() )
			Reporter::info(fmt("IForest: learning what is usual here; connections are scored once %d were seen",
			                   learn_after));
		}

	schedule learning_interval { take_turn() };
	}

event zeek_done()
	{
	if ( ! learns() || ! takes_part() || state == "" )
		return;

	save();
	local done = Done();

	while ( __finished(T, done) )
		if ( done$problem != "" )
			Reporter::warning(fmt("IForest: %s", done$problem));
	}
