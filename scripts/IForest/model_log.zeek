##! The log of models, iforest_model.log: a line for each model that is fitted, recalibrated, loaded, published or refused.

@load base/frameworks/cluster
@load base/frameworks/logging
@load base/frameworks/reporter
@load ./log_kinds
@load ./warn_once

module IForest;

export {
	redef enum Log::ID += { LOG };

	## A default logging policy hook for the stream.
	global log_policy_model: Log::PolicyHook;

	## An event in the life of a model.
	type Action: enum {
		## It was fitted on rows learnt here.
		FIT,
		## Its threshold was derived anew; its trees stayed.
		RECALIBRATE,
		## It was loaded from a file or from another node.
		LOAD,
		## It was sent to other nodes.
		PUBLISH,
		## A model or a sample was refused; the previous model stays loaded.
		REFUSE,
	};

	## A line of iforest_model.log.
	type Info: record {
		## The time of the event.
		ts: time &log;
		## The event.
		action: Action &log;
		## The model's version: the time of its fit.
		version: time &log &optional;
		## The checksum of the model's file.
		checksum: string &log &optional;
		## The number of connections, or queries, it was learnt from.
		connections: count &log &optional;
		## The number of rows it was fitted on.
		rows: count &log &optional;
		## The number of its trees.
		trees: count &log &optional;
		## The number of rows per tree.
		sample_size: count &log &optional;
		## The model's own alert threshold.
		threshold: double &log &optional;
		## The duration of the fit on the background thread.
		took: interval &log &optional;
		## The time during which the fit held up packet processing.
		pause: interval &log &optional;
		## The node or file that the model came from or went to.
		peer: string &log &optional;
		## The reason for a refusal, or a warning.
		message: string &log &optional;
		## The cluster node that this happened on.
		node: string &log &optional;
		## The Zeek version that a sensor fitted it under.
		zeek_version: string &log &optional;
		## The log that it scores: *conn* or *dns*.
		log: string &log &optional;
	};

	## Raised for each line.
	global log_model: event(rec: Info);

	## Worker to manager: a refusal from before the two were connected, when
	## the worker's log lines are lost.
	global early_refusal: event(rec: Info);
}

# Refusals on a worker before it is connected to the manager.
global early_refusals: vector of Info;
global manager_connected = F;

# The time for a line; before the first packet of a trace there is no network time.
function now(): time
	{
	return network_time() > double_to_time(1.0) ? network_time() : current_time();
	}

function new_info(action: Action): Info
	{
	local info = Info($ts=now(), $action=action);

	if ( Cluster::is_enabled() )
		info$node = Cluster::node;

	return info;
	}

# Returns a line about the loaded model of a log.
function about_model(log: LogKind, action: Action): Info
	{
	local info = new_info(action);
	info$log = log_name(log);
	__describe(log, info);
	return info;
	}

function write_model(info: Info)
	{
	Log::write(LOG, info);
	}

function log_loaded(log: LogKind, peer: string)
	{
	local info = about_model(log, LOAD);
	info$peer = peer;
	local problem = "";

	if ( info?$zeek_version && info$zeek_version != zeek_version() )
		{
		problem = fmt("learnt under Zeek %s, this is Zeek %s: scores can shift until the next fits", info$zeek_version,
		              zeek_version());
		info$message = problem;
		}

	write_model(info);
	warn_once("zeek_version", problem);
	}

# Logs the refusal of a message from an unknown sender.
function log_refused_sender(peer: string, message: string)
	{
	local info = new_info(REFUSE);
	info$peer = peer;
	info$message = message;
	write_model(info);
	}

function log_refused(log: LogKind, peer: string, message: string)
	{
	local info = new_info(REFUSE);
	info$log = log_name(log);
	info$peer = peer;
	info$message = message;
	write_model(info);

	if ( Cluster::is_enabled() && Cluster::local_node_type() == Cluster::WORKER && ! manager_connected )
		early_refusals += info;
	}

# Logs the refusal of a file and warns of it.
function report_refusal(log: LogKind, path: string, problem: string)
	{
	if ( problem == "" )
		return;

	log_refused(log, path, problem);
	Reporter::warning(fmt("IForest: %s", problem));
	}

event zeek_init() &priority=5
	{
	Log::create_stream(LOG, Log::Stream($columns=Info, $ev=log_model, $path="iforest_model",
	                                    $policy=log_policy_model));
	}
