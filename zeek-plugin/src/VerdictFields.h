// The package's fields of a scored record: `anomaly_score`, `anomaly_reasons` and `anomaly_incident`.

#pragma once

#include "Field.h"

namespace plugin::IForest_Scorer {

class VerdictFields {
public:
    explicit VerdictFields(const zeek::RecordType* type);

    // Sets the score, the reasons of an alert, and the incident that the record belongs to.
    void Set(zeek::RecordVal& info, const iforest::Verdict& verdict) const;

private:
    Field score, reasons, incident;
};

} // namespace plugin::IForest_Scorer
