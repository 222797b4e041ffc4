#include "ConnInfo.h"

#include <utility>

namespace plugin::IForest_Scorer {

ConnInfo::ConnInfo(zeek::RecordTypePtr arg_type)
    : type(std::move(arg_type)),
      id(type.get(), "id", zeek::TYPE_RECORD),
      id_type(id.Exists() ? type->GetFieldType(id.Offset())->AsRecordType() : nullptr),
      ts(type.get(), "ts", zeek::TYPE_TIME),
      proto(type.get(), "proto", zeek::TYPE_ENUM),
      duration(type.get(), "duration", zeek::TYPE_INTERVAL),
      missed_bytes(type.get(), "missed_bytes", zeek::TYPE_COUNT),
      conn_state(type.get(), "conn_state", zeek::TYPE_STRING),
      service(type.get(), "service", zeek::TYPE_STRING),
      history(type.get(), "history", zeek::TYPE_STRING),
      uid(type.get(), "uid", zeek::TYPE_STRING),
      verdict_fields(type.get()),
      orig{
          .addr = {id_type, "orig_h", zeek::TYPE_ADDR},
          .port = {id_type, "orig_p", zeek::TYPE_PORT},
          .local = {type.get(), "local_orig", zeek::TYPE_BOOL},
          .bytes = {type.get(), "orig_bytes", zeek::TYPE_COUNT},
          .pkts = {type.get(), "orig_pkts", zeek::TYPE_COUNT},
          .ip_bytes = {type.get(), "orig_ip_bytes", zeek::TYPE_COUNT},
      },
      resp{
          .addr = {id_type, "resp_h", zeek::TYPE_ADDR},
          .port = {id_type, "resp_p", zeek::TYPE_PORT},
          .local = {type.get(), "local_resp", zeek::TYPE_BOOL},
          .bytes = {type.get(), "resp_bytes", zeek::TYPE_COUNT},
          .pkts = {type.get(), "resp_pkts", zeek::TYPE_COUNT},
          .ip_bytes = {type.get(), "resp_ip_bytes", zeek::TYPE_COUNT},
      } {}

iforest::ConnectionView ConnInfo::View(const zeek::RecordVal& info) const {
    const zeek::RecordVal* ends = id.IsSet(&info) ? info.GetFieldAs<zeek::RecordVal>(id.Offset()) : nullptr;

    return {
        .ts = seconds(info, ts, 0.0),
        .duration = seconds(info, duration, -1.0),
        .orig = Endpoint(info, ends, orig),
        .resp = Endpoint(info, ends, resp),
        .proto = transport(info, proto),
        .missed_bytes = count(info, missed_bytes).value,
        .conn_state = text(info, conn_state),
        .service = text(info, service),
        .history = text(info, history),
        .uid = text(info, uid),
    };
}

iforest::Endpoint ConnInfo::Endpoint(const zeek::RecordVal& info, const zeek::RecordVal* id, const Side& side) {
    return {
        .addr = address(id, side.addr),
        .port = port(id, side.port),
        .local = tristate(info, side.local),
        .bytes = count(info, side.bytes),
        .pkts = count(info, side.pkts),
        .ip_bytes = count(info, side.ip_bytes),
    };
}

} // namespace plugin::IForest_Scorer
