// The histograms for Prometheus, filled here: a call of the telemetry framework's script functions for each connection
// costs as much as its score.

#pragma once

namespace plugin::IForest_Scorer {

// Counts a score, and the seconds it took where they were measured; negative where not.
void observe(double score, double seconds);

} // namespace plugin::IForest_Scorer
