// What the scripts can ask for: one function for each built-in function, none of which throws.

#pragma once

#include <zeek/Val.h>

#include <string>
#include <string_view>

namespace iforest {
struct Sensor;
}

namespace plugin::IForest_Scorer {

// The one sensor of this process.
iforest::Sensor& sensor();

// Warns of what the software failed from, once. Scoring does it by itself.
void tell_fault();

// Puts the model of a file to work. Returns why not, or nothing.
std::string load_model(std::string_view path);

// Sets which files are believed: those signed with the key, if there is one; those that others can write to, if allowed.
void set_trust(std::string_view key, bool allow_writable);

// Stops scoring.
void unload_model();

// Sets the score from which on a connection is anomalous; 0 or less for the model's own.
void set_threshold(double threshold);

// Sets the threshold of each model for so many alerts a day; 0 or less for the model's own.
void set_alerts_per_day(double alerts_per_day);

// The threshold at work.
double threshold();

// Scores the connection of a Conn::Info, sets its `anomaly_score`, and returns whether it is anomalous, in which case its
// `anomaly_reasons` is set too.
// Without a model, or for anything but a record, it does nothing.
bool score(zeek::Val* info);

// The feature that makes the connection scored last anomalous; empty if it is not.
std::string main_reason();

// Remembers the connection of a Conn::Info as context for those that follow.
void pass_by(zeek::Val* info);

} // namespace plugin::IForest_Scorer
