// Conversion of a Conn::Info record to the view that Rust reads, and writing of its scores.

#pragma once

#include "VerdictFields.h"

namespace plugin::IForest_Scorer {

class ConnInfo {
public:
    explicit ConnInfo(zeek::RecordTypePtr type);

    // Returns true if the offsets are those of this record's type.
    bool Fits(const zeek::RecordVal& record) const { return record.GetType() == type; }

    // Returns the connection of a record, borrowed from it.
    iforest::ConnectionView View(const zeek::RecordVal& info) const;

    // Sets the package's fields.
    void SetVerdict(zeek::RecordVal& info, const iforest::Verdict& verdict) const { verdict_fields.Set(info, verdict); }

private:
    struct Side {
        Field addr, port, local, bytes, pkts, ip_bytes;
    };

    static iforest::Endpoint Endpoint(const zeek::RecordVal& info, const zeek::RecordVal* id, const Side& side);

    zeek::RecordTypePtr type;
    Field id;
    const zeek::RecordType* id_type; // Owned by `type`; null without `id`.
    Field ts, proto, duration, missed_bytes, conn_state, service, history, uid;
    VerdictFields verdict_fields;
    Side orig, resp;
};

} // namespace plugin::IForest_Scorer
