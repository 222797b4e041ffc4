##! Mails every incident to Notice::mail_dest as soon as it is raised; the subject is the incident's summary. This needs
##! live traffic and a sendmail program; an incident in a trace file is logged only.

@load IForest

module Site;

export {
	redef enum Notice::Action += { ACTION_MAIL_INCIDENT };
}

hook Notice::policy(n: Notice::Info)
	{
	if ( n$note == IForest::Incident )
		add n$actions[ACTION_MAIL_INCIDENT];
	}

# Zeek's own action for mail has the notice type as the subject, the same for every incident.
hook Notice::notice(n: Notice::Info)
	{
	if ( ACTION_MAIL_INCIDENT !in n$actions || reading_traces() || Notice::mail_dest == "" )
		return;

	local subject = gsub(n$msg, /[\r\n]+/, " ");
	local mail = Notice::email_headers(subject, Notice::mail_dest) + "\n" + n$msg + "\n";
	if ( n?$sub )
		mail += n$sub + "\n";
	piped_exec(Notice::sendmail + " -t -oi", mail);
	}
