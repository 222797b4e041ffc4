# @TEST-DOC: The model is fitted again after each refit_interval.
#
# @TEST-EXEC: zeek -C -r $DATA/lab-day2.pcap %INPUT
# @TEST-EXEC: column iforest_model.log action | uniq -c | awk '{ print $2, ($1 >= 4) }' >output
# @TEST-EXEC: btest-diff output
# @TEST-EXEC: column iforest_model.log version | sort -c -u
# @TEST-EXEC: column iforest_model.log connections | sort -n -c -u
# @TEST-EXEC: column iforest_model.log pause | awk '$1 <= 0 { bad = 1 } END { exit bad }'

@load IForest

redef IForest::learn_after = 500;
redef IForest::score_dns = F;
redef IForest::refit_interval = 2hr;
redef IForest::drift_threshold = 1000.0;
