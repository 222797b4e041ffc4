#include "Scorer.h"

#include <zeek/Reporter.h>

#include <exception>
#include <optional>

#include "ConnInfo.h"
#include "Histograms.h"
#include "iforest-bridge/src/lib.rs.h"

namespace plugin::IForest_Scorer {

namespace {

// The offsets for the type of this record.
const ConnInfo& fields(const zeek::RecordVal& info) {
    static std::optional<ConnInfo> fields;

    if ( ! fields || ! fields->Fits(info) )
        fields.emplace(info.GetType<zeek::RecordType>());

    return *fields;
}

zeek::RecordVal* record(zeek::Val* val) {
    return val && val->GetType()->Tag() == zeek::TYPE_RECORD ? val->AsRecordVal() : nullptr;
}

void report(iforest::Outcome outcome) {
    if ( outcome == iforest::Outcome::Fault )
        tell_fault();
}

} // namespace

iforest::Sensor& sensor() {
    static rust::Box<iforest::Sensor> sensor = iforest::new_sensor();
    return *sensor;
}

void tell_fault() {
    if ( rust::String fault = sensor().take_fault(); ! fault.empty() )
        zeek::reporter->Warning("IForest: scoring failed, connections may lack anomaly_score; please report this: %s",
                                std::string(fault).c_str());
}

std::string load_model(std::string_view path) {
    try {
        sensor().load_model({reinterpret_cast<const uint8_t*>(path.data()), path.size()});
        return {};
    } catch ( const std::exception& refusal ) {
        return refusal.what();
    }
}

void set_trust(std::string_view key, bool allow_writable) {
    // A key that is no text is none, which is found when a model is loaded.
    try {
        sensor().set_trust({key.data(), key.size()}, allow_writable);
    } catch ( const std::exception& ) {
        sensor().set_trust("not a text", allow_writable);
    }
}

void unload_model() { sensor().unload_model(); }

void set_threshold(double threshold) { sensor().set_threshold(threshold); }

void set_alerts_per_day(double alerts_per_day) { sensor().set_alerts_per_day(alerts_per_day); }

std::string main_reason() { return std::string(sensor().reasons().main); }

double threshold() { return sensor().threshold(); }

bool score(zeek::Val* val) {
    auto* info = record(val);

    if ( ! info )
        return false;

    const auto& conn_info = fields(*info);
    const auto verdict = sensor().score(conn_info.View(*info));

    if ( verdict.outcome == iforest::Outcome::Scored ) {
        conn_info.SetScore(*info, verdict.score);

        if ( verdict.anomalous )
            conn_info.SetReasons(*info, std::string(sensor().reasons().text));

        if ( const auto seconds = sensor().scoring_time(); seconds >= 0.0 )
            observe(verdict.score, seconds);
    }

    report(verdict.outcome);
    return verdict.anomalous;
}

void pass_by(zeek::Val* val) {
    if ( auto* info = record(val) )
        report(sensor().pass_by(fields(*info).View(*info)));
}

} // namespace plugin::IForest_Scorer
