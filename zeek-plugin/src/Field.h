// Fields of Zeek's records: offsets looked up by name once, then used for every record.
//
// Fields that this Zeek lacks, or has with another type, read as unset. Nothing here allocates.

#pragma once

#include <zeek/Type.h>
#include <zeek/Val.h>

#include <array>
#include <cstdint>

#include "iforest-bridge/src/types.rs.h"

namespace plugin::IForest_Scorer {

// A field of a record type. `IsSet` accepts a null record.
class Field {
public:
    Field(const zeek::RecordType* type, const char* name, zeek::TypeTag tag);

    bool Exists() const { return offset >= 0; }
    bool IsSet(const zeek::RecordVal* record) const { return record && Exists() && record->HasRawField(offset); }
    int Offset() const { return offset; }

private:
    int offset;
};

// Values of fields, or what stands for an unset one.
double seconds(const zeek::RecordVal& record, const Field& field, double otherwise);
iforest::Count count(const zeek::RecordVal& record, const Field& field);
iforest::Tristate tristate(const zeek::RecordVal& record, const Field& field);
rust::Slice<const uint8_t> text(const zeek::RecordVal& record, const Field& field);
iforest::Proto transport(const zeek::RecordVal& record, const Field& field);

// Address in 16 bytes, and port, of a record that may be null.
std::array<uint8_t, 16> address(const zeek::RecordVal* record, const Field& field);
uint16_t port(const zeek::RecordVal* record, const Field& field);

} // namespace plugin::IForest_Scorer
