##! What a node is for, and what time it goes by.

@load base/frameworks/cluster

module IForest;

# Of a cluster's nodes only the workers see connections.
function sees_connections(): bool
	{
	return ! Cluster::is_enabled() || Cluster::local_node_type() == Cluster::WORKER;
	}

# The node that fits: the only one, or the manager.
function fits(): bool
	{
	return ! Cluster::is_enabled() || Cluster::local_node_type() == Cluster::MANAGER;
	}

function takes_part(): bool
	{
	return fits() || sees_connections();
	}

# The network's time stands still where there are no packets, and where it was ahead; only a trace has no other.
function clock(): time
	{
	return reading_traces() ? network_time() : current_time();
	}
