##! Learning in a cluster: one model on all nodes, fitted on the traffic of all workers.
##!
##! Workers send samples to the manager, which merges them, fits a model and sends it back. A lost message is repaired
##! within an :zeek:see:`IForest::learning_interval`: a worker repeats its sample until it is acknowledged, and announces
##! the version of its model; of two nodes, the one with the newer model sends it. A restarted node catches up likewise.

@load base/frameworks/cluster
@load ./cluster_role
@load ./learn
@load ./log
@load ./state
@load ./validate
@load ./warn_once

module IForest;

export {
	## The largest number of rows in a worker's message, of about 100 bytes
	## each.
	const sample_rows_per_message = 4096 &redef;

	## Worker to manager: rows since the last sample.
	##
	## node: The worker.
	##
	## run: An identifier of the worker's present run.
	##
	## number: The number of this sample within the run.
	##
	## has: The version of the worker's model.
	##
	## sample: The rows.
	global sample: event(node: string, run: string, number: count, has: count, sample: string);

	## Manager to worker: a sample has arrived.
	##
	## run: The run that it came from.
	##
	## number: The number of the sample.
	##
	## bound: The sampling key above which the manager takes no rows.
	global sample_arrived: event(run: string, number: count, bound: double);

	## Manager to workers, or an answer to :zeek:see:`IForest::want_model`: a
	## model.
	##
	## node: The sender.
	##
	## model_version: The model's version, in microseconds since 1970. A
	##                ``time`` would lose microseconds on the way.
	##
	## checksum: The checksum of the model's file.
	##
	## model: The contents of the model's file.
	global model: event(node: string, model_version: count, checksum: string, model: string);

	## Requests a newer model.
	##
	## node: The requesting node.
	global want_model: event(node: string);
}

# Checks the name of a sender; names of unknown nodes would fill the tables.
function is_known(node: string, sent: string): bool
	{
	if ( node in Cluster::nodes )
		return T;

	log_refused(node, fmt("%s from an unknown node", sent));
	return F;
	}

function node_type_of(name: string): Cluster::NodeType &is_used
	{
	return name in Cluster::nodes ? Cluster::nodes[name]$node_type : Cluster::NONE;
	}

function send_model(topic: string, peer: string)
	{
	if ( ! has_model() )
		return;

	local info = about_model(PUBLISH);
	info$peer = peer;
	write_model(info);
	Cluster::publish(topic, IForest::model, Cluster::node, __model_version(), info$checksum, __model_bytes());
	}

event IForest::model(node: string, model_version: count, checksum: string, model: string)
	{
	if ( ! learns() || ! is_learning_node() || ! is_known(node, "a model") )
		return;

	local before = __model_version();

	# The manager writes the model before loading it, so that it does not send an older one after a crash.
	local problem = __adopt_model(model, model_version, checksum, state_file("model"), ! sees_connections());

	if ( problem != "" )
		log_refused(node, problem);

	warn_once(fmt("a model of %s", node),
	          problem == "" ? "" : fmt("from %s: %s; the previous model stays loaded", node, problem));

	if ( __model_version() != before )
		{
		log_loaded(node);
		last_fit = clock();
		}

	poll_jobs();
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
	rows_per_message = clamp_count("IForest::sample_rows_per_message", sample_rows_per_message, 1, 10000000);
	}

# The last sample, until it is acknowledged.
global pending = "";

function send_sample()
	{
	if ( pending == "" )
		{
		pending = __take_sample(rows_per_message);
		++number;
		}

	Cluster::publish(Cluster::manager_topic, IForest::sample, Cluster::node, run, number, __model_version(), pending);
	}

hook each_turn()
	{
	send_sample();
	}

event IForest::sample_arrived(run_: string, number_: count, bound: double)
	{
	if ( run_ != run || number_ != number )
		return;

	pending = "";
	__set_sample_bound(bound);
	local statistics = Statistics();
	__statistics(statistics);

	# Send rows that did not fit in one message.
	if ( statistics$rows >= rows_per_message )
		send_sample();
	}

event Cluster::node_up(name: string, id: string)
	{
	if ( node_type_of(name) != Cluster::MANAGER )
		return;

	manager_connected = T;

	for ( _, refusal in early_refusals )
		Cluster::publish(Cluster::manager_topic, early_refusal, refusal);

	early_refusals = vector();

	if ( learns() )
		send_sample();
	}

@endif

@if ( Cluster::is_enabled() && Cluster::local_node_type() == Cluster::MANAGER )

event IForest::early_refusal(rec: Info)
	{
	if ( ! rec?$node || ! is_known(rec$node, "a refusal") )
		return;

	write_model(rec);
	Reporter::warning(fmt("IForest: %s: %s", rec$node, rec?$message ? rec$message : ""));
	}

# The run and number of each worker's last merged sample.
global merged: table[string] of string;

# The time that a manager without a model waits for the workers' models before it fits its own.
const patience = 5min;
global started = current_time();

# The version of each worker's model, as announced by its last sample.
global announced: table[string] of count;

# After a loss of its state, the manager must not replace the workers' model by one of few rows: it defers the first fit
# and requests their model when they announce it.
hook ready()
	{
	local waiting = F;

	for ( name, node in Cluster::nodes )
		if ( node$node_type == Cluster::WORKER && (name !in announced || announced[name] > __model_version()) )
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
	if ( learns() && node_type_of(name) == Cluster::WORKER )
		send_model(Cluster::node_topic(name), name);
	}

# Network time that ran ahead stands still, and scheduled events with it, until the clock catches up. Messages of workers
# then trigger the turns.
function catch_up()
	{
	local late = clock() - last_turn;

	if ( ! reading_traces() && (late > 3 * turn_interval || late < -1 * turn_interval) )
		event take_turn(++turn_generation);
	}

event IForest::sample(node: string, run: string, number: count, has: count, sample: string)
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

		warn_once(fmt("a sample of %s", node), problem == "" ? "" : fmt("from %s: %s", node, problem));
		}

	Cluster::publish(Cluster::node_topic(node), IForest::sample_arrived, run, number, __sample_bound());

	if ( has < __model_version() )
		send_model(Cluster::node_topic(node), node);
	else if ( has > __model_version() )
		Cluster::publish(Cluster::node_topic(node), IForest::want_model, Cluster::node);

	fit_if_due();
	}

@endif
