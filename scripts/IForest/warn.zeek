##! Warnings that are given once: what stays wrong is told of again when it is for another reason, or has been right
##! meanwhile.

@load base/frameworks/reporter

module IForest;

# What was said last, by what it was about: a file, a node, something to do.
global said: table[string] of string;

# Tells what is wrong with something; the empty text stands for nothing.
function warn(about: string, problem: string)
	{
	if ( problem == "" )
		{
		delete said[about];
		return;
		}

	if ( about in said && said[about] == problem )
		return;

	said[about] = problem;
	Reporter::warning(fmt("IForest: %s", problem));
	}
