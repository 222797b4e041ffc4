##! Incidents in a cluster: workers forward their additions to incidents, and the manager merges them.
##!
##! A worker sends one message at a time and repeats it until the manager confirms it, so a restart of the manager loses
##! no addition. The worker that opens an incident assigns its identifier; the manager passes it to the others.

@load base/frameworks/cluster
@load base/frameworks/reporter
@load ./cluster
@load ./incident
@load ./warn_once

module IForest;

export {
	## Worker to manager: additions to incidents since the last message.
	##
	## node: The worker.
	##
	## run: An identifier of the worker's present run.
	##
	## number: The number of the message within the run.
	##
	## content: The additions.
	global additions: event(node: string, run: string, number: count, content: string);

	## Manager to worker: additions have arrived.
	##
	## run: The run that they came from.
	##
	## number: The number of the message.
	##
	## names: Identifiers of incidents that the worker has to use.
	global additions_arrived: event(run: string, number: count, names: string);

	## The time without an answer of the manager after which a worker warns
	## that its incidents are neither logged nor reported.
	const manager_timeout = 30sec &redef;

	## Manager to workers: identifiers of incidents that have opened.
	global incident_names: event(names: string);
}

@if ( Cluster::is_enabled() && Cluster::local_node_type() == Cluster::WORKER )

# Incidents in one message, at most 10 kB each.
const incidents_per_message = 64;

# The pause between messages, and the interval after which one is sent even without additions, or repeated.
const send_pause = 100msec;
const send_interval = 10sec;

global additions_number = 0;

# The last message, until it is confirmed.
global unconfirmed = "";
global sent_at = double_to_time(0.0);
global unconfirmed_since = double_to_time(0.0);
global manager_missing = F;
global send_scheduled = F;

function send_additions()
	{
	if ( unconfirmed == "" )
		{
		unconfirmed = __take_additions(incidents_per_message, network_time());
		unconfirmed_since = current_time();
		++additions_number;
		}

	sent_at = current_time();
	Cluster::publish(Cluster::manager_topic, additions, Cluster::node, run_id, additions_number, unconfirmed);
	}

event send_next_additions()
	{
	send_scheduled = F;

	if ( unconfirmed == "" && ! zeek_is_terminating() )
		send_additions();
	}

function send_soon()
	{
	if ( unconfirmed != "" || send_scheduled )
		return;

	if ( current_time() - sent_at >= send_pause )
		{
		send_additions();
		return;
		}

	send_scheduled = T;
	schedule send_pause { send_next_additions() };
	}

hook incidents_changed()
	{
	send_soon();
	}

function report_missing_manager(why: string)
	{
	if ( manager_missing )
		return;

	manager_missing = T;
	Reporter::warning(fmt("IForest: %s: incidents of this worker are not logged and raise no notices until the manager is back; conn.log and dns.log are not affected",
	                      why));
	}

event IForest::additions_arrived(run: string, number: count, names: string)
	{
	if ( run != run_id || number != additions_number )
		return;

	unconfirmed = "";
	warn_once("names of incidents", __rename_incidents(names));

	if ( manager_missing )
		{
		manager_missing = F;
		Reporter::info("IForest: the manager confirms incidents again");
		}

	if ( __has_additions() )
		send_soon();
	}

event IForest::incident_names(names: string)
	{
	warn_once("names of incidents", __rename_incidents(names));
	}

event send_additions_regularly()
	{
	if ( zeek_is_terminating() )
		return;

	if ( unconfirmed == "" || current_time() - sent_at >= send_interval )
		send_additions();

	if ( unconfirmed != "" && current_time() - unconfirmed_since >= manager_timeout )
		report_missing_manager(fmt("the manager has not confirmed incidents for %s", manager_timeout));

	schedule send_interval { send_additions_regularly() };
	}

event Cluster::node_up(name: string, id: string)
	{
	if ( node_type_of(name) == Cluster::MANAGER )
		send_additions();
	}

event Cluster::node_down(name: string, id: string)
	{
	if ( node_type_of(name) == Cluster::MANAGER && ! zeek_is_terminating() )
		report_missing_manager("the manager is down");
	}

event zeek_init() &priority=-10
	{
	schedule send_interval { send_additions_regularly() };
	}

# Sends all additions at exit, without waiting for confirmations: Zeek has just ended all open connections.
event zeek_done()
	{
	while ( __has_additions() )
		{
		unconfirmed = "";
		send_additions();
		}
	}

@endif

@if ( Cluster::is_enabled() && Cluster::local_node_type() == Cluster::MANAGER )

# The run and number of each worker's last merged message, and the names it was answered with.
global merged_additions: table[string] of string;
global names_for: table[string] of string;

event IForest::additions(node: string, run: string, number: count, content: string)
	{
	if ( ! is_known(node, "incidents") )
		return;

	local this = fmt("%s %d", run, number);

	if ( node !in merged_additions || merged_additions[node] != this )
		{
		merged_additions[node] = this;
		local problem = __merge_additions(content);
		names_for[node] = problem == "" ? __renamings() : "";
		warn_once(fmt("incidents of %s", node), problem == "" ? "" : fmt("from %s: %s", node, problem));
		}

	Cluster::publish(Cluster::node_topic(node), additions_arrived, run, number, names_for[node]);
	local opened = __take_opened();

	if ( opened != "" )
		Cluster::publish(Cluster::worker_topic, incident_names, opened);

	report_incidents();
	}

@endif
