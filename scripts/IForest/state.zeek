##! The state directory, which lets a restarted node continue with its model, its reservoir and its host context.

@load base/frameworks/cluster
@load base/frameworks/reporter
@load ./cluster_role
@load ./jobs
@load ./model_log
@load ./log_kinds
@load ./main
@load ./warn_once

module IForest;

export {
	## The directory for models, reservoirs and host context, with a
	## subdirectory per node. The empty string selects ``iforest`` in
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
global node_state_dir = "";

# True while this node has the directory locked and may write there.
global state_locked = F;

global last_save = double_to_time(0.0);

# The directories that this process has saved to.
global saved_dirs: set[string];

# Returns the path of a file of a log.
function state_path(log: LogKind, name: string): string
	{
	return node_state_dir + (log == CONN_LOG ? "/" : fmt("/%s-", log_name(log))) + name;
	}

# Returns the path to write to, or the empty string.
function state_file(log: LogKind, name: string): string
	{
	return state_locked ? state_path(log, name) : "";
	}

function base_state_dir(directory: string): string
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
function switch_state(own: string)
	{
	node_state_dir = own;
	local problem = __open_state(own);
	state_locked = own != "" && problem == "";

	if ( problem != "" )
		Reporter::warning(fmt("IForest: state is not saved: %s", problem));

	poll_jobs();
	}

function open_state(directory: string)
	{
	local base = base_state_dir(directory);
	switch_state(base == "" ? "" : fmt("%s/%s", base, Cluster::is_enabled() ? Cluster::node : "zeek"));
	}

# Locks the directory if another process has released it, or if it was removed.
function lock_state()
	{
	if ( node_state_dir == "" )
		return;

	warn_once("lock", __lock_state());
	poll_jobs();
	}

# Saves the host context of each log that is learnt from, and on the node that fits, the reservoir.
function save()
	{
	if ( ! state_locked )
		return;

	last_save = clock();
	add saved_dirs[node_state_dir];
	local problem = "";

	for ( _, log in scored_logs )
		{
		if ( log !in learning_logs )
			next;

		if ( problem == "" )
			problem = __save_context(log, state_file(log, "memory"));

		if ( problem == "" && is_central_node() )
			problem = __save_sample(log, state_file(log, "sample"));
		}

	warn_once("save", problem == "" ? "" : fmt("state is not saved: %s", problem));
	poll_jobs();
	}

# Loads the saved model of a log if it is newer than the loaded one.
function load_saved_model(log: LogKind)
	{
	local before = __model_version(log);
	local path = state_path(log, "model");
	report_refusal(log, path, __load_saved_model(log, path));

	if ( __model_version(log) != before )
		report_load(log, path, "");
	}

hook job_finished(job: Job)
	{
	if ( job$kind != JOB_LOCKED )
		return;

	local was_removed = state_locked;
	state_locked = T;

	if ( was_removed )
		Reporter::warning(fmt("IForest: %s was removed; created it again", node_state_dir));
	else
		Reporter::info(fmt("IForest: %s is no longer locked; saving state there", node_state_dir));

	for ( log in learning_logs )
		{
		load_saved_model(log);
		warn_once("save", __save_model(log, state_file(log, "model")));
		}

	# Otherwise the process that had the directory has just saved there.
	if ( was_removed )
		save();
	}

# Loads the saved model of a log, with *context* replaces the host context, and with *sample* merges the reservoir.
function load_state(log: LogKind, context: bool, sample: bool)
	{
	if ( node_state_dir == "" )
		return;

	load_saved_model(log);
	local path = state_path(log, "memory");

	if ( context )
		report_refusal(log, path, __load_context(log, path));

	path = state_path(log, "sample");

	if ( is_central_node() && sample )
		report_refusal(log, path, __load_sample(log, path));
	}

# Returns true before the first save: a configuration file may change options right after the start.
function is_before_first_save(): bool
	{
	return |saved_dirs| == 0;
	}
