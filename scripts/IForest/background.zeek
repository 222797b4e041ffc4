##! What is done on a thread of its own, so that it holds no packets up: fits, files that are written, and looks at what may
##! have changed on disk.

@load base/frameworks/reporter
@load ./warn

module IForest;

export {
	## What came to an end in the background.
	type Done: record {
		## Which kind of thing.
		what: string &default="";
		## Which file or directory, if it was about one.
		path: string &default="";
		## What went wrong, if anything.
		problem: string &default="";
		## How long it took.
		took: interval &default=0sec;
		## How long it held packets up.
		pause: interval &default=0sec;
	};
}

# Whether the background will be looked at without being asked.
global looking = F;

# Reading a trace there are no packets to hold up, and what is under way takes as long as it takes.
const for_good = 36500days;

# A disk that hangs, or a long fit, holds a stop up for so long at most.
const last_wait = 10sec;

# Runs for whatever came to an end.
global background_ended: hook(done: Done);

function handle(done: Done)
	{
	if ( done$what == "not fitted" )
		warn("fit", fmt("no model could be fitted: %s", done$problem));

	if ( done$what == "fitted" )
		warn("fit", "");

	if ( done$what == "fitted" || done$what == "saved" )
		warn(done$path, done$problem);

	hook background_ended(done);
	}

function handle_done()
	{
	local done = Done();

	while ( __finished(reading_traces() ? for_good : 0sec, done) )
		{
		handle(done);
		done = Done();
		}
	}

event look_at_background()
	{
	handle_done();
	looking = __busy();

	if ( looking )
		schedule 100msec { look_at_background() };
	}

# What is half-written when Zeek ends is lost.
function wait_for_background()
	{
	local until = current_time() + (reading_traces() ? for_good : last_wait);
	local done = Done();

	while ( __finished(until - current_time(), done) )
		{
		warn(done$path, done$problem);
		done = Done();
		}

	if ( __busy() )
		Reporter::warning(fmt("IForest: what was learnt since it was last saved may be lost: a fit or a disk takes longer than %s",
		                      last_wait));
	}

function follow_up()
	{
	if ( reading_traces() )
		handle_done();

	else if ( ! looking )
		{
		looking = T;
		schedule 100msec { look_at_background() };
		}
	}
