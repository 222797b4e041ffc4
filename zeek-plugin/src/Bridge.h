// Helpers of the built-in functions: sensors, scores, error handling, and conversion of values. Nothing here throws.

#pragma once

#include <zeek/Val.h>

#include <array>
#include <csignal>
#include <cstdint>
#include <exception>
#include <string>
#include <string_view>
#include <utility>

#include "iforest-bridge/src/lib.rs.h"

namespace plugin::IForest_Scorer {

// Returns the sensor of this process for conn.log.
iforest::Sensor& sensor();

// Returns the sensor of this process for dns.log.
iforest::Sensor& dns_sensor();

// Returns the sensor for a value of type IForest::LogKind.
iforest::Sensor& sensor_of(const zeek::Val* log);

// Applies the next finished background job, waiting up to `wait` seconds. Returns the IForest::LogKind that it was for.
std::pair<zeek_int_t, iforest::FinishedJob> next_finished_job(double wait);

// Warns about a caught panic, once.
void report_panic();

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

// Blocks signals in its scope. Threads started there inherit that, so signals reach the main thread only.
class BlockSignals {
public:
    BlockSignals();
    ~BlockSignals();

    BlockSignals(const BlockSignals&) = delete;
    BlockSignals& operator=(const BlockSignals&) = delete;

private:
    sigset_t before;
};

// Calls `action` with a sensor and returns its error, or an empty string.
template<typename Action>
zeek::StringValPtr error_of(iforest::Sensor& sensor, Action action) {
    BlockSignals block_signals;

    try {
        action(sensor);
        return zeek::val_mgr->EmptyString();
    } catch ( const std::exception& error ) {
        return zeek::make_intrusive<zeek::StringVal>(error.what());
    }
}

// Calls `action` with the sensor of a log and returns its error, or an empty string.
template<typename Action>
zeek::StringValPtr error_of(const zeek::Val* log, Action action) {
    return error_of(sensor_of(log), action);
}

// Calls `action` with the sensor of conn.log, for functions that apply to all logs.
template<typename Action>
zeek::StringValPtr error_of(Action action) {
    return error_of(sensor(), action);
}

inline rust::Slice<const uint8_t> bytes(const zeek::StringVal* text) {
    return {text->Bytes(), static_cast<size_t>(text->Len())};
}

zeek::StringValPtr to_string_val(const rust::Vec<uint8_t>& bytes);

// Sets fields of a record by name. Fields that the record lacks, or has with another type, are skipped.
class RecordFiller {
public:
    explicit RecordFiller(zeek::Val* val);

    void Count(const char* name, uint64_t value);
    void Double(const char* name, double value);
    void Interval(const char* name, double seconds);
    void Time(const char* name, double seconds);
    void String(const char* name, const rust::String& value);
    void Enum(const char* name, zeek::EnumValPtr value);
    void Bool(const char* name, bool value);
    void Addr(const char* name, const std::array<uint8_t, 16>& value);
    void Strings(const char* name, const rust::Vec<rust::String>& values);
    void Addrs(const char* name, const rust::Vec<rust::String>& values);
    void Doubles(const char* name, const rust::Vec<double>& values);

private:
    template<typename T>
    void Set(const char* name, zeek::TypeTag tag, T value);

    template<typename T, typename Convert>
    void SetVector(const char* name, zeek::TypeTag tag, const rust::Vec<T>& values, Convert convert);

    zeek::RecordVal* record;
};

} // namespace plugin::IForest_Scorer
