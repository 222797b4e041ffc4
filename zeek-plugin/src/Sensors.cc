#include "Sensors.h"

#include <pthread.h>
#include <zeek/Reporter.h>
#include <zeek/ZeekString.h>

#include <string>

#include "iforest.bif.h"

namespace plugin::IForest_Scorer {

namespace {

// BifEnum is in this namespace since Zeek 8.1; before, it was global.
using namespace zeek;

} // namespace

iforest::Sensor& sensor() {
    static rust::Box<iforest::Sensor> sensor = iforest::new_sensor();
    return *sensor;
}

iforest::Sensor& dns_sensor() {
    static rust::Box<iforest::Sensor> dns_sensor = iforest::new_dns_sensor(sensor());
    return *dns_sensor;
}

bool is_dns(const zeek::Val* log) { return log->AsEnum() == BifEnum::IForest::DNS_LOG; }

iforest::Sensor& sensor_of(const zeek::Val* log) { return is_dns(log) ? dns_sensor() : sensor(); }

std::pair<zeek_int_t, iforest::FinishedJob> next_finished_job(double wait) {
    const std::pair<zeek_int_t, iforest::Sensor*> sensors[] = {{BifEnum::IForest::CONN_LOG, &sensor()},
                                                               {BifEnum::IForest::DNS_LOG, &dns_sensor()}};

    for ( const auto& [log, each] : sensors )
        if ( auto finished = each->finished_job(0.0); finished.kind != iforest::JobKind::Pending )
            return {log, std::move(finished)};

    // All jobs share one thread and finish in order, so waiting for one sensor is enough.
    for ( const auto& [log, each] : sensors )
        if ( each->busy() )
            return {log, each->finished_job(wait)};

    return {BifEnum::IForest::CONN_LOG, sensor().finished_job(0.0)};
}

void report_panic() {
    for ( auto* each : {&sensor(), &dns_sensor()} )
        if ( const auto panic = std::string(each->take_panic()); ! panic.empty() )
            zeek::reporter->Warning("IForest: internal error, records may lack anomaly_score; please report it: %s",
                                    panic.c_str());
}

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

} // namespace plugin::IForest_Scorer
