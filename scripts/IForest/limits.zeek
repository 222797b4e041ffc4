##! What makes no sense as an option or a setting: it is told of, and the nearest that does is taken instead.

@load base/frameworks/reporter

module IForest;

function within(id: string, value: count, least: count, most: count): count
	{
	if ( value >= least && value <= most )
		return value;

	local nearest = value < least ? least : most;
	Reporter::warning(fmt("IForest: %s is %d, which is too %s to learn from: %d is taken instead", id, value,
	                      value < least ? "few" : "many", nearest));
	return nearest;
	}

# What is no number, as a configuration file can have it, is less than any.
function at_least(id: string, value: interval, least: interval): interval
	{
	if ( value >= least )
		return value;

	Reporter::warning(fmt("IForest: %s is %s, which is too short: %s is taken instead", id, value, least));
	return least;
	}

function is_finite(value: double): bool
	{
	return value - value == 0.0;
	}
