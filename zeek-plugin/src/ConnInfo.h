// Field offsets of Conn::Info: looked up by name once, then used for every record.

#pragma once

#include <string>

#include "Field.h"

namespace plugin::IForest_Scorer {

class ConnInfo {
public:
    explicit ConnInfo(zeek::RecordTypePtr type);

    // Returns true if the offsets are those of this record's type.
    bool Fits(const zeek::RecordVal& record) const { return record.GetType() == type; }

    // Returns the connection of a record, borrowed from it.
    iforest::ConnectionView View(const zeek::RecordVal& info) const;

    void SetScore(zeek::RecordVal& info, double score) const;
    void SetReasons(zeek::RecordVal& info, const std::string& reasons) const;
    void SetIncident(zeek::RecordVal& info, const std::string& id) const;

private:
    struct Side {
        Field addr, port, local, bytes, pkts, ip_bytes;
    };

    static iforest::Endpoint Endpoint(const zeek::RecordVal& info, const zeek::RecordVal* id, const Side& side);

    zeek::RecordTypePtr type;
    Field id;
    const zeek::RecordType* id_type; // Owned by `type`; null without `id`.
    Field ts, proto, duration, missed_bytes, conn_state, service, history, uid, anomaly_score, anomaly_reasons,
        anomaly_incident;
    Side orig, resp;
};

} // namespace plugin::IForest_Scorer
