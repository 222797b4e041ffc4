#include "DnsInfo.h"

#include <zeek/ZeekString.h>

#include <algorithm>
#include <utility>

namespace plugin::IForest_Scorer {

DnsInfo::DnsInfo(zeek::RecordTypePtr arg_type)
    : type(std::move(arg_type)),
      id(type.get(), "id", zeek::TYPE_RECORD),
      id_type(id.Exists() ? type->GetFieldType(id.Offset())->AsRecordType() : nullptr),
      orig_h(id_type, "orig_h", zeek::TYPE_ADDR),
      orig_p(id_type, "orig_p", zeek::TYPE_PORT),
      resp_h(id_type, "resp_h", zeek::TYPE_ADDR),
      resp_p(id_type, "resp_p", zeek::TYPE_PORT),
      ts(type.get(), "ts", zeek::TYPE_TIME),
      proto(type.get(), "proto", zeek::TYPE_ENUM),
      rtt(type.get(), "rtt", zeek::TYPE_INTERVAL),
      query(type.get(), "query", zeek::TYPE_STRING),
      qtype(type.get(), "qtype", zeek::TYPE_COUNT),
      rcode(type.get(), "rcode", zeek::TYPE_COUNT),
      answers(type.get(), "answers", zeek::TYPE_VECTOR),
      ttls(type.get(), "TTLs", zeek::TYPE_VECTOR),
      uid(type.get(), "uid", zeek::TYPE_STRING),
      verdict_fields(type.get()) {}

iforest::DnsView DnsInfo::View(const zeek::RecordVal& info) const {
    const zeek::RecordVal* ends = id.IsSet(&info) ? info.GetFieldAs<zeek::RecordVal>(id.Offset()) : nullptr;

    iforest::DnsView view{
        .ts = seconds(info, ts, 0.0),
        .rtt = seconds(info, rtt, -1.0),
        .client = address(ends, orig_h),
        .client_port = port(ends, orig_p),
        .server = address(ends, resp_h),
        .server_port = port(ends, resp_p),
        .proto = transport(info, proto),
        .has_query = query.IsSet(&info),
        .query = text(info, query),
        .qtype = count(info, qtype),
        .rcode = count(info, rcode),
        .answers = 0,
        .answer_bytes = 0,
        .min_ttl = -1.0,
        .uid = text(info, uid),
    };

    if ( answers.IsSet(&info) ) {
        const auto* vector = info.GetFieldAs<zeek::VectorVal>(answers.Offset());

        for ( unsigned int i = 0; i < vector->Size(); i++ )
            if ( const auto answer = vector->ValAt(i); answer && answer->GetType()->Tag() == zeek::TYPE_STRING ) {
                view.answers++;
                view.answer_bytes += static_cast<uint64_t>(std::max(0, answer->AsString()->Len()));
            }
    }

    if ( ttls.IsSet(&info) ) {
        const auto* vector = info.GetFieldAs<zeek::VectorVal>(ttls.Offset());

        for ( unsigned int i = 0; i < vector->Size(); i++ )
            if ( const auto ttl = vector->ValAt(i); ttl && ttl->GetType()->Tag() == zeek::TYPE_INTERVAL ) {
                const double value = std::max(0.0, ttl->AsInterval());
                view.min_ttl = view.min_ttl < 0.0 ? value : std::min(view.min_ttl, value);
            }
    }

    return view;
}

} // namespace plugin::IForest_Scorer
