#include "hypercopy/field_encoder.hpp"

#include <algorithm>
#include <array>

#include "encode_datetime.hpp"
#include "encoders.hpp"

namespace hypercopy {

namespace {

struct ScalarEncoder {
  std::uint32_t oid;
  EncodeField encode;
};

constexpr std::array kScalarEncoders{
    ScalarEncoder{type_oid::kBool, encode_bool},
    ScalarEncoder{type_oid::kBytea, encode_bytea},
    ScalarEncoder{type_oid::kName, encode_name},
    ScalarEncoder{type_oid::kInt8, encode_int8},
    ScalarEncoder{type_oid::kInt2, encode_int2},
    ScalarEncoder{type_oid::kInt4, encode_int4},
    ScalarEncoder{type_oid::kText, encode_text},
    ScalarEncoder{type_oid::kOid, encode_oid},
    ScalarEncoder{type_oid::kJson, encode_text},
    ScalarEncoder{type_oid::kCidr, encode_cidr},
    ScalarEncoder{type_oid::kFloat4, encode_float4},
    ScalarEncoder{type_oid::kFloat8, encode_float8},
    ScalarEncoder{type_oid::kMacaddr, encode_macaddr},
    ScalarEncoder{type_oid::kInet, encode_inet},
    ScalarEncoder{type_oid::kBpchar, encode_text},
    ScalarEncoder{type_oid::kVarchar, encode_text},
    ScalarEncoder{type_oid::kDate, encode_date},
    ScalarEncoder{type_oid::kTime, encode_time},
    ScalarEncoder{type_oid::kTimestamp, encode_timestamp},
    ScalarEncoder{type_oid::kTimestamptz, encode_timestamptz},
    ScalarEncoder{type_oid::kInterval, encode_interval},
    ScalarEncoder{type_oid::kTimetz, encode_timetz},
    ScalarEncoder{type_oid::kNumeric, encode_numeric},
    ScalarEncoder{type_oid::kUuid, encode_uuid},
    ScalarEncoder{type_oid::kJsonb, encode_jsonb},
};

}  // namespace

EncodeField find_scalar_encoder(std::uint32_t oid) {
  const auto* const found = std::find_if(kScalarEncoders.begin(), kScalarEncoders.end(),
                                         [oid](const ScalarEncoder& scalar) { return scalar.oid == oid; });
  return found == kScalarEncoders.end() ? nullptr : found->encode;
}

EncodeField array_encoder() { return encode_array; }

EncodeField enum_encoder() { return encode_text; }

}  // namespace hypercopy
