##! Learns in place what is usual, and puts a model of it to work, where :zeek:see:`IForest::model_file` is not set.
##!
##! A standalone Zeek does all of it. In a cluster the workers collect and the manager fits; see ``cluster.zeek``.
##!
##! Fits run on a thread of their own. Where packets come from a trace file there are none to hold up, and the fit is
##! waited for: the same trace gives the same scores.

@load base/frameworks/reporter
@load ./background
@load ./limits
@load ./log
@load ./main
@load ./node
@load ./state
@load ./warn

module IForest;

export {
	## The number of connections from which on there is a first model. A
	## tenth of them has to be in the reservoir, which takes longer where
	## they are one host's. 100 at least.
	option learn_after = 10000;

	## How often the model is fitted anew. 0 turns that off.
	option refit_interval = 1day;

	## How many rows are kept to learn from, of about 200 bytes each: 256
	## to 10,000,000. What was learnt before a change is kept, as far as
	## there is room.
	option reservoir_rows = 32768;

	## After which time a connection counts half as much: a minute at
	## least. What was learnt before a change is weighed anew.
	option reservoir_half_life = 7days;

	## How often it is looked whether a fit is due, and in a cluster, how
	## often workers hand over what they have seen: 100 milliseconds at
	## least.
	const learning_interval = 1min &redef;

	## Says which connections are learnt from: a handler that breaks exempts
	## the connection. It is scored all the same.
	##
	## c: A connection that has ended, *c$conn* filled in.
	global learn_policy: hook(c: connection);

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

# What the fit under way will be logged as.
global fitting: Action;

global last_fit = double_to_time(0.0);

# Whether the last try to fit came to nothing: the next turn is another, and not the next connection.
global failed = F;

# Whether this node learns from the connections it sees: what learns() says, without a call for each of them.
global learning = F;

# Whether the first model may be fitted: a handler that breaks has it wait.
global ready: hook();

# How often there is a turn, when the last one was, and which chain of them is the present one.
global turn_interval = learning_interval;
global last_turn = double_to_time(0.0);
global turns = 0;

# Runs when this node has fitted a model and put it to work.
global new_model: hook();

# Runs every learning_interval on the nodes that take part.
global each_turn: hook();

# The version of a model to come: later than the one before, whatever became of the clock.
function next_version(): time
	{
	local this = current_time();
	local later = version() + 1usec;
	return this > later ? this : later;
	}

hook background_ended(done: Done)
	{
	if ( done$what == "not fitted" )
		failed = T;

	if ( done$what != "fitted" )
		return;

	local info = about_model(fitting);
	info$took = done$took;
	info$pause = done$pause;
	write_model(info);
	hook new_model();
	}

# Fits a model, or with *recalibrate* only sets the threshold of the one at work anew.
function fit(recalibrate: bool)
	{
	# A model learnt from much is not given up for one learnt from little, as after what was learnt is lost.
	if ( failed || ! __can_fit(learn_after) )
		return;

	local problem = __fit(recalibrate, next_version(), alerts_per_day > 0.0 ? alerts_per_day : 20.0,
	                      state_file("model"));

	if ( problem != "" )
		{
		failed = T;
		warn("fit", fmt("no fit was started: %s", problem));
		return;
		}

	fitting = recalibrate ? RECALIBRATE : FIT;

	# The same trees under another threshold are as old as they were.
	if ( ! recalibrate )
		last_fit = clock();

	follow_up();
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

	# After a restart the clock goes on from when the model was fitted.
	if ( last_fit == double_to_time(0.0) )
		last_fit = reading_traces() ? clock() : version();

	# Dated by a clock that ran ahead.
	if ( last_fit > clock() )
		last_fit = clock();

	if ( refit_interval > 0sec && clock() - last_fit >= refit_interval )
		fit(F);
	}

event take_turn(chain: count)
	{
	# When Zeek ends, what is due later is due at once.
	if ( chain != turns || zeek_is_terminating() )
		return;

	last_turn = clock();
	failed = F;
	handle_done();

	if ( learns() )
		{
		if ( fits() )
			{
			fit_if_due();
			refit_if_due();
			}

		claim_state();

		# A disk that hangs is to hold up one copy of what is saved, not one more each time.
		if ( ! __busy() && (clock() - last_save >= save_interval || last_save > clock()) )
			save();

		hook each_turn();
		}

	schedule turn_interval { take_turn(chain) };
	}

function start_learning(memory: bool)
	{
	learning = T;
	__start_learning(reservoir_rows, reservoir_half_life);

	if ( state == "" )
		open_state(state_dir);

	load_state(memory);
	}

# Changes of the options that say whether to learn.
function change_learning(on: bool, memory: bool)
	{
	if ( on )
		start_learning(memory);
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

	# Where the old disk hangs, another copy is not to wait for it: all is written to the new one.
	if ( ! is_new() && ! __busy() )
		save();

	open_state(value);
	load_state(is_new());

	local problem = __save_state(state_file("model"));

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
		change_learning(value == "", T);

	return value;
	}

function change_learn_after(id: string, value: count): count
	{
	return within(id, value, 100, 1000000000);
	}

function change_reservoir_rows(id: string, value: count): count
	{
	local rows = within(id, value, 256, 10000000);

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
	if ( ! takes_part() )
		return;

	Option::set_change_handler("IForest::learn", change_learn);
	Option::set_change_handler("IForest::model_file", change_model_file_learning, -5);
	Option::set_change_handler("IForest::reservoir_rows", change_reservoir_rows);
	Option::set_change_handler("IForest::reservoir_half_life", change_reservoir_half_life);
	Option::set_change_handler("IForest::learn_after", change_learn_after);
	Option::set_change_handler("IForest::state_dir", change_state_dir);

	# What is out of range from the start changes like what is set so later.
	if ( learn_after < 100 )
		Option::set("IForest::learn_after", learn_after);

	if ( reservoir_rows < 256 || reservoir_rows > 10000000 )
		Option::set("IForest::reservoir_rows", reservoir_rows);

	if ( ! (reservoir_half_life >= 1min) )
		Option::set("IForest::reservoir_half_life", reservoir_half_life);

	if ( learns() )
		{
		start_learning(T);

		if ( fits() && ! reading_traces() && ! has_model() )
			Reporter::info(fmt("IForest: learning what is usual here; connections are scored once %d were seen",
			                   learn_after));
		}

	turn_interval = at_least("IForest::learning_interval", learning_interval, 100msec);
	last_turn = clock();
	schedule turn_interval { take_turn(turns) };
	}

event zeek_done()
	{
	if ( ! takes_part() )
		return;

	if ( learns() )
		save();

	wait_for_background();
	}
