#include "RecordFiller.h"

#include <zeek/IPAddr.h>

#include <cstring>
#include <string>
#include <utility>

namespace plugin::IForest_Scorer {

zeek::RecordVal* as_record(zeek::Val* val) {
    return val && val->GetType()->Tag() == zeek::TYPE_RECORD ? val->AsRecordVal() : nullptr;
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
