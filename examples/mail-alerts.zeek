##! Sends every incident by mail, to Notice::mail_dest, as soon as it is raised. Mail needs Zeek to watch live traffic and a
##! sendmail on the machine; an incident read from a trace is logged only.

@load IForest

hook Notice::policy(n: Notice::Info)
	{
	if ( n$note == IForest::Incident )
		add n$actions[Notice::ACTION_EMAIL];
	}
