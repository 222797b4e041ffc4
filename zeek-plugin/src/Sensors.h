// The sensors of this process, and helpers to call them. Nothing here throws.

#pragma once

#include <zeek/Val.h>

#include <csignal>
#include <cstdint>
#include <exception>
#include <utility>

#include "iforest-bridge/src/lib.rs.h"

namespace plugin::IForest_Scorer {

// Returns the sensor of this process for conn.log.
iforest::Sensor& sensor();

// Returns the sensor of this process for dns.log.
iforest::Sensor& dns_sensor();

// Returns true for the value IForest::DNS_LOG of the type IForest::LogKind.
bool is_dns(const zeek::Val* log);

// Returns the sensor for a value of type IForest::LogKind.
iforest::Sensor& sensor_of(const zeek::Val* log);

// Applies the next finished background job, waiting up to `wait` seconds. Returns the IForest::LogKind that it was for.
std::pair<zeek_int_t, iforest::FinishedJob> next_finished_job(double wait);

// Warns about a caught panic, once.
void report_panic();

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

// Calls `action` and returns its error, or an empty string.
template<typename Action>
zeek::StringValPtr error_of(Action action) {
    BlockSignals block_signals;

    try {
        action();
        return zeek::val_mgr->EmptyString();
    } catch ( const std::exception& error ) {
        return zeek::make_intrusive<zeek::StringVal>(error.what());
    }
}

inline rust::Slice<const uint8_t> bytes(const zeek::StringVal* text) {
    return {text->Bytes(), static_cast<size_t>(text->Len())};
}

zeek::StringValPtr to_string_val(const rust::Vec<uint8_t>& bytes);

} // namespace plugin::IForest_Scorer
