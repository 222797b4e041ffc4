#include "VerdictFields.h"

#include <string>

namespace plugin::IForest_Scorer {

namespace {

void set(zeek::RecordVal& info, const Field& field, const rust::String& value) {
    if ( field.Exists() && ! value.empty() )
        info.Assign(field.Offset(), std::string(value));
}

} // namespace

VerdictFields::VerdictFields(const zeek::RecordType* type)
    : score(type, "anomaly_score", zeek::TYPE_DOUBLE),
      reasons(type, "anomaly_reasons", zeek::TYPE_STRING),
      incident(type, "anomaly_incident", zeek::TYPE_STRING) {}

void VerdictFields::Set(zeek::RecordVal& info, const iforest::Verdict& verdict) const {
    if ( score.Exists() )
        info.Assign(score.Offset(), verdict.score);

    set(info, reasons, verdict.reasons);
    set(info, incident, verdict.incident);
}

} // namespace plugin::IForest_Scorer
