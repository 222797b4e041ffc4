// Conversion of Rust values to the fields of a script record. Nothing here throws.

#pragma once

#include <zeek/Val.h>

#include <array>
#include <cstdint>

#include "iforest-bridge/src/types.rs.h"

namespace plugin::IForest_Scorer {

// Returns a value as a record, or null if it is of another type.
zeek::RecordVal* as_record(zeek::Val* val);

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
