##! The role of this node in a cluster, and its clock.

@load base/frameworks/cluster

module IForest;

# In a cluster only workers see connections.
function sees_connections(): bool
	{
	return ! Cluster::is_enabled() || Cluster::local_node_type() == Cluster::WORKER;
	}

# The node that fits models and groups incidents: the manager, or a standalone Zeek.
function is_central_node(): bool
	{
	return ! Cluster::is_enabled() || Cluster::local_node_type() == Cluster::MANAGER;
	}

# Workers, the manager and a standalone Zeek; whether they learn depends on IForest::learn.
function is_learning_node(): bool
	{
	return is_central_node() || sees_connections();
	}

function node_type_of(name: string): Cluster::NodeType &is_used
	{
	return name in Cluster::nodes ? Cluster::nodes[name]$node_type : Cluster::NONE;
	}

# Network time stops without packets, so it is used for trace files only.
function clock(): time
	{
	return reading_traces() ? network_time() : current_time();
	}
