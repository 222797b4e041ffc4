#include "Plugin.h"

namespace plugin::IForest_Scorer {

Plugin plugin;

zeek::plugin::Configuration Plugin::Configure() {
    zeek::plugin::Configuration config;
    config.name = "IForest::Scorer";
    config.description = "Anomaly scores for connections and DNS queries, from an isolation forest";
    config.version.major = IFOREST_VERSION_MAJOR;
    config.version.minor = IFOREST_VERSION_MINOR;
    config.version.patch = IFOREST_VERSION_PATCH;
    return config;
}

} // namespace plugin::IForest_Scorer
