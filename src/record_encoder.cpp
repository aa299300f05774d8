#include "hypercopy/record_encoder.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace hypercopy {

namespace {

// Signature, flags (no OIDs), length of the header's extension.
constexpr std::string_view kBinaryHeader("PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0", 19);
constexpr std::int16_t kBinaryTrailer = -1;

// A field's length must fit into 31 bits, and an array of digits grows up to eight times.
constexpr std::size_t kLongestField = std::size_t{128} << 20;

// What unquoting may keep from batch to batch.
constexpr std::size_t kMostScratchBytes = std::size_t{1} << 20;

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// False: the type has no encoder.
bool choose_encoder(const ColumnType& wire, const EncoderSettings& settings, FieldPlan& field) {
  field.type = FieldType{.oid = wire.oid, .is_enum = wire.is_enum, .settings = settings};
  if (wire.element_oid == 0) {
    field.type.encode = wire.is_enum ? enum_encoder() : find_scalar_encoder(wire.oid);
    return field.type.encode != nullptr;
  }
  field.element = FieldType{.oid = wire.element_oid, .is_enum = wire.element_is_enum, .settings = settings};
  field.element.encode = wire.element_is_enum ? enum_encoder() : find_scalar_encoder(wire.element_oid);
  if (field.element.encode == nullptr) return false;
  field.type.element = &field.element;
  field.type.encode = array_encoder();
  return true;
}

}  // namespace

EncodingDecision make_encoding_plan(const Dialect& dialect, const ColumnMapping& mapping,
                                    const TargetTable& table, const EncoderSettings& settings) {
  if (dialect.format != Format::csv) return {.plan = nullptr, .reason = "the input is COPY text"};
  if (mapping.columns.empty()) return {.plan = nullptr, .reason = "no column is filled"};
  auto plan = std::make_shared<EncodingPlan>();
  plan->dialect = dialect;
  plan->columns = static_cast<std::uint16_t>(mapping.columns.size());
  auto column = mapping.columns.begin();
  for (std::size_t index = 0; index < mapping.field_count; ++index) {
    auto field = std::make_unique<FieldPlan>();
    const bool dropped = std::binary_search(mapping.dropped.begin(), mapping.dropped.end(), index);
    if (!dropped) {
      field->column = *column++;
      field->force_null = contains(dialect.force_null, field->column);
      field->force_not_null = contains(dialect.force_not_null, field->column);
      const Column* const described = table.find(field->column);
      if (described == nullptr || !choose_encoder(described->wire, settings, *field)) {
        return {.plan = nullptr,
                .reason = fmt::format("column {} of type {} has no encoder", field->column,
                                      described == nullptr ? "?" : described->type)};
      }
    }
    plan->fields.push_back(std::move(field));
  }
  return {.plan = std::move(plan), .reason = {}};
}

std::optional<std::string_view> RecordEncoder::encode(std::string_view records, NewlineStyle newline,
                                                      const EncodingPlan& plan, GivenUp& why) {
  const EncodedFront front = encode_front(records, newline, plan);
  why = front.why.value_or(GivenUp{});
  return front.why ? std::nullopt : std::optional(front.stream);
}

EncodedFront RecordEncoder::encode_front(std::string_view records, NewlineStyle newline,
                                         const EncodingPlan& plan) {
  if (indexed_plan_ != &plan) {
    indexer_.emplace(plan.dialect, plan.fields.size(), kernel_);
    indexed_plan_ = &plan;
  }
  GivenUp why;
  out_.clear();
  starts_.clear();
  if (scratch_.capacity() > kMostScratchBytes) std::string().swap(scratch_);
  out_.put_bytes(kBinaryHeader);
  indexer_->start(records, newline);
  FieldBlock block;
  bool complete = true;
  while (true) {
    const IndexStop stop = indexer_->next(block);
    if (stop == IndexStop::end) break;
    complete = stop == IndexStop::block && encode_block(block, plan, why);
    if (!complete) break;
  }
  starts_.push_back(out_.size());
  out_.put(kBinaryTrailer);
  return {.stream = out_.view(),
          .starts = starts_,
          .records = why.record,
          .why = complete ? std::nullopt : std::optional(why)};
}

bool RecordEncoder::encode_block(const FieldBlock& block, const EncodingPlan& plan, GivenUp& why) {
  FieldReader reader(block);
  for (std::size_t record = 0; record < block.records; ++record) {
    const std::size_t begin = out_.size();
    out_.put(plan.columns);
    for (const auto& field : plan.fields) {
      const RawField raw = reader.next();
      if (field->column.empty()) continue;  // dropped
      if (!encode_field(raw, *field, plan.dialect)) {
        why.column = field->column;
        out_.truncate(begin);
        return false;
      }
    }
    reader.next_record();
    starts_.push_back(begin);
    ++why.record;
  }
  return true;
}

// NextCopyFrom's rules: what is NULL is decided by the raw field, FORCE_NOT_NULL and FORCE_NULL turn that around.
bool RecordEncoder::encode_field(const RawField& raw, const FieldPlan& field, const Dialect& dialect) {
  std::string_view value = raw.text;
  if (value.size() > kLongestField) return false;
  if (!raw.has_quote) {
    if (value == dialect.null_marker && !field.force_not_null) {
      out_.put(kNullLength);
      return true;
    }
  } else {
    value = unquote(raw.text, dialect.quote, dialect.escape, scratch_);
    if (field.force_null && value == dialect.null_marker) {
      out_.put(kNullLength);
      return true;
    }
  }
  return field.type.encode(value, field.type, out_);
}

}  // namespace hypercopy
