##! What a node keeps in its state directory, to go on with after a restart.

@load base/frameworks/cluster
@load base/frameworks/reporter
@load ./background
@load ./log
@load ./main
@load ./node
@load ./warn

module IForest;

export {
	## The directory of what is to survive a restart: the model, the
	## reservoir, and what is remembered of hosts, in a directory for each
	## node. The empty string stands for
	## ``iforest`` in :zeek:see:`Cluster::default_store_dir`, which ZeekControl
	## sets to its ``spool/stores``; without that, for ``iforest`` in the
	## current directory; and for none when reading a trace file. Of two
	## Zeeks that share one, the second does not write there. After a
	## change at run time it goes on in the new one, with the newer model
	## of the two.
	option state_dir = "";

	## How often what was learnt is written to the state directory.
	const save_interval = 10min &redef;
}

# Where this node has its state; the empty string for nowhere.
global state = "";

# Whether this node may write there.
global state_is_ours = F;

global last_save = double_to_time(0.0);

# Where to write; the empty string for nowhere.
function state_file(name: string): string
	{
	return state_is_ours ? state + "/" + name : "";
	}

function state_base(directory: string): string
	{
	if ( directory != "" )
		return directory;

	if ( reading_traces() )
		return "";

	if ( Cluster::default_store_dir == "" )
		return "iforest";

	mkdir(Cluster::default_store_dir);
	return Cluster::default_store_dir + "/iforest";
	}

# Goes on in another directory; the empty string for none.
function use_state(own: string)
	{
	state = own;
	local problem = __open_state(own);
	state_is_ours = own != "" && problem == "";

	if ( problem != "" )
		Reporter::warning(fmt("IForest: what is learnt is not saved: %s", problem));

	follow_up();
	}

function open_state(directory: string)
	{
	local base = state_base(directory);
	use_state(base == "" ? "" : fmt("%s/%s", base, Cluster::is_enabled() ? Cluster::node : "zeek"));
	}

# The one that kept the directory may have ended.
function claim_state()
	{
	if ( state == "" || state_is_ours || __busy() )
		return;

	warn("claim", __claim_state());
	follow_up();
	}

hook background_ended(done: Done)
	{
	if ( done$what != "claimed" )
		return;

	state_is_ours = T;
	Reporter::info(fmt("IForest: %s is free: what is learnt is saved there from now on", state));
	}

# Writes what this node is to go on with: what it remembers, and on the node that fits, what it has learnt.
function save()
	{
	if ( ! state_is_ours )
		return;

	last_save = clock();
	local problem = __save_memory(state_file("memory"));

	if ( problem == "" && fits() )
		problem = __save_sample(state_file("sample"));

	warn("save", problem == "" ? "" : fmt("what was learnt is not saved: %s", problem));
	follow_up();
	}

function report_refusal(path: string, problem: string)
	{
	if ( problem == "" )
		return;

	log_refused(path, problem);
	Reporter::warning(fmt("IForest: %s", problem));
	}

# Goes on with what is in the state directory. What this run remembers of hosts is kept if it has anything worth it.
function load_state(memory: bool)
	{
	if ( state == "" )
		return;

	local before = version();
	local path = state + "/model";
	report_refusal(path, __load_state(path));

	if ( version() != before )
		log_loaded(path);

	path = state + "/memory";

	if ( memory )
		report_refusal(path, __load_memory(path));

	path = state + "/sample";

	if ( fits() )
		report_refusal(path, __load_sample(path));
	}

# Whether this run has nothing on disk yet, as before the first change of an option that a configuration file asks for.
function is_new(): bool
	{
	return last_save == double_to_time(0.0);
	}
