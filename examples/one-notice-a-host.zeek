##! One notice an originator and hour, instead of one for each responder and port: a scan is one thing to look at, not a
##! thousand. conn.log keeps the score of every connection.

@load IForest

hook Notice::policy(n: Notice::Info)
	{
	if ( n$note == IForest::Anomalous_Connection && n?$src )
		{
		n$identifier = cat(n$src);
		n$suppress_for = 1hr;
		}
	}
