// Conversion of a DNS::Info record to the view that Rust reads, and writing of its scores.

#pragma once

#include "VerdictFields.h"

namespace plugin::IForest_Scorer {

class DnsInfo {
public:
    explicit DnsInfo(zeek::RecordTypePtr type);

    // Returns true if the offsets are those of this record's type.
    bool Fits(const zeek::RecordVal& record) const { return record.GetType() == type; }

    // Returns the query of a record, borrowed from it.
    iforest::DnsView View(const zeek::RecordVal& info) const;

    // Sets the package's fields.
    void SetVerdict(zeek::RecordVal& info, const iforest::Verdict& verdict) const { verdict_fields.Set(info, verdict); }

private:
    zeek::RecordTypePtr type;
    Field id;
    const zeek::RecordType* id_type; // Owned by `type`; null without `id`.
    Field orig_h, orig_p, resp_h, resp_p;
    Field ts, proto, rtt, query, qtype, rcode, answers, ttls, uid;
    VerdictFields verdict_fields;
};

} // namespace plugin::IForest_Scorer
