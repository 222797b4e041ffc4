#include "Learning.h"

#include <pthread.h>
#include <zeek/ZeekString.h>

#include <cmath>
#include <csignal>
#include <exception>
#include <vector>

#include "Scorer.h"
#include "iforest-bridge/src/lib.rs.h"

namespace plugin::IForest_Scorer {

namespace {

rust::Slice<const uint8_t> bytes(std::string_view text) {
    return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

zeek::StringValPtr string(const rust::Vec<uint8_t>& bytes) {
    return zeek::make_intrusive<zeek::StringVal>(
        new zeek::String(reinterpret_cast<const u_char*>(bytes.data()), static_cast<int>(bytes.size()), true));
}

int64_t micros(double seconds) { return std::llround(seconds * 1e6); }

template<typename Action>
std::string problem(Action action) {
    try {
        action();
        return {};
    } catch ( const std::exception& problem ) {
        return problem.what();
    }
}

// Signals are the main thread's: a thread started while this is in scope gets none.
class NoSignals {
public:
    NoSignals() {
        sigset_t all;
        sigfillset(&all);
        pthread_sigmask(SIG_BLOCK, &all, &before);
    }
    ~NoSignals() { pthread_sigmask(SIG_SETMASK, &before, nullptr); }

    NoSignals(const NoSignals&) = delete;
    NoSignals& operator=(const NoSignals&) = delete;

private:
    sigset_t before;
};

// Sets fields of a record by their names; those it does not have are left out.
class Filler {
public:
    explicit Filler(zeek::Val* val)
        : record(val && val->GetType()->Tag() == zeek::TYPE_RECORD ? val->AsRecordVal() : nullptr) {}

    template<typename T>
    void Set(const char* name, zeek::TypeTag tag, T value) {
        int offset = record ? record->GetType<zeek::RecordType>()->FieldOffset(name) : -1;

        if ( offset >= 0 && record->GetType<zeek::RecordType>()->GetFieldType(offset)->Tag() == tag )
            record->Assign(offset, value);
    }

    void Count(const char* name, uint64_t value) { Set(name, zeek::TYPE_COUNT, static_cast<zeek_uint_t>(value)); }
    void Double(const char* name, double value) { Set(name, zeek::TYPE_DOUBLE, value); }
    void Interval(const char* name, double value) { SetValue(name, zeek::TYPE_INTERVAL, zeek::make_intrusive<zeek::IntervalVal>(value)); }
    void Time(const char* name, double value) { SetValue(name, zeek::TYPE_TIME, zeek::make_intrusive<zeek::TimeVal>(value)); }
    void String(const char* name, const std::string& value) { SetValue(name, zeek::TYPE_STRING, zeek::make_intrusive<zeek::StringVal>(value)); }

private:
    void SetValue(const char* name, zeek::TypeTag tag, zeek::ValPtr value) { Set(name, tag, std::move(value)); }

    zeek::RecordVal* record;
};

} // namespace

void start_learning(uint64_t rows, double half_life) { sensor().start_learning(rows, half_life); }

void stop_learning() { sensor().stop_learning(); }

bool learn(uint64_t after) { return sensor().learn(after); }

bool can_fit(uint64_t after) { return sensor().can_fit(after); }

bool fit_is_due(uint64_t after) { return sensor().fit_is_due(after); }

std::string fit(bool recalibrate, double version, double alerts_per_day, std::string_view file) {
    NoSignals no_signals;
    return problem([&] {
        if ( recalibrate )
            sensor().recalibrate(micros(version), alerts_per_day, bytes(file));
        else
            sensor().fit(micros(version), alerts_per_day, bytes(file));
    });
}

bool finished(double wait, zeek::Val* record) {
    tell_fault();
    const auto done = sensor().finished(wait);
    Filler filler(record);

    switch ( done.what ) {
        case iforest::Finished::Fitted: filler.String("what", "fitted"); break;
        case iforest::Finished::NotFitted: filler.String("what", "not fitted"); break;
        case iforest::Finished::Saved: filler.String("what", "saved"); break;
        case iforest::Finished::Loaded: filler.String("what", "loaded"); break;
        case iforest::Finished::Refused: filler.String("what", "refused"); break;
        case iforest::Finished::Claimed: filler.String("what", "claimed"); break;
        case iforest::Finished::Unchanged: break;
        default: return false;
    }

    filler.String("path", std::string(done.file));
    filler.String("problem", std::string(done.problem));
    filler.Interval("took", done.took);
    filler.Interval("pause", done.pause);
    return true;
}

bool busy() { return sensor().busy(); }

std::string look_at_model() {
    NoSignals no_signals;
    return problem([&] { sensor().look_at_model(); });
}

std::string open_state(std::string_view directory) {
    NoSignals no_signals;
    return problem([&] { sensor().open_state(bytes(directory)); });
}

std::string claim_state() {
    NoSignals no_signals;
    return problem([&] { sensor().claim_state(); });
}

std::string save_state(std::string_view file) {
    NoSignals no_signals;
    return problem([&] { sensor().save_state(bytes(file)); });
}

std::string load_state(std::string_view file) {
    return problem([&] { sensor().load_state(bytes(file)); });
}

std::string save_sample(std::string_view file) {
    NoSignals no_signals;
    return problem([&] { sensor().save_sample(bytes(file)); });
}

std::string load_sample(std::string_view file) {
    return problem([&] { sensor().load_sample(bytes(file)); });
}

std::string save_memory(std::string_view file) {
    NoSignals no_signals;
    return problem([&] { sensor().save_memory(bytes(file)); });
}

std::string load_memory(std::string_view file) {
    return problem([&] { sensor().load_memory(bytes(file)); });
}

zeek::StringValPtr take_sample(uint64_t most) { return string(sensor().take_sample(most)); }

std::string merge_sample(std::string_view sample) {
    return problem([&] { sensor().merge_sample(bytes(sample)); });
}

double sample_bound() { return sensor().sample_bound(); }

void set_sample_bound(double bound) { sensor().set_sample_bound(bound); }

zeek::StringValPtr model_bytes() { return string(sensor().model_bytes()); }

std::string adopt_model(std::string_view model, std::string_view checksum, std::string_view file, bool write_first) {
    NoSignals no_signals;
    return problem([&] {
        sensor().adopt_model(bytes(model), rust::Str(checksum.data(), checksum.size()), bytes(file), write_first);
    });
}

bool describe(zeek::Val* record) {
    const auto model = sensor().describe();

    if ( model.checksum.empty() )
        return false;

    Filler filler(record);
    filler.Time("version", static_cast<double>(model.version) / 1e6);
    filler.String("checksum", std::string(model.checksum));
    filler.Count("connections", model.connections);
    filler.Count("rows", model.rows);
    filler.Count("trees", model.trees);
    filler.Count("sample_size", model.sample_size);
    filler.Double("threshold", model.threshold);
    return true;
}

void statistics(zeek::Val* record) {
    tell_fault();
    const auto statistics = sensor().statistics();
    Filler filler(record);
    filler.Count("scored", statistics.scored);
    filler.Count("without_model", statistics.without_model);
    filler.Count("exempt", statistics.exempt);
    filler.Count("faults", statistics.faults);
    filler.Count("flagged", statistics.flagged);
    filler.Count("learnt", statistics.learnt);
    filler.Count("loaded", statistics.loaded);
    filler.Count("refused", statistics.refused);
    filler.Count("rows", statistics.rows);
    filler.Count("seen", statistics.seen);
    filler.Double("drift", statistics.drift);
}

zeek::VectorValPtr turn_drift() {
    auto counts = zeek::make_intrusive<zeek::VectorVal>(zeek::id::index_vec);

    for ( uint64_t count : sensor().turn_drift() )
        counts->Append(zeek::val_mgr->Count(count));

    return counts;
}

bool add_drift(const zeek::VectorVal& val) {
    std::vector<uint64_t> counts;

    for ( unsigned int i = 0; i < val.Size(); i++ )
        counts.push_back(val.Has(i) ? val.CountAt(i) : 0);

    return sensor().add_drift({counts.data(), counts.size()});
}

} // namespace plugin::IForest_Scorer
