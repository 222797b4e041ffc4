// Prometheus histograms. Updated for every sixteenth record only, because an update takes a third of the time of a score.

#pragma once

#include <zeek/telemetry/Histogram.h>

#include <memory>
#include <string_view>

namespace plugin::IForest_Scorer {

// Scores and scoring times of a log.
class Histograms {
public:
    // `log` is the value of the label. Zeek's telemetry manager must exist.
    explicit Histograms(std::string_view log);

    // Adds a score and its computing time in seconds.
    void Observe(double score, double seconds) const;

private:
    std::shared_ptr<zeek::telemetry::Histogram> scores;
    std::shared_ptr<zeek::telemetry::Histogram> times;
};

} // namespace plugin::IForest_Scorer
