# @TEST-DOC: A changed model file is loaded at run time; a refused one leaves the previous model loaded.
#
# @TEST-EXEC: zeek-iforest --quiet train $DATA/lab-day1.conn.log --seed 1 -o first.model
# @TEST-EXEC: zeek-iforest --quiet train $DATA/lab-day1.conn.log --seed 2 -o second.model
# @TEST-EXEC: for model in first second; do mkdir $model && cd $model && zeek -C -r $DATA/lab-day1.pcap IForest IForest::model_file=../$model.model && cd .. || exit 1; done
#
# @TEST-EXEC: cp first.model model
# @TEST-EXEC: zeek -C -r $DATA/lab-day1.pcap %INPUT 2>stderr
# @TEST-EXEC: column reporter.log level message | sed 's/[0-9]\{4,\}/N/g' >output
# @TEST-EXEC: btest-diff output
#
# A row's score is closest to that by the loaded model, although the mean of its pair has scores by the previous one.
# The loaded models are the first, the second (while a damaged and a missing one are refused), and the first again.
# @TEST-EXEC: for run in first second .; do column $run/conn.log anomaly_score >$run/scores; done
# @TEST-EXEC: paste first/scores second/scores scores | awk 'function gap(a, b) { return a > b ? a - b : b - a } gap($1, $2) > 0.005 { now = gap($3, $1) < gap($3, $2) ? "first" : "second"; if (now != last) print now; last = now }' >turns
# @TEST-EXEC: btest-diff turns

@load IForest

redef IForest::model_file = "model";
redef IForest::model_check_interval = 1sec;

global n = 0;

function run_now(command: string)
	{
	piped_exec(command, "");
	}

event connection_state_remove(c: connection) &priority=-10
	{
	switch ( ++n )
		{
		case 200:
			run_now("cp second.model new && mv new model");
			break;
		case 500:
			run_now("head -c 1000 second.model >new && mv new model");
			break;
		case 700:
			run_now("rm model");
			break;
		case 900:
			run_now("cp first.model new && mv new model");
			break;
		}
	}
