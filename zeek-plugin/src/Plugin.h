// Plugin registration: name, description and version.

#pragma once

#include <zeek/plugin/Plugin.h>

namespace plugin::IForest_Scorer {

class Plugin final : public zeek::plugin::Plugin {
protected:
    zeek::plugin::Configuration Configure() override;
};

extern Plugin plugin;

} // namespace plugin::IForest_Scorer
