##! Learning in a cluster: one model on all nodes, fitted on what all of them see.
##!
##! Workers hand samples of their traffic to the manager, which merges and fits them and sends the model back. A message
##! that gets lost is made good within an :zeek:see:`IForest::learning_interval`: a worker sends its sample again until it
##! is acknowledged, and says with it which model it has; whoever has the newer one of two sends it. So neither a lost
##! message nor the restart of any node leaves one behind.

@load base/frameworks/cluster
@load ./learn
@load ./limits
@load ./log
@load ./node
@load ./state
@load ./warn

module IForest;

export {
	## How many rows a worker sends in a message, of about 100 bytes each.
	const sample_rows_per_message = 4096 &redef;

	## Worker to manager: a sample of what it has seen since the last one.
	##
	## node: The worker.
	##
	## run: Its present run, so that a restart is noticed.
	##
	## number: Which sample of that run.
	##
	## has: The version of the worker's model.
	##
	## sample: The sample.
	global sample: event(node: string, run: string, number: count, has: time, sample: string);

	## Manager to worker: the sample arrived.
	##
	## run: The run it came from.
	##
	## number: Which one it was.
	##
	## bound: The key from which on rows need not be sent.
	global sample_arrived: event(run: string, number: count, bound: double);

	## Manager to workers, or in reply to :zeek:see:`IForest::want_model`: a
	## model.
	##
	## node: The sender.
	##
	## model_version: Its version.
	##
	## checksum: Its checksum.
	##
	## model: Its file.
	global model: event(node: string, model_version: time, checksum: string, model: string);

	## Asks for a newer model than one's own.
	##
	## node: Who asks.
	global want_model: event(node: string);
}

# Whether this cluster has such a node: what is known of nodes is kept, and told of, by their names.
function is_known(node: string, sent: string): bool
	{
	if ( node in Cluster::nodes )
		return T;

	log_refused(node, fmt("%s of a node that this cluster does not have", sent));
	return F;
	}

function send_model(topic: string, peer: string)
	{
	local info = about_model(PUBLISH);

	if ( ! info?$version )
		return;

	info$peer = peer;
	write_model(info);
	Cluster::publish(topic, IForest::model, Cluster::node, info$version, info$checksum, __model_bytes());
	}

event IForest::model(node: string, model_version: time, checksum: string, model: string)
	{
	if ( ! learns() || ! takes_part() || ! is_known(node, "a model") )
		return;

	local before = version();

	# A manager holds no packets up: it has the model in its file before it is at work, and does not ask its workers to go
	# back to an older one when it dies and comes back.
	local problem = __adopt_model(model, checksum, state_file("model"), ! sees_connections());

	if ( problem != "" )
		log_refused(node, problem);

	warn(fmt("a model of %s", node),
	     problem == "" ? "" : fmt("from %s: %s; the model before it stays at work", node, problem));

	if ( version() != before )
		{
		log_loaded(node);
		last_fit = clock();
		}

	follow_up();
	}

event IForest::want_model(node: string)
	{
	if ( is_known(node, "a request") )
		send_model(Cluster::node_topic(node), node);
	}

@if ( Cluster::is_enabled() && Cluster::local_node_type() == Cluster::WORKER )

global run = unique_id("");
global number = 0;

global rows_per_message = sample_rows_per_message;

event zeek_init()
	{
	rows_per_message = within("IForest::sample_rows_per_message", sample_rows_per_message, 1, 10000000);
	}

# The sample that was sent last and is not acknowledged yet.
global pending = "";

function hand_over()
	{
	if ( pending == "" )
		{
		pending = __take_sample(rows_per_message);
		++number;
		}

	Cluster::publish(Cluster::manager_topic, IForest::sample, Cluster::node, run, number, version(), pending);
	}

hook each_turn()
	{
	hand_over();
	}

event IForest::sample_arrived(run_: string, number_: count, bound: double)
	{
	if ( run_ != run || number_ != number )
		return;

	pending = "";
	__set_sample_bound(bound);
	local statistics = Statistics();
	__statistics(statistics);

	# What did not fit in one message.
	if ( statistics$rows >= rows_per_message )
		hand_over();
	}

event Cluster::node_up(name: string, id: string)
	{
	if ( learns() && name in Cluster::nodes && Cluster::nodes[name]$node_type == Cluster::MANAGER )
		hand_over();
	}

@endif

@if ( Cluster::is_enabled() && Cluster::local_node_type() == Cluster::MANAGER )

# Of each worker, its run and the last sample that was merged.
global merged: table[string] of string;

# How long a manager without a model waits for the workers' before it fits one of its own.
const patience = 5min;
global started = current_time();

# The version of each worker's model, as it has said since.
global announced: table[string] of time;

# After what was here is lost, the workers have a model learnt from much, and perhaps a backlog that is just enough for
# one learnt from little. Theirs is asked for whenever they say they have one.
hook ready()
	{
	local waiting = F;

	for ( name, node in Cluster::nodes )
		if ( node$node_type == Cluster::WORKER && (name !in announced || announced[name] > version()) )
			waiting = T;

	if ( waiting && current_time() - started < patience )
		break;
	}

hook new_model()
	{
	send_model(Cluster::worker_topic, "workers");
	}

event Cluster::node_up(name: string, id: string)
	{
	if ( learns() && name in Cluster::nodes && Cluster::nodes[name]$node_type == Cluster::WORKER )
		send_model(Cluster::node_topic(name), name);
	}

# Where the network's time was ahead and came back, it stands still until the clock is there again, and with it all that is
# scheduled. The manager has its workers' messages to go by.
function catch_up()
	{
	local late = clock() - last_turn;

	if ( ! reading_traces() && (late > 3 * turn_interval || late < -1 * turn_interval) )
		event take_turn(++turns);
	}

event IForest::sample(node: string, run: string, number: count, has: time, sample: string)
	{
	if ( ! learns() || ! is_known(node, "a sample") )
		return;

	catch_up();
	announced[node] = has;
	local this = fmt("%s %d", run, number);

	if ( node !in merged || merged[node] != this )
		{
		local problem = __merge_sample(sample);
		merged[node] = this;

		if ( problem != "" )
			log_refused(node, problem);

		warn(fmt("a sample of %s", node), problem == "" ? "" : fmt("from %s: %s", node, problem));
		}

	Cluster::publish(Cluster::node_topic(node), IForest::sample_arrived, run, number, __sample_bound());

	if ( has < version() )
		send_model(Cluster::node_topic(node), node);
	else if ( has > version() )
		Cluster::publish(Cluster::node_topic(node), IForest::want_model, Cluster::node);

	fit_if_due();
	}

@endif
