##! Sends every incident by mail to Notice::mail_dest, as soon as it is raised. This needs live traffic and a sendmail
##! program; an incident in a trace file is logged only.

@load IForest

hook Notice::policy(n: Notice::Info)
	{
	if ( n$note == IForest::Incident )
		add n$actions[Notice::ACTION_EMAIL];
	}
