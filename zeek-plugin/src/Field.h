// Fields of Zeek's records: offsets looked up by name once, then used for every record.
//
// Fields that this Zeek lacks, or has with another type, read as unset. Nothing here allocates.

#pragma once

#include <zeek/IPAddr.h>
#include <zeek/Type.h>
#include <zeek/Val.h>
#include <zeek/ZeekString.h>
#include <zeek/net_util.h>

#include <array>
#include <cstdint>
#include <cstring>

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

// Values of fields, or a default for unset ones. Inline, because twenty are read for each record.
inline double seconds(const zeek::RecordVal& record, const Field& field, double otherwise) {
    return field.IsSet(&record) ? record.GetFieldAs<double>(field.Offset()) : otherwise;
}

inline iforest::Count count(const zeek::RecordVal& record, const Field& field) {
    if ( ! field.IsSet(&record) )
        return {false, 0};

    return {true, record.GetFieldAs<zeek_uint_t>(field.Offset())};
}

inline iforest::Tristate tristate(const zeek::RecordVal& record, const Field& field) {
    if ( ! field.IsSet(&record) )
        return iforest::Tristate::Unset;

    return record.GetFieldAs<zeek_int_t>(field.Offset()) ? iforest::Tristate::Yes : iforest::Tristate::No;
}

inline rust::Slice<const uint8_t> text(const zeek::RecordVal& record, const Field& field) {
    if ( ! field.IsSet(&record) )
        return {};

    const zeek::String* string = record.GetFieldAs<zeek::StringVal>(field.Offset());

    if ( string->Len() <= 0 )
        return {};

    return {string->Bytes(), static_cast<size_t>(string->Len())};
}

inline iforest::Proto transport(const zeek::RecordVal& record, const Field& field) {
    if ( ! field.IsSet(&record) )
        return iforest::Proto::Unknown;

    switch ( record.GetFieldAs<zeek_int_t>(field.Offset()) ) {
        case TRANSPORT_TCP: return iforest::Proto::Tcp;
        case TRANSPORT_UDP: return iforest::Proto::Udp;
        case TRANSPORT_ICMP: return iforest::Proto::Icmp;
        default: return iforest::Proto::Unknown;
    }
}

inline std::array<uint8_t, 16> address(const zeek::RecordVal* record, const Field& field) {
    std::array<uint8_t, 16> bytes{};

    if ( field.IsSet(record) ) {
        in6_addr addr;
        record->GetFieldAs<zeek::AddrVal>(field.Offset()).CopyIPv6(&addr);
        std::memcpy(bytes.data(), &addr, bytes.size());
    }

    return bytes;
}

inline uint16_t port(const zeek::RecordVal* record, const Field& field) {
    if ( ! field.IsSet(record) )
        return 0;

    // The upper bits encode the transport protocol.
    return static_cast<uint16_t>(record->GetFieldAs<zeek_uint_t>(field.Offset()) & ~PORT_SPACE_MASK);
}

} // namespace plugin::IForest_Scorer
