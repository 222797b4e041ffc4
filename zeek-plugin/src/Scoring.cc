#include "Scoring.h"

#include <optional>

#include "ConnInfo.h"
#include "DnsInfo.h"
#include "Histograms.h"
#include "RecordFiller.h"
#include "Sensors.h"

namespace plugin::IForest_Scorer {

namespace {

// Returns the field offsets for the type of this record.
template<typename Info>
const Info& fields(const zeek::RecordVal& info) {
    static std::optional<Info> fields;

    if ( ! fields || ! fields->Fits(info) )
        fields.emplace(info.GetType<zeek::RecordType>());

    return *fields;
}

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

bool needs_action(iforest::Outcome outcome) {
    switch ( outcome ) {
        case iforest::Outcome::FitDue:
        case iforest::Outcome::Alert:
        case iforest::Outcome::Incident: return true;
        default: return false;
    }
}

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

} // namespace plugin::IForest_Scorer
