#include "Histograms.h"

#include <zeek/telemetry/Manager.h>

namespace plugin::IForest_Scorer {

Histograms::Histograms(std::string_view log)
    : scores(zeek::telemetry_mgr->HistogramInstance("iforest", "score", {{"log", log}},
                                                    {0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.9},
                                                    "Anomaly score of every sixteenth record")),
      times(zeek::telemetry_mgr->HistogramInstance("iforest", "scoring_time", {{"log", log}},
                                                   {1e-6, 2e-6, 5e-6, 1e-5, 2e-5, 5e-5, 1e-4, 1e-3, 1e-2},
                                                   "Scoring time of every sixteenth record", "seconds")) {}

void Histograms::Observe(double score, double seconds) const {
    scores->Observe(score);
    times->Observe(seconds);
}

} // namespace plugin::IForest_Scorer
