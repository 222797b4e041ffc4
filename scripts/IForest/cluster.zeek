##! Learning in a cluster: one model on all nodes, fitted on the traffic of all workers.
##!
##! Workers send samples of each log to the manager, which merges them, fits a model and sends it back. After a lost
##! message or a restart, nodes catch up within an :zeek:see:`IForest::learning_interval`: a worker repeats its sample
##! until it is acknowledged, and announces the version of its model; the node with the newer model sends it.

@load base/frameworks/cluster
@load ./cluster_role
@load ./learn
@load ./model_log
@load ./log_kinds
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
	## log: The log of the rows.
	##
	## node: The worker.
	##
	## run: An identifier of the worker's present run.
	##
	## number: The number of this sample within the run.
	##
	## model_version: The version of the worker's model.
	##
	## sample: The rows.
	global sample: event(log: LogKind, node: string, run: string, number: count, model_version: count, sample: string);

	## Manager to worker: a sample has arrived.
	##
	## log: The log of its rows.
	##
	## run: The run that it came from.
	##
	## number: The number of the sample.
	##
	## bound: The sampling key above which the manager takes no rows.
	global sample_arrived: event(log: LogKind, run: string, number: count, bound: double);

	## Manager to workers, or an answer to :zeek:see:`IForest::want_model`: a
	## model.
	##
	## log: The log that it scores.
	##
	## node: The sender.
	##
	## model_version: The model's version, in microseconds since 1970. A
	##                ``time`` would lose microseconds on the way.
	##
	## checksum: The checksum of the model's file.
	##
	## model: The contents of the model's file.
	global model: event(log: LogKind, node: string, model_version: count, checksum: string, model: string);

	## Requests a newer model.
	##
	## log: The log that it scores.
	##
	## node: The requesting node.
	global want_model: event(log: LogKind, node: string);
}

# Checks the name of a sender; names of unknown nodes would fill the tables.
function is_known(node: string, sent: string): bool
	{
	if ( node in Cluster::nodes )
		return T;

	log_refused_sender(node, fmt("%s from an unknown node", sent));
	return F;
	}

function send_model(log: LogKind, topic: string, peer: string)
	{
	if ( ! has_model(log) || __model_version(log) == 0 )
		return;

	local info = about_model(log, PUBLISH);
	info$peer = peer;
	write_model(info);
	Cluster::publish(topic, IForest::model, log, Cluster::node, __model_version(log), info$checksum, __model_bytes(log));
	}

event IForest::model(log: LogKind, node: string, model_version: count, checksum: string, model: string)
	{
	if ( ! learns(log) || ! is_learning_node() || ! is_known(node, "a model") )
		return;

	local before = __model_version(log);

	# The manager writes the model before loading it, so that it does not send an older one after a crash.
	local problem = __adopt_model(log, model, model_version, checksum, state_file(log, "model"), ! sees_connections());

	if ( problem != "" )
		log_refused(log, node, problem);

	warn_once(fmt("a model of %s.log of %s", log_name(log), node),
	          problem == "" ? "" : fmt("from %s: %s; the previous model stays loaded", node, problem));

	if ( __model_version(log) != before )
		{
		log_loaded(log, node);
		last_fit[log] = clock();
		}

	poll_jobs();
	}

event IForest::want_model(log: LogKind, node: string)
	{
	if ( is_known(node, "a request") )
		send_model(log, Cluster::node_topic(node), node);
	}

@if ( Cluster::is_enabled() && Cluster::local_node_type() == Cluster::WORKER )

global run_id = unique_id("");

# The number of each log's last sample.
global sample_numbers: table[LogKind] of count &default=0;

global rows_per_message = sample_rows_per_message;

event zeek_init()
	{
	rows_per_message = clamp_count("IForest::sample_rows_per_message", sample_rows_per_message, 1, 10000000);
	}

# Each log's last sample, until it is acknowledged.
global pending_samples: table[LogKind] of string;

function send_sample(log: LogKind)
	{
	if ( log !in pending_samples )
		{
		pending_samples[log] = __take_sample(log, rows_per_message);
		++sample_numbers[log];
		}

	Cluster::publish(Cluster::manager_topic, IForest::sample, log, Cluster::node, run_id, sample_numbers[log],
	                 __model_version(log), pending_samples[log]);
	}

function send_samples()
	{
	for ( log in learning_logs )
		send_sample(log);
	}

hook on_learning_tick()
	{
	send_samples();
	}

event IForest::sample_arrived(log: LogKind, run: string, number: count, bound: double)
	{
	if ( run != run_id || number != sample_numbers[log] )
		return;

	delete pending_samples[log];
	__set_sample_bound(log, bound);
	local statistics = Statistics();
	__statistics(log, statistics);

	# Send rows that did not fit in one message.
	if ( statistics$rows >= rows_per_message )
		send_sample(log);
	}

event Cluster::node_up(name: string, id: string)
	{
	if ( node_type_of(name) != Cluster::MANAGER )
		return;

	manager_connected = T;

	for ( _, refusal in early_refusals )
		Cluster::publish(Cluster::manager_topic, early_refusal, refusal);

	early_refusals = vector();

	send_samples();
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

# The run and number of each worker's last merged sample of a log.
global merged_samples: table[LogKind, string] of string;

# The time that a manager without a model waits for the workers' models before it fits its own.
const model_timeout = 5min;
global start_time = current_time();

# The version of each worker's model of a log, from its last sample.
global seen_versions: table[LogKind, string] of count;

# After a loss of its state, the manager must not replace the workers' model by one of few rows: it defers the first fit
# and requests their model when they announce it.
hook first_fit_policy(log: LogKind)
	{
	local waiting = F;

	for ( name, node in Cluster::nodes )
		if ( node$node_type == Cluster::WORKER &&
		     ([log, name] !in seen_versions || seen_versions[log, name] > __model_version(log)) )
			waiting = T;

	if ( waiting && current_time() - start_time < model_timeout )
		break;
	}

hook model_fitted(log: LogKind)
	{
	send_model(log, Cluster::worker_topic, "workers");
	}

event Cluster::node_up(name: string, id: string)
	{
	if ( node_type_of(name) != Cluster::WORKER )
		return;

	for ( log in learning_logs )
		send_model(log, Cluster::node_topic(name), name);
	}

# Runs an overdue tick. Network time never goes back: when a clock that ran ahead is corrected, scheduled events wait until
# real time has caught up.
function catch_up()
	{
	local late = clock() - last_tick;

	if ( ! reading_traces() && (late > 3 * tick_interval || late < -1 * tick_interval) )
		event learning_tick(++tick_generation);
	}

event IForest::sample(log: LogKind, node: string, run: string, number: count, model_version: count, sample: string)
	{
	if ( ! learns(log) || ! is_known(node, "a sample") )
		return;

	catch_up();
	seen_versions[log, node] = model_version;
	local this = fmt("%s %d", run, number);

	if ( [log, node] !in merged_samples || merged_samples[log, node] != this )
		{
		local problem = __merge_sample(log, sample);
		merged_samples[log, node] = this;

		if ( problem != "" )
			log_refused(log, node, problem);

		warn_once(fmt("a sample of %s.log of %s", log_name(log), node), problem == "" ? "" : fmt("from %s: %s", node, problem));
		}

	Cluster::publish(Cluster::node_topic(node), IForest::sample_arrived, log, run, number, __sample_bound(log));

	if ( model_version < __model_version(log) )
		send_model(log, Cluster::node_topic(node), node);
	else if ( model_version > __model_version(log) )
		Cluster::publish(Cluster::node_topic(node), IForest::want_model, log, Cluster::node);

	fit_if_due(log);
	}

@endif
