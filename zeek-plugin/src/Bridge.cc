#include "Bridge.h"

#include <pthread.h>
#include <zeek/IPAddr.h>
#include <zeek/Reporter.h>
#include <zeek/ZeekString.h>

#include <cstring>
#include <optional>
#include <utility>

#include "ConnInfo.h"
#include "DnsInfo.h"
#include "Histograms.h"
#include "iforest.bif.h"

namespace plugin::IForest_Scorer {

namespace {

// BifEnum is in this namespace since Zeek 8.1; before, it was global.
using namespace zeek;

// Returns the field offsets for the type of this record.
template<typename Info>
const Info& fields(const zeek::RecordVal& info) {
    static std::optional<Info> fields;

    if ( ! fields || ! fields->Fits(info) )
        fields.emplace(info.GetType<zeek::RecordType>());

    return *fields;
}

zeek::RecordVal* as_record(zeek::Val* val) {
    return val && val->GetType()->Tag() == zeek::TYPE_RECORD ? val->AsRecordVal() : nullptr;
}

} // namespace

iforest::Sensor& sensor() {
    static rust::Box<iforest::Sensor> sensor = iforest::new_sensor();
    return *sensor;
}

iforest::Sensor& dns_sensor() {
    static rust::Box<iforest::Sensor> dns_sensor = iforest::new_dns_sensor(sensor());
    return *dns_sensor;
}

namespace {

bool is_dns(const zeek::Val* log) { return log->AsEnum() == BifEnum::IForest::DNS_LOG; }

} // namespace

iforest::Sensor& sensor_of(const zeek::Val* log) { return is_dns(log) ? dns_sensor() : sensor(); }

std::pair<zeek_int_t, iforest::FinishedJob> next_finished_job(double wait) {
    const std::pair<zeek_int_t, iforest::Sensor*> sensors[] = {{BifEnum::IForest::CONN_LOG, &sensor()},
                                                               {BifEnum::IForest::DNS_LOG, &dns_sensor()}};

    for ( const auto& [log, of] : sensors )
        if ( auto finished = of->finished_job(0.0); finished.kind != iforest::JobKind::Pending )
            return {log, std::move(finished)};

    // All jobs share one thread and finish in order, so waiting for one sensor is enough.
    for ( const auto& [log, of] : sensors )
        if ( of->busy() )
            return {log, of->finished_job(wait)};

    return {BifEnum::IForest::CONN_LOG, sensor().finished_job(0.0)};
}

void report_panic() {
    for ( auto* of : {&sensor(), &dns_sensor()} )
        if ( const auto panic = std::string(of->take_panic()); ! panic.empty() )
            zeek::reporter->Warning("IForest: internal error, records may lack anomaly_score; please report it: %s",
                                    panic.c_str());
}

bool needs_action(iforest::Outcome outcome) {
    switch ( outcome ) {
        case iforest::Outcome::FitDue:
        case iforest::Outcome::Alert:
        case iforest::Outcome::Incident: return true;
        default: return false;
    }
}

namespace {

// Record type and sensor of conn.log, for the templates below.
struct ConnLog {
    using Info = ConnInfo;
    static constexpr const char* name = "conn";

    static void Score(const iforest::ConnectionView& view, bool learn, uint64_t learn_after, iforest::Verdict& verdict) {
        sensor().score_into(view, learn, learn_after, verdict);
    }

    static iforest::Outcome Observe(const iforest::ConnectionView& view, bool learn, uint64_t learn_after) {
        return sensor().observe(view, learn, learn_after);
    }
};

struct DnsLog {
    using Info = DnsInfo;
    static constexpr const char* name = "dns";

    static void Score(const iforest::DnsView& view, bool learn, uint64_t learn_after, iforest::Verdict& verdict) {
        dns_sensor().score_dns_into(view, learn, learn_after, verdict);
    }

    static iforest::Outcome Observe(const iforest::DnsView& view, bool learn, uint64_t learn_after) {
        return dns_sensor().observe_dns(view, learn, learn_after);
    }
};

// The verdict on the last record of a log.
template<typename Log>
iforest::Verdict& last() {
    static iforest::Verdict verdict{};
    return verdict;
}

template<typename Log>
iforest::Outcome score_record(zeek::Val* val, bool learn, uint64_t learn_after) {
    auto* info = as_record(val);

    if ( ! info )
        return iforest::Outcome::NoModel;

    const auto& offsets = fields<typename Log::Info>(*info);
    auto& verdict = last<Log>();
    Log::Score(offsets.View(*info), learn, learn_after, verdict);

    switch ( verdict.outcome ) {
        case iforest::Outcome::Failed: report_panic(); break;
        case iforest::Outcome::Alert:
        case iforest::Outcome::Incident:
        case iforest::Outcome::Normal: offsets.SetVerdict(*info, verdict); break;
        default: break;
    }

    if ( verdict.seconds >= 0.0 ) {
        static const Histograms histograms(Log::name);
        histograms.Observe(verdict.score, verdict.seconds);
    }

    return verdict.outcome;
}

template<typename Log>
iforest::Outcome observe_record(zeek::Val* val, bool learn, uint64_t learn_after) {
    auto* info = as_record(val);

    if ( ! info )
        return iforest::Outcome::NoModel;

    const auto outcome = Log::Observe(fields<typename Log::Info>(*info).View(*info), learn, learn_after);
    last<Log>().outcome = outcome;

    if ( outcome == iforest::Outcome::Failed )
        report_panic();

    return outcome;
}

} // namespace

iforest::Outcome score(zeek::Val* info, bool learn, uint64_t learn_after) {
    return score_record<ConnLog>(info, learn, learn_after);
}

iforest::Outcome observe(zeek::Val* info, bool learn, uint64_t learn_after) {
    return observe_record<ConnLog>(info, learn, learn_after);
}

iforest::Outcome score_dns(zeek::Val* info, bool learn, uint64_t learn_after) {
    return score_record<DnsLog>(info, learn, learn_after);
}

iforest::Outcome observe_dns(zeek::Val* info, bool learn, uint64_t learn_after) {
    return observe_record<DnsLog>(info, learn, learn_after);
}

const iforest::Verdict& last_verdict(const zeek::Val* log) { return is_dns(log) ? last<DnsLog>() : last<ConnLog>(); }

BlockSignals::BlockSignals() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
}

BlockSignals::~BlockSignals() { pthread_sigmask(SIG_SETMASK, &before, nullptr); }

zeek::StringValPtr to_string_val(const rust::Vec<uint8_t>& bytes) {
    return zeek::make_intrusive<zeek::StringVal>(
        new zeek::String(reinterpret_cast<const u_char*>(bytes.data()), static_cast<int>(bytes.size()), true));
}

RecordFiller::RecordFiller(zeek::Val* val) : record(as_record(val)) {}

template<typename T>
void RecordFiller::Set(const char* name, zeek::TypeTag tag, T value) {
    const int offset = record ? record->GetType<zeek::RecordType>()->FieldOffset(name) : -1;

    if ( offset >= 0 && record->GetType<zeek::RecordType>()->GetFieldType(offset)->Tag() == tag )
        record->Assign(offset, std::move(value));
}

void RecordFiller::Count(const char* name, uint64_t value) {
    Set(name, zeek::TYPE_COUNT, zeek::val_mgr->Count(value));
}

void RecordFiller::Double(const char* name, double value) {
    Set(name, zeek::TYPE_DOUBLE, zeek::make_intrusive<zeek::DoubleVal>(value));
}

void RecordFiller::Interval(const char* name, double seconds) {
    Set(name, zeek::TYPE_INTERVAL, zeek::make_intrusive<zeek::IntervalVal>(seconds));
}

void RecordFiller::Time(const char* name, double seconds) {
    Set(name, zeek::TYPE_TIME, zeek::make_intrusive<zeek::TimeVal>(seconds));
}

void RecordFiller::String(const char* name, const rust::String& value) {
    Set(name, zeek::TYPE_STRING, zeek::make_intrusive<zeek::StringVal>(std::string(value)));
}

void RecordFiller::Bool(const char* name, bool value) { Set(name, zeek::TYPE_BOOL, zeek::val_mgr->Bool(value)); }

void RecordFiller::Addr(const char* name, const std::array<uint8_t, 16>& value) {
    in6_addr addr;
    std::memcpy(&addr, value.data(), value.size());
    Set(name, zeek::TYPE_ADDR, zeek::make_intrusive<zeek::AddrVal>(zeek::IPAddr(addr)));
}

template<typename T, typename Convert>
void RecordFiller::SetVector(const char* name, zeek::TypeTag tag, const rust::Vec<T>& values, Convert convert) {
    const int offset = record ? record->GetType<zeek::RecordType>()->FieldOffset(name) : -1;

    if ( offset < 0 )
        return;

    const auto& type = record->GetType<zeek::RecordType>()->GetFieldType(offset);

    if ( type->Tag() != zeek::TYPE_VECTOR || type->AsVectorType()->Yield()->Tag() != tag )
        return;

    auto vector = zeek::make_intrusive<zeek::VectorVal>(zeek::cast_intrusive<zeek::VectorType>(type));

    for ( const auto& value : values )
        vector->Append(convert(value));

    record->Assign(offset, std::move(vector));
}

void RecordFiller::Strings(const char* name, const rust::Vec<rust::String>& values) {
    SetVector(name, zeek::TYPE_STRING, values,
              [](const rust::String& value) { return zeek::make_intrusive<zeek::StringVal>(std::string(value)); });
}

void RecordFiller::Addrs(const char* name, const rust::Vec<rust::String>& values) {
    SetVector(name, zeek::TYPE_ADDR, values,
              [](const rust::String& value) { return zeek::make_intrusive<zeek::AddrVal>(std::string(value)); });
}

void RecordFiller::Doubles(const char* name, const rust::Vec<double>& values) {
    SetVector(name, zeek::TYPE_DOUBLE, values, [](double value) { return zeek::make_intrusive<zeek::DoubleVal>(value); });
}

void RecordFiller::Enum(const char* name, zeek::EnumValPtr value) { Set(name, zeek::TYPE_ENUM, std::move(value)); }

} // namespace plugin::IForest_Scorer
