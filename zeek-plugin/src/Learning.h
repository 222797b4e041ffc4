// What the scripts can ask for to learn in place, and of what goes on in the background: one function for each built-in
// function, none of which throws. Those that return a string return what went wrong, or nothing.

#pragma once

#include <zeek/Val.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace plugin::IForest_Scorer {

void start_learning(uint64_t rows, double half_life);
void stop_learning();

// Learns from the connection handed over last; returns what fit_is_due() does then.
bool learn(uint64_t after);
bool can_fit(uint64_t after);
bool fit_is_due(uint64_t after);

// Starts a fit, or with `recalibrate` a calibration of the model at work.
std::string fit(bool recalibrate, double version, double alerts_per_day, std::string_view file);

// Fills a record of type IForest::Done. Returns whether anything has come to an end within so many seconds.
bool finished(double wait, zeek::Val* done);
bool busy();

// Starts to look whether the model file that was last tried has changed, and to load it if so.
std::string look_at_model();

std::string open_state(std::string_view directory);
std::string claim_state();
std::string save_state(std::string_view file);
std::string load_state(std::string_view file);
std::string save_sample(std::string_view file);
std::string load_sample(std::string_view file);
std::string save_memory(std::string_view file);
std::string load_memory(std::string_view file);

zeek::StringValPtr take_sample(uint64_t most);
std::string merge_sample(std::string_view bytes);
double sample_bound();
void set_sample_bound(double bound);

zeek::StringValPtr model_bytes();
std::string adopt_model(std::string_view bytes, std::string_view checksum, std::string_view file, bool write_first);

// Fills the fields that a record has of those that say which model is at work. Returns whether one is.
bool describe(zeek::Val* record);

// Fills a record of type IForest::Statistics.
void statistics(zeek::Val* record);

zeek::VectorValPtr turn_drift();
bool add_drift(const zeek::VectorVal& counts);

} // namespace plugin::IForest_Scorer
