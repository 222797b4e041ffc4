##! The log of the models: each that was fitted, calibrated, loaded, published or refused, in iforest_model.log.

@load base/frameworks/logging

module IForest;

export {
	redef enum Log::ID += { LOG };

	## A default logging policy hook for the stream.
	global log_policy_model: Log::PolicyHook;

	## What became of a model.
	type Action: enum {
		## It was fitted on what was learnt here.
		FIT,
		## Its trees were kept, its threshold was set anew.
		RECALIBRATE,
		## It was loaded from a file or taken over from another node.
		LOAD,
		## It was sent to other nodes.
		PUBLISH,
		## A model or a sample was refused; what was there before stays.
		REFUSE,
	};

	## A line of iforest_model.log.
	type Info: record {
		## When it happened.
		ts: time &log;
		## What happened.
		action: Action &log;
		## Which model: the time it was fitted at. The later, the newer.
		version: time &log &optional;
		## The checksum of its file.
		checksum: string &log &optional;
		## How many connections it was learnt from.
		connections: count &log &optional;
		## How many rows of them its trees were grown from.
		rows: count &log &optional;
		## How many trees it has.
		trees: count &log &optional;
		## How many rows each tree was grown from.
		sample_size: count &log &optional;
		## Scores from here on are anomalous.
		threshold: double &log &optional;
		## How long the fit took, on a thread of its own.
		took: interval &log &optional;
		## How long it held packets up.
		pause: interval &log &optional;
		## The node or the file it came from or went to.
		peer: string &log &optional;
		## Why it was refused, or what else there is to say.
		message: string &log &optional;
	};

	## Raised for each line.
	global log_model: event(rec: Info);
}

# The time for a line: before the first packet of a trace the network has none.
function now(): time
	{
	return network_time() > double_to_time(1.0) ? network_time() : current_time();
	}

# A line about the model at work.
function about_model(action: Action): Info
	{
	local info = Info($ts=now(), $action=action);
	__describe(info);
	return info;
	}

function write_model(info: Info)
	{
	Log::write(LOG, info);
	}

function log_loaded(peer: string)
	{
	local info = about_model(LOAD);
	info$peer = peer;
	write_model(info);
	}

function log_refused(peer: string, message: string)
	{
	write_model(Info($ts=now(), $action=REFUSE, $peer=peer, $message=message));
	}

event zeek_init() &priority=5
	{
	Log::create_stream(LOG, Log::Stream($columns=Info, $ev=log_model, $path="iforest_model",
	                                    $policy=log_policy_model));
	}
