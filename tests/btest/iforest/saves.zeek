# @TEST-DOC: A sensor saves what it learnt while it runs, not only at exit.
#
# @TEST-EXEC: zeek %INPUT >output
# @TEST-EXEC: btest-diff output

@load IForest

redef exit_only_after_terminate = T;
redef IForest::state_dir = "state";
redef IForest::learning_interval = 200msec;
redef IForest::save_interval = 1sec;

global checks = 0;

event check()
	{
	if ( file_size("state/zeek/memory") > 0.0 && file_size("state/zeek/sample") > 0.0 )
		print "saved";
	else if ( ++checks < 200 )
		{
		schedule 100msec { check() };
		return;
		}

	terminate();
	}

event zeek_init()
	{
	schedule 100msec { check() };
	}
