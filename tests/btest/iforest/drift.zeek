# @TEST-DOC: Persistent drift recalibrates the model; if that does not help, a notice is raised and the model is fitted again.
#
# @TEST-EXEC: zeek -C -r $DATA/lab-day2.pcap %INPUT
# @TEST-EXEC: column iforest_model.log action >output
# @TEST-EXEC: column notice.log note msg | grep Model_Drift | sed 's/index [0-9.]*/index N/' >>output
# @TEST-EXEC: btest-diff output

@load IForest

redef IForest::learn_after = 500;
redef IForest::score_dns = F;
redef IForest::refit_interval = 0sec;
redef IForest::drift_window = 8hrs;
# Every index counts as drift: the test is about the reaction.
redef IForest::drift_threshold = 0.0;
redef IForest::drift_patience = 8;
