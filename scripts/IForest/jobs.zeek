##! Background jobs: fits, disk writes and file checks run on a background thread, so that packets do not wait for them.

@load base/frameworks/reporter
@load ./log_kinds
@load ./warn_once

module IForest;

export {
	## A finished background job.
	type Job: record {
		## The log that it was for.
		log: LogKind &default=CONN_LOG;
		## The kind of job.
		kind: JobKind &default=JOB_PENDING;
		## Its file or directory, if any.
		path: string &default="";
		## Its error, if any.
		problem: string &default="";
		## Time on the background thread.
		took: interval &default=0sec;
		## Time during which packet processing was held up.
		pause: interval &default=0sec;
	};
}

# True while a poll is scheduled.
global poll_scheduled = F;

# With a trace file no live traffic waits, so Zeek waits for results.
const trace_wait = 36500days;

# The longest time that a shutdown waits for a fit or a disk.
const shutdown_wait = 10sec;

# Runs for each finished job.
global job_finished: hook(job: Job);

# Returns the subject of warnings about fits.
function fit_of(log: LogKind): string
	{
	return fmt("fit of %s.log", log_name(log));
	}

# Handles the jobs that finish within the given time.
function apply_jobs(patience: interval)
	{
	local deadline = current_time() + patience;
	local job = Job();

	while ( __finished_job(deadline - current_time(), job) )
		{
		switch ( job$kind )
			{
			case JOB_FIT_FAILED:
				warn_once(fit_of(job$log), fmt("fitting a model of %s.log failed: %s", log_name(job$log), job$problem));
				break;
			case JOB_FITTED:
				warn_once(fit_of(job$log), "");
				warn_once(job$path, job$problem);
				break;
			case JOB_SAVED:
				warn_once(job$path, job$problem);
				break;
			}

		hook job_finished(job);
		job = Job();
		}
	}

function apply_finished_jobs()
	{
	apply_jobs(reading_traces() ? trace_wait : 0sec);
	}

event poll_finished_jobs()
	{
	apply_finished_jobs();
	poll_scheduled = __busy();

	if ( poll_scheduled )
		schedule 100msec { poll_finished_jobs() };
	}

# Files that are incomplete when Zeek ends are lost.
function wait_for_jobs()
	{
	apply_jobs(reading_traces() ? trace_wait : shutdown_wait);

	if ( __busy() )
		Reporter::warning(fmt("IForest: shutting down before a fit or a disk write finished within %s; rows learnt since the last save may be lost",
		                      shutdown_wait));
	}

# Handles finished jobs now, or on live traffic as they finish.
function poll_jobs()
	{
	if ( reading_traces() )
		apply_finished_jobs();

	else if ( ! poll_scheduled )
		{
		poll_scheduled = T;
		schedule 100msec { poll_finished_jobs() };
		}
	}
