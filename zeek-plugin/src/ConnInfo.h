// Where the fields of Conn::Info are: looked up by name once, read by offset from then on.
//
// A field that this Zeek does not have, or has with another type, reads as unset. Nothing in here allocates.

#pragma once

#include <zeek/Type.h>
#include <zeek/Val.h>

#include <string>

#include "iforest-bridge/src/lib.rs.h"

namespace plugin::IForest_Scorer {

// A field of a record type. Either of its accessors takes a null pointer for a record that is not there.
class Field {
public:
    Field(const zeek::RecordType* type, const char* name, zeek::TypeTag tag);

    bool Exists() const { return offset >= 0; }
    bool IsSet(const zeek::RecordVal* record) const { return record && Exists() && record->HasRawField(offset); }
    int Offset() const { return offset; }

private:
    int offset;
};

class ConnInfo {
public:
    explicit ConnInfo(zeek::RecordTypePtr type);

    // Whether the record is of the type that the offsets are for.
    bool Fits(const zeek::RecordVal& record) const { return record.GetType() == type; }

    // The connection that a record describes, borrowed from it.
    iforest::ConnectionView View(const zeek::RecordVal& info) const;

    void SetScore(zeek::RecordVal& info, double score) const;
    void SetReasons(zeek::RecordVal& info, const std::string& reasons) const;

private:
    struct Side {
        Field addr, port, local, bytes, pkts, ip_bytes;
    };

    static iforest::Endpoint Endpoint(const zeek::RecordVal& info, const zeek::RecordVal* id, const Side& side);

    zeek::RecordTypePtr type;
    Field id;
    const zeek::RecordType* id_type; // Owned by `type`; null without `id`.
    Field ts, proto, duration, missed_bytes, conn_state, service, history, anomaly_score, anomaly_reasons;
    Side orig, resp;
};

} // namespace plugin::IForest_Scorer
