##! Known activity: a list of expected traffic, read from a file through Zeek's Input framework.

@load base/frameworks/cluster
@load base/frameworks/input
@load base/frameworks/reporter
@load ./cluster_role
@load ./incident
@load ./warn_once

module IForest;

export {
	## A list of known activity, in the format of Zeek's Input framework with
	## the columns *originator*, *responder*, *port*, *kind*, *until*,
	## *owner* and *note*. Records that it covers are scored and count as
	## context, but open no incident. The file is read again when it changes.
	## If it has an error, the previous list stays. In a cluster the manager
	## reads it. The empty string selects none.
	option known_file = "";

	## Manager to workers: the list of known activity.
	##
	## entries: The lines of the file.
	global known_activity: event(entries: string);
}

# A line of the file, and one of the list that is being read.
type KnownLine: record { line: string; };
global known_lines: vector of string;

# The list in force.
global known_list = "";

# Increases with each change of the file's name and each attempt to read it. Each attempt has a stream of its own, because
# a removed one still delivers lines.
global known_reads = 0;

# True once the file has been read.
global known_is_read = F;

# True after the first attempt to read the file.
global known_was_tried = F;

# True while a trace file waits for the first list.
global waits_for_known = F;

function known_stream(): string
	{
	return fmt("iforest_known %d", known_reads);
	}

event known_line(description: Input::EventDescription, tpe: Input::Event, line: string)
	{
	if ( description$name == known_stream() )
		known_lines += line;
	}

# Warns of a list that covers nothing.
function check_known()
	{
	local problem = known_is_read ? __known_problem() : "";
	warn_once("known entries", problem == "" ? "" : fmt("%s: %s", known_file, problem));
	}

# Returns what applies while the file cannot be used.
function kept_list(): string
	{
	return known_list == "" ? "no known activity is applied" : "the previous list is still used";
	}

# Returns true if the list can be used.
function use_known(list: string): bool
	{
	local problem = __set_known(list);

	if ( problem != "" )
		{
		warn_once("known", fmt("%s: %s; %s", known_file, problem, kept_list()));
		return F;
		}

	warn_once("known", "");
	known_list = list;

	if ( Cluster::is_enabled() )
		Cluster::publish(Cluster::worker_topic, known_activity, known_list);

	return T;
	}

function resume_processing()
	{
	if ( waits_for_known )
		{
		waits_for_known = F;
		continue_processing();
		}
	}

event Input::end_of_data(name: string, source: string)
	{
	if ( name != known_stream() )
		return;

	local lines = known_lines;
	known_lines = vector();

	if ( use_known(join_string_vec(lines, "\n")) )
		{
		if ( known_was_tried )
			Reporter::info(fmt("IForest: %s: loaded the changed list", known_file));

		known_is_read = T;
		check_known();
		}

	known_was_tried = T;
	resume_processing();
	}

global reading_known = F;

# Zeek removes the reader of a file that is missing, even for a moment. Another one starts when the file is there.
event known_unreadable(description: Input::EventDescription, message: string, level: Reporter::Level)
	{
	if ( level != Reporter::ERROR || ! reading_known || description$name != known_stream() )
		return;

	reading_known = F;
	resume_processing();
	}

function read_known(path: string)
	{
	reading_known = file_size(path) >= 0.0;

	if ( ! reading_known )
		{
		known_was_tried = T;
		warn_once("known", fmt("%s: cannot be read; %s until it can be", path, kept_list()));
		return;
		}

	warn_once("known", "");
	++known_reads;
	Input::add_event(Input::EventDescription($source=path, $name=known_stream(), $reader=Input::READER_RAW,
	                                         $mode=Input::REREAD, $fields=KnownLine, $want_record=F, $ev=known_line,
	                                         $error_ev=known_unreadable));
	}

# The file is read when it appears.
event check_known_file()
	{
	# Zeek runs scheduled events at exit as well; in a short trace, records have arrived only then.
	check_known();

	if ( zeek_is_terminating() )
		return;

	if ( known_file != "" && ! reading_known )
		read_known(known_file);

	schedule 10sec { check_known_file() };
	}

function change_known_file(id: string, value: string): string
	{
	if ( value == known_file )
		return value;

	if ( reading_known )
		Input::remove(known_stream());

	# The lines of the previous file that are still on their way do not count.
	++known_reads;
	known_lines = vector();
	known_is_read = F;
	reading_known = F;

	if ( value == "" )
		use_known("");
	else
		read_known(value);

	if ( ! reading_known )
		resume_processing();

	return value;
	}

event zeek_init() &priority=-5
	{
	if ( ! is_central_node() )
		return;

	Option::set_change_handler("IForest::known_file", change_known_file);

	if ( known_file != "" )
		{
		read_known(known_file);

		# Otherwise a trace could end before the file is read.
		if ( reading_traces() && reading_known )
			{
			waits_for_known = T;
			suspend_processing();
			}
		}

	schedule 10sec { check_known_file() };
	}

@if ( Cluster::is_enabled() && Cluster::local_node_type() == Cluster::MANAGER )

event Cluster::node_up(name: string, id: string)
	{
	if ( node_type_of(name) == Cluster::WORKER )
		Cluster::publish(Cluster::node_topic(name), known_activity, known_list);
	}

@endif

@if ( Cluster::is_enabled() && Cluster::local_node_type() == Cluster::WORKER )

event known_activity(entries: string)
	{
	warn_once("known", __set_known(entries));
	}

@endif
