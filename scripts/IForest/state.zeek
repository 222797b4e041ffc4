##! The state directory, which lets a restarted node continue with its model, its reservoir and its host context.

@load base/frameworks/cluster
@load base/frameworks/reporter
@load ./cluster_role
@load ./jobs
@load ./log
@load ./main
@load ./warn_once

module IForest;

export {
	## The directory for the model, the reservoir and the host context, with
	## a subdirectory per node. The empty string selects ``iforest`` in
	## :zeek:see:`Cluster::default_store_dir`, which ZeekControl sets to
	## ``spool/stores``; if that is not set, ``iforest`` in the current
	## directory; and none when reading a trace file. A second Zeek on the
	## same directory does not write there. After a change at run time, the
	## newer model of the two directories is loaded.
	option state_dir = "";

	## The interval between two saves of what was learnt.
	const save_interval = 10min &redef;
}

# This node's directory, or the empty string.
global state = "";

# True while this node has the directory locked and may write there.
global state_locked = F;

global last_save = double_to_time(0.0);

# Returns the path to write to, or the empty string.
function state_file(name: string): string
	{
	return state_locked ? state + "/" + name : "";
	}

function state_base(directory: string): string
	{
	# ``zeekctl check`` must not open, lock or create state.
	if ( getenv("ZEEKCTL_CHECK_CONFIG") != "" )
		return "";

	if ( directory != "" )
		return directory;

	if ( reading_traces() )
		return "";

	if ( Cluster::default_store_dir == "" )
		return "iforest";

	mkdir(Cluster::default_store_dir);
	return Cluster::default_store_dir + "/iforest";
	}

# Switches to a directory; the empty string selects none.
function use_state(own: string)
	{
	state = own;
	local problem = __open_state(own);
	state_locked = own != "" && problem == "";

	if ( problem != "" )
		Reporter::warning(fmt("IForest: state is not saved: %s", problem));

	poll_jobs();
	}

function open_state(directory: string)
	{
	local base = state_base(directory);
	use_state(base == "" ? "" : fmt("%s/%s", base, Cluster::is_enabled() ? Cluster::node : "zeek"));
	}

# Locks the directory if another process has released it, or if it was removed.
function lock_state()
	{
	if ( state == "" || __busy() )
		return;

	warn_once("lock", __lock_state());
	poll_jobs();
	}

# Saves the host context, and on the node that fits, the reservoir.
function save()
	{
	if ( ! state_locked )
		return;

	last_save = clock();
	local problem = __save_context(state_file("memory"));

	if ( problem == "" && fits() )
		problem = __save_sample(state_file("sample"));

	warn_once("save", problem == "" ? "" : fmt("state is not saved: %s", problem));
	poll_jobs();
	}

hook job_finished(job: Job)
	{
	if ( job$kind != JOB_LOCKED )
		return;

	if ( ! state_locked )
		{
		state_locked = T;
		Reporter::info(fmt("IForest: %s is free now; saving state there", state));
		return;
		}

	Reporter::warning(fmt("IForest: %s was removed; created it again", state));
	warn_once("save", __save_model(state_file("model")));
	save();
	}

function report_refusal(path: string, problem: string)
	{
	if ( problem == "" )
		return;

	log_refused(path, problem);
	Reporter::warning(fmt("IForest: %s", problem));
	}

# Loads the saved model and reservoir, and with *context* replaces the host context.
function load_state(context: bool)
	{
	if ( state == "" )
		return;

	local before = __model_version();
	local path = state + "/model";
	report_refusal(path, __load_saved_model(path));

	if ( __model_version() != before )
		report_load(path, "");

	path = state + "/memory";

	if ( context )
		report_refusal(path, __load_context(path));

	path = state + "/sample";

	if ( fits() )
		report_refusal(path, __load_sample(path));
	}

# Returns true before the first save: a configuration file may change options right after the start.
function is_new(): bool
	{
	return last_save == double_to_time(0.0);
	}
