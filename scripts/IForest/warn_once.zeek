##! Suppresses a repeated warning until its text changes or the problem clears.

@load base/frameworks/reporter

module IForest;

# The last warning about each subject: a file, a node, or an activity.
global last_warning: table[string] of string;

# Warns about a subject. The empty string clears its last warning.
function warn_once(subject: string, problem: string)
	{
	if ( problem == "" )
		{
		delete last_warning[subject];
		return;
		}

	if ( subject in last_warning && last_warning[subject] == problem )
		return;

	last_warning[subject] = problem;
	Reporter::warning(fmt("IForest: %s", problem));
	}
