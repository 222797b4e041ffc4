// The histograms for Prometheus, filled here and of some connections only: the telemetry framework takes a third as many
// instructions to count a score as it takes to find it, and its script functions take as many.

#pragma once

namespace plugin::IForest_Scorer {

// Counts a score and the seconds it took.
void observe(double score, double seconds);

} // namespace plugin::IForest_Scorer
