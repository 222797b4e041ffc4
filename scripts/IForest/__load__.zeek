# The package manager installs two copies of this directory, one in packages/ and one beside the plugin. Whoever loads
# both gets one.
@ifndef ( IForest::model_file )
@load ./main
@load ./notice
@load ./learn
@load ./connection
@load ./cluster
@load ./drift
@load ./telemetry
@endif
