# @TEST-DOC: On live traffic a changed model file is loaded in the background.
#
# @TEST-EXEC: zeek-iforest --quiet train $DATA/lab-day1.conn.log --seed 1 -o model
# @TEST-EXEC: zeek-iforest --quiet train $DATA/lab-day1.conn.log --seed 2 -o second.model
# @TEST-EXEC: timeout -k 5 60 zeek %INPUT 2>stderr
# @TEST-EXEC: column iforest_model.log action >output
# @TEST-EXEC: column reporter.log level message | grep IForest | sed 's/[0-9]\{4,\}/N/g' >>output
# @TEST-EXEC: btest-diff output

@load IForest

redef exit_only_after_terminate = T;
redef IForest::model_file = "model";
redef IForest::score_dns = F;
redef IForest::model_check_interval = 1sec;

global n = 0;

event IForest::log_model(rec: IForest::Info)
	{
	switch ( ++n )
		{
		case 1:
			piped_exec("cp second.model new && mv new model", "");
			break;
		case 2:
			piped_exec("head -c 1000 second.model >new && mv new model", "");
			break;
		case 3:
			terminate();
			break;
		}
	}
