##! Incidents: alerts and accumulated evidence of one actor, grouped until the actor is quiet. They are logged in
##! anomaly_incident.log and raise a notice; anomaly_host.log ranks hosts by risk.
##!
##! A standalone Zeek groups by itself. In a cluster the workers forward what they add to incidents, and the manager
##! groups, logs and raises notices; see ``incident_cluster.zeek``.

@load base/frameworks/logging
@load base/frameworks/notice
@load base/utils/site
@load ./cluster_role
@load ./model_log
@load ./main
@load ./notice
@load ./validate

module IForest;

export {
	redef enum Log::ID += { INCIDENT_LOG, HOST_LOG };

	## Default logging policy hooks for the streams.
	global log_policy_incident: Log::PolicyHook;
	global log_policy_host: Log::PolicyHook;

	redef enum Notice::Type += {
		## An incident opened, or became more severe. An incident of kind
		## *other* is reported up to a minute after it opened, unless it gets
		## another kind earlier.
		Incident,
	};

	redef record Conn::Info += {
		## The identifier of the incident that the connection belongs to.
		anomaly_incident: string &log &optional;
	};

	## The time without a record after which an incident closes, at least a
	## minute.
	option incident_timeout = 1hr;

	## The interval between two lines of a host in anomaly_host.log, at least
	## a minute.
	const host_interval = 1hr &redef;

	## A line of anomaly_incident.log.
	type IncidentInfo: record {
		## The time of the event.
		ts: time &log;
		## The event: *opened*, *changed* (the kind changed, or the records
		## grew tenfold), *closed*, or *merged* (it became part of another
		## incident).
		status: string &log &default="";
		## The identifier.
		id: string &log &default="";
		## The incident that it became part of.
		merged_into: string &log &optional;
		## The start of its first record.
		start: time &log &optional;
		## The end of its last record.
		last: time &log &optional;
		## The originator, or the responder where many originators attack
		## one target.
		actor: addr &log &optional;
		## The kind of activity.
		kind: string &log &default="";
		## The score that orders incidents, between 0 and 1.
		score: double &log &default=0.0;
		## The number of records.
		records: count &log &default=0;
		## The number of records that alerted.
		alerts: count &log &default=0;
		## The responders, or the originators if the actor is the target of
		## many; up to 64.
		targets: vector of addr &log &optional;
		## The number of targets; an estimate above 64.
		targets_total: count &log &default=0;
		## Ports of the responders, up to 64.
		ports: vector of string &log &optional;
		## The number of ports; an estimate above 64.
		ports_total: count &log &default=0;
		## Identifiers of connections of its records, up to ten.
		uids: vector of string &log &optional;
		## The main reasons in words.
		reasons: vector of string &log &optional;
		## A summary in one sentence.
		summary: string &log &default="";
		## ATT&CK techniques that the kind implies.
		attack: vector of string &log &optional;
		## The lines for :zeek:see:`IForest::known_file` that cover the
		## incident.
		known_lines: string &default="";
		## True if the event is worth a notice.
		escalates: bool &default=F;
		## True if the actor is the target of many originators.
		is_target: bool &default=F;
	};

	redef record Notice::Info += {
		## The identifier of the incident that the notice is about.
		anomaly_incident: string &log &optional;
		## The incident, for notice policies.
		incident: IncidentInfo &optional;
	};

	## Raised for each line of anomaly_incident.log.
	global log_incident: event(rec: IncidentInfo);

	## A line of anomaly_host.log.
	type HostRiskInfo: record {
		## The time of the line.
		ts: time &log &optional;
		## The host.
		host: addr &log &optional;
		## The sum of the contributions, each halved every day.
		risk: double &log &default=0.0;
		## The incidents that contribute to the risk, the largest first.
		incidents: vector of string &log &optional;
		## Their kinds.
		kinds: vector of string &log &optional;
		## Their contributions to the risk.
		parts: vector of double &log &optional;
	};

	## Raised for each line of anomaly_host.log.
	global log_host: event(rec: HostRiskInfo);
}

# The interval between checks for incidents that have been quiet, or have waited long enough for their kind.
const close_interval = 10sec;

type RiskRows: vector of HostRiskInfo;

# A remote actor cannot use up the notices of local ones.
function is_remote(incident: IncidentInfo): bool
	{
	if ( incident$is_target )
		return incident$kind != "outage";

	return ! Site::is_local_addr(incident$actor) && ! Site::is_private_addr(incident$actor);
	}

function raise_notice(incident: IncidentInfo)
	{
	if ( ! take_token(fmt("incidents of %s actors", is_remote(incident) ? "remote" : "local"), Incident) )
		return;

	# Repetitions are escalations, which suppression would hide.
	local notice = Notice::Info($note=Incident, $msg=fmt("%s: %s", incident$kind, incident$summary),
	                            $anomaly_incident=incident$id, $incident=incident,
	                            $identifier=fmt("%s %s %d", incident$id, incident$kind, incident$records));

	local reasons = join_string_vec(incident$reasons, "; ");

	if ( reasons != "" )
		notice$sub = reasons;

	if ( |incident$uids| > 0 )
		notice$uid = incident$uids[0];

	# An incident of a target has many originators.
	if ( incident$is_target )
		notice$dst = incident$actor;
	else
		{
		notice$src = incident$actor;

		if ( |incident$targets| == 1 )
			notice$dst = incident$targets[0];
		}

	NOTICE(notice);
	}

# Logs the changes of incidents, and raises notices.
function report_incidents()
	{
	local incident = IncidentInfo($ts=now());

	while ( __next_incident(incident) )
		{
		Log::write(INCIDENT_LOG, incident);

		if ( incident$escalates )
			raise_notice(incident);

		incident = IncidentInfo($ts=now());
		}
	}

# Runs when incidents of this node have changed.
global incidents_changed: hook();

hook incidents_changed()
	{
	if ( is_central_node() )
		report_incidents();
	}

event close_quiet_incidents()
	{
	if ( zeek_is_terminating() )
		return;

	if ( __close_incidents(network_time(), F) )
		hook incidents_changed();

	schedule close_interval { close_quiet_incidents() };
	}

global host_pause = host_interval;

function write_host_risks()
	{
	local rows: RiskRows = vector();
	__host_risks(rows);

	for ( _, row in rows )
		{
		row$ts = now();
		Log::write(HOST_LOG, row);
		}
	}

event next_host_risks()
	{
	if ( zeek_is_terminating() )
		return;

	write_host_risks();
	schedule host_pause { next_host_risks() };
	}

function change_incident_timeout(id: string, value: interval): interval
	{
	local quiet = at_least(id, value, 1min);
	__set_incident_timeout(quiet);
	return quiet;
	}

event zeek_init() &priority=5
	{
	Log::create_stream(INCIDENT_LOG, Log::Stream($columns=IncidentInfo, $ev=log_incident, $path="anomaly_incident",
	                                             $policy=log_policy_incident));
	Log::create_stream(HOST_LOG, Log::Stream($columns=HostRiskInfo, $ev=log_host, $path="anomaly_host",
	                                         $policy=log_policy_host));
	}

event zeek_init()
	{
	if ( ! is_learning_node() )
		return;

	Option::set_change_handler("IForest::incident_timeout", change_incident_timeout);
	__start_incidents(incident_timeout, ! is_central_node());

	if ( ! (incident_timeout >= 1min) )
		Option::set("IForest::incident_timeout", incident_timeout);

	# The manager closes by the clocks of the workers, which can read traces.
	if ( sees_connections() )
		schedule close_interval { close_quiet_incidents() };

	if ( is_central_node() )
		{
		host_pause = at_least("IForest::host_interval", host_interval, 1min);
		schedule host_pause { next_host_risks() };
		}
	}

# After the last connection.
event zeek_done()
	{
	if ( ! is_central_node() )
		return;

	__close_incidents(network_time(), T);
	report_incidents();
	write_host_risks();
	}
