# @TEST-DOC: Without a model and with learning off there is one message and no score.
#
# @TEST-EXEC: plain-zeek plain -r $DATA/lab-day1.pcap
# @TEST-EXEC: zeek -C -r $DATA/lab-day1.pcap %INPUT
# @TEST-EXEC: same-logs plain .
# @TEST-EXEC: column reporter.log level message >output
# @TEST-EXEC: column conn.log anomaly_score | sort -u >>output
# @TEST-EXEC: btest-diff output

@load IForest

redef IForest::learn = F;
