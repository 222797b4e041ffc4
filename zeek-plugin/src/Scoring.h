// Scores and verdicts of records. Nothing here throws.

#pragma once

#include <zeek/Val.h>

#include <cstdint>

#include "iforest-bridge/src/lib.rs.h"

namespace plugin::IForest_Scorer {

// Scores the connection of a Conn::Info and sets the package's fields.
iforest::Outcome score(zeek::Val* info, bool learn, uint64_t learn_after);

// Adds the connection of a Conn::Info to the host context without scoring it.
iforest::Outcome observe(zeek::Val* info, bool learn, uint64_t learn_after);

// Returns true for an outcome that the scripts act on: a fit is due, an alert, or incidents have changed.
bool needs_action(iforest::Outcome outcome);

// Returns the verdict on the last record of a log, of which only `outcome` is set if it was observed without a score. The
// argument is of type IForest::LogKind.
const iforest::Verdict& last_verdict(const zeek::Val* log);

// Scores the query of a DNS::Info and sets the package's fields.
iforest::Outcome score_dns(zeek::Val* info, bool learn, uint64_t learn_after);

// Adds the query of a DNS::Info to the context without scoring it.
iforest::Outcome observe_dns(zeek::Val* info, bool learn, uint64_t learn_after);

} // namespace plugin::IForest_Scorer
