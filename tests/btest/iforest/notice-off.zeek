# @TEST-DOC: Notice::ignored_types turns the notices off.
#
# @TEST-EXEC: iforest-zeek scored -r $DATA/lab-day1.pcap %INPUT
# @TEST-EXEC: ! grep Anomalous_Connection scored/notice.log
# @TEST-EXEC: column scored/conn.log anomaly_score | grep -q '^0'

@load IForest

redef IForest::threshold = 0.000001;
redef Notice::ignored_types += { IForest::Anomalous_Connection };
