##! Validation of options and constants: clamps invalid values and warns.

@load base/frameworks/reporter

module IForest;

function clamp_count(id: string, value: count, least: count, most: count): count
	{
	if ( value >= least && value <= most )
		return value;

	local nearest = value < least ? least : most;
	Reporter::warning(fmt("IForest: %s is %d, outside %d to %d; using %d", id, value, least, most, nearest));
	return nearest;
	}

function clamp_double(id: string, value: double, least: double, most: double): double
	{
	if ( value >= least && value <= most )
		return value;

	# NaN, which configuration files can contain, becomes the least value.
	local nearest = value > most ? most : least;
	Reporter::warning(fmt("IForest: %s is %s, outside %s to %s; using %s", id, value, least, most, nearest));
	return nearest;
	}

function at_least(id: string, value: interval, least: interval): interval
	{
	# The comparison is also false for NaN.
	if ( value >= least )
		return value;

	Reporter::warning(fmt("IForest: %s is %s, below the minimum; using %s", id, value, least));
	return least;
	}
