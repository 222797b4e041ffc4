# Loads the package's scripts. zkg installs this directory twice, in packages/ and beside the plugin; the guard loads
# one copy only.
@ifndef ( IForest::model_file )
# `zeek -b` activates no plugin by itself.
@load-plugin IForest::Scorer
@load ./main
@load ./notice
@load ./incident
@load ./known
@load ./learn
@load ./outcome
@load ./conn
@load ./dns
@load ./cluster
@load ./incident_cluster
@load ./drift
@load ./telemetry
@endif
