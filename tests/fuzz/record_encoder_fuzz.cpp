// libFuzzer target: the first bytes choose dialect, columns and block limits; the others are the input, or the seed
// of generated and mutated values. Every kernel's field index finds what split_fields() finds, every kernel's COPY
// BINARY is the same, and what is encoded reads as the text does.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <numeric>
#include <string>
#include <string_view>
#include <vector>

#include "hypercopy/record_encoder.hpp"
#include "support/binary_reread.hpp"
#include "support/datetime_values.hpp"
#include "support/field_truth.hpp"
#include "support/mutations.hpp"
#include "support/scalar_values.hpp"

namespace {

using namespace hypercopy;
using namespace hypercopy::type_oid;

constexpr std::size_t kChoiceBytes = 4;

struct FuzzType {
  ColumnType wire;
  std::string (*spelling)(test::Random&);
};

const FuzzType kTypes[] = {
    {{.oid = kInt2}, test::int2_text},
    {{.oid = kInt4}, test::int4_text},
    {{.oid = kInt8}, test::int8_text},
    {{.oid = kOid}, test::oid_text},
    {{.oid = kFloat4}, test::float4_text},
    {{.oid = kFloat8}, test::float8_text},
    {{.oid = kNumeric}, test::numeric_text},
    {{.oid = kBool}, test::bool_text},
    {{.oid = kText}, test::any_text},
    {{.oid = kName}, test::name_text},
    {{.oid = kJsonb}, test::json_text},
    {{.oid = kBytea}, test::bytea_text},
    {{.oid = kUuid}, test::uuid_text},
    {{.oid = kInet}, test::inet_text},
    {{.oid = kMacaddr}, test::macaddr_text},
    {{.oid = kDate}, test::random_date},
    {{.oid = kTime}, test::random_time},
    {{.oid = kTimetz}, test::random_timetz},
    {{.oid = kTimestamp}, test::random_timestamp},
    {{.oid = kTimestamptz}, test::random_timestamptz},
    {{.oid = kInterval}, test::random_interval},
    {{.oid = 1007, .element_oid = kInt4}, [](test::Random& r) { return test::array_of(test::int4_text)(r); }},
    {{.oid = 1009, .element_oid = kText}, [](test::Random& r) { return test::array_of(test::any_text)(r); }},
    {{.oid = 1185, .element_oid = kTimestamptz},
     [](test::Random& r) { return test::array_of(test::random_timestamptz)(r); }},
};

Dialect choose_dialect(std::uint8_t choice) {
  Dialect dialect;
  constexpr char kQuotes[] = {'"', '\'', '\\', '.'};
  dialect.quote = dialect.escape = kQuotes[choice & 3];
  if ((choice & 4) != 0) dialect.escape = '\\';
  if ((choice & 8) != 0) dialect.delimiter = ';';
  if ((choice & 16) != 0) dialect.null_marker = "NULL";
  if ((choice & 32) != 0) dialect.force_null = {"a"};
  if ((choice & 64) != 0) dialect.force_not_null = {"b"};
  return dialect;
}

std::string quoted(const std::string& text, const Dialect& dialect) {
  std::string field(1, dialect.quote);
  for (const char byte : text) {
    if (byte == dialect.quote || byte == dialect.escape) field += dialect.escape;
    field += byte;
  }
  return field + dialect.quote;
}

// Records of one spelling per column, as they are or changed, in quotes or not.
std::string generate(const std::vector<const FuzzType*>& types, const Dialect& dialect, std::uint64_t seed) {
  test::Random random(seed);
  const std::string newline = random.pick(std::vector<std::string>{"\n", "\r\n", "\r"});
  const bool changed = random.one_in(2);
  std::string input;
  for (std::size_t records = 1 + random.below(4); records > 0; --records) {
    for (std::size_t column = 0; column < types.size(); ++column) {
      std::string text = types[column]->spelling(random);
      if (changed && random.one_in(3)) text = test::mutated(std::move(text), random);
      const bool plain =
          text.find_first_of(std::string("\r\n") + dialect.delimiter + dialect.quote) == std::string::npos;
      if (column != 0) input += dialect.delimiter;
      input += plain && random.one_in(2) ? text : quoted(text, dialect);
    }
    input += newline;
  }
  return input;
}

std::string check_field(const FieldPlan& plan, const ColumnType& wire, const std::string& raw,
                        const Dialect& dialect, std::string_view& stream) {
  const auto length = static_cast<std::int32_t>(test::take_integer(stream, 4));
  const bool has_quote = raw.find(dialect.quote) != std::string::npos;
  const std::string text = decode_field(raw, dialect);
  const bool is_null = has_quote ? plan.force_null && text == dialect.null_marker
                                 : raw == dialect.null_marker && !plan.force_not_null;
  if (is_null != (length == kNullLength)) return "NULL";
  if (is_null) return {};
  if (length < 0 || stream.size() < static_cast<std::size_t>(length)) return "length";
  const std::string_view bytes = stream.substr(0, static_cast<std::size_t>(length));
  stream.remove_prefix(bytes.size());
  return wire.element_oid != 0 ? test::reread_array(wire, text, bytes) : test::reread(wire, text, bytes);
}

std::string check_stream(std::string_view stream, const test::IndexBatch& batch, const EncodingPlan& plan,
                         const std::vector<const FuzzType*>& types) {
  stream.remove_prefix(19);
  for (const auto& record : test::fields_of(batch, plan.dialect).records) {
    if (test::take_integer(stream, 2) != types.size() || record.size() != types.size()) return "fields";
    for (std::size_t column = 0; column < types.size(); ++column) {
      const std::string raw(
          batch.bytes.substr(record[column].begin, record[column].end - record[column].begin));
      const std::string wrong =
          check_field(*plan.fields[column], types[column]->wire, raw, plan.dialect, stream);
      if (!wrong.empty()) return fmt::format("type {}: {} gives {}", types[column]->wire.oid, raw, wrong);
    }
  }
  return stream == "\xff\xff" ? "" : "trailer";
}

std::string check_batch(const test::IndexBatch& batch, const EncodingPlan& plan,
                        const std::vector<const FuzzType*>& types) {
  std::string first;
  for (const Kernel kernel : available_kernels()) {
    // A copy of exactly these bytes, so that a sanitizer sees a read behind them.
    const std::vector<char> bytes(batch.bytes.begin(), batch.bytes.end());
    RecordEncoder encoder(kernel);
    GivenUp why;
    const auto encoded = encoder.encode({bytes.data(), bytes.size()}, batch.newline, plan, why);
    const std::string got(encoded ? *encoded : "given up");
    if (kernel != available_kernels().front()) {
      if (got != first) return fmt::format("kernel {} differs", to_string(kernel));
      continue;
    }
    first = got;
    const std::string wrong = encoded ? check_stream(got, batch, plan, types) : "";
    if (!wrong.empty()) return wrong;
  }
  return {};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < kChoiceBytes) return 0;
  const Dialect dialect = choose_dialect(data[0]);
  const std::vector<const FuzzType*> types{&kTypes[data[1] % std::size(kTypes)],
                                           &kTypes[data[2] % std::size(kTypes)]};
  TargetTable table;
  ColumnMapping mapping;
  for (const char* const name : {"a", "b"}) {
    table.columns.push_back({.name = name, .type = "?", .wire = types[table.columns.size()]->wire});
    mapping.columns.emplace_back(name);
  }
  mapping.field_count = types.size();
  const auto decision = make_encoding_plan(dialect, mapping, table,
                                           {.utc = true, .array_nulls = true, .server_version = 180000});
  const std::string_view rest(reinterpret_cast<const char*>(data) + kChoiceBytes, size - kChoiceBytes);
  const std::string input = (data[3] & 1) != 0
                                ? std::string(rest)
                                : generate(types, dialect, std::hash<std::string_view>{}(rest) + data[3]);
  const SplitOptions split{.quote = dialect.quote, .escape = dialect.escape, .before_v18 = false};
  const auto batches = test::cut_batches(input, split, 1'000'000);
  const IndexLimits limits{.fields = 1U << (data[3] >> 4), .bytes = std::size_t{16} << (data[3] >> 5)};
  std::string wrong = test::index_disagreement(dialect, batches, types.size(), limits);
  for (const auto& batch : batches) {
    if (wrong.empty()) wrong = check_batch(batch, *decision.plan, types);
  }
  if (!wrong.empty()) {
    std::fprintf(stderr, "%s\n", wrong.c_str());
    std::abort();
  }
  return 0;
}
