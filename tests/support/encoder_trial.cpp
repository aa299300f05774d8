#include "support/encoder_trial.hpp"

#include <fmt/format.h>

#include <stdexcept>

#include "hypercopy/connection.hpp"

namespace hypercopy::test {

namespace {

// A composite's reader gives each field to the input function of its type, with its type modifier, as COPY does;
// a block with a handler tells values apart in one statement.
constexpr const char* kCreateTables = R"(
  CREATE UNLOGGED TABLE loaded (id int4, v {0});
  CREATE TEMPORARY TABLE by_reader (LIKE loaded);
  CREATE TEMPORARY TABLE by_binary (LIKE loaded);
  CREATE TEMPORARY TABLE by_csv (LIKE loaded);
  CREATE TEMPORARY TABLE printed (v {0});
  CREATE TYPE one AS (v {0});
  CREATE TEMPORARY TABLE raw (id int4, t text);
  CREATE TEMPORARY TABLE refused (id int4, sqlstate text);
  CREATE FUNCTION ask_reader() RETURNS void LANGUAGE plpgsql AS $$
  DECLARE
    r record;
    value one;
    state text;
  BEGIN
    TRUNCATE by_reader, refused;
    FOR r IN SELECT id, '("' || replace(replace(t, '\', '\\'), '"', '""') || '")' AS row FROM raw LOOP
      BEGIN
        value := r.row::one;
        state := NULL;
      EXCEPTION WHEN OTHERS THEN
        state := SQLSTATE;
      END;
      IF state IS NULL THEN INSERT INTO by_reader VALUES (r.id, value.v);
      ELSE INSERT INTO refused VALUES (r.id, state);
      END IF;
    END LOOP;
  END $$)";

std::string in_text_format(std::string_view value) {
  std::string text;
  for (const char byte : value) {
    switch (byte) {
      case '\\':
        text += "\\\\";
        break;
      case '\n':
        text += "\\n";
        break;
      case '\r':
        text += "\\r";
        break;
      case '\t':
        text += "\\t";
        break;
      default:
        text += byte;
    }
  }
  return text;
}

TargetTable described(const std::string& dsn, const char* table) {
  const auto never = Cancellation::create();
  Connector connector({.dbname = dsn}, **never, {}, {});
  auto connection = connector.connect("hypercopy test", {**never});
  if (!connection) throw std::runtime_error(connection.error().message);
  auto description = describe_table(*connection, {.name = table});
  if (!description) throw std::runtime_error(description.error().message);
  return *description;
}

}  // namespace

std::string csv_of(std::span<const Value* const> values) {
  std::string csv;
  for (const Value* const value : values) {
    const std::string& text = value->text;
    csv += fmt::format("{},", value->id);
    if (value->id % 2 == 0 && !text.empty() && text.find_first_of(",\"\r\n\\") == std::string::npos) {
      csv += text;
    } else {
      csv += '"';
      for (const char byte : text) csv.append(byte == '"' ? 2 : 1, byte);
      csv += '"';
    }
    csv += '\n';
  }
  return csv;
}

std::string binary_of(std::span<const Value* const> values) {
  BinaryBuffer out;
  out.put_bytes({"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0", 19});
  for (const Value* const value : values) {
    out.put(std::int16_t{2});
    out.put_field(value->id);
    out.put_bytes(value->field);
  }
  out.put(std::int16_t{-1});
  return std::string(out.view());
}

EncoderTrial::EncoderTrial(const Server& server, const std::string& dsn, const EncodedType& type)
    : server_(server), type_(type), encoder_(available_kernels().back()) {
  // Nothing analyzes temporary tables, and a nested loop over a million rows never ends.
  server_.execute("SET client_encoding = 'UTF8'; SET enable_nestloop = off; SET work_mem = '256MB'");
  server_.execute(kCreateTypes);
  server_.execute(fmt::format(kCreateTables, type.type));
  table_ = described(dsn, "loaded");
}

std::shared_ptr<const EncodingPlan> EncoderTrial::plan(bool with_id) const {
  ColumnMapping mapping;
  mapping.columns = with_id ? std::vector<std::string>{"id", "v"} : std::vector<std::string>{"v"};
  mapping.field_count = mapping.columns.size();
  const EncodingDecision decision = make_encoding_plan({}, mapping, table_, settings_);
  if (!decision.plan) throw std::runtime_error(decision.reason);
  return decision.plan;
}

void EncoderTrial::use(const ReadingSettings& settings) {
  server_.execute(fmt::format("SET TimeZone = '{}'; SET DateStyle = '{}'; SET IntervalStyle = '{}'",
                              settings.zone, settings.date_style, settings.interval_style));
  settings_ = {.utc = settings.utc, .array_nulls = true, .server_version = server_.version()};
  plan_ = plan(true);
  plan_without_id_ = plan(false);
}

std::string EncoderTrial::encode(std::string_view text) const {
  const FieldType& type = plan_without_id_->fields.front()->type;
  BinaryBuffer out;
  if (!type.encode(text, type, out)) return {};
  return std::string(out.view());
}

std::optional<std::string_view> EncoderTrial::encode_records(std::string_view csv, bool with_id,
                                                             GivenUp& why) {
  return encoder_.encode(csv, NewlineStyle::lf, with_id ? *plan_ : *plan_without_id_, why);
}

void EncoderTrial::ask_reader(std::vector<Value>& values) const {
  std::string rows;
  for (const Value& value : values) rows += fmt::format("{}\t{}\n", value.id, in_text_format(value.text));
  server_.execute("TRUNCATE raw, by_binary, by_csv, loaded");
  const CopyOutcome copied = server_.copy("COPY raw FROM STDIN", rows);
  if (!copied.rows) throw std::runtime_error(copied.message);
  server_.execute("SELECT ask_reader()");
  for (const auto& row : server_.execute("SELECT id, sqlstate FROM refused"))
    values.at(std::stoul(*row[0])).sqlstate = *row[1];
}

CopyOutcome EncoderTrial::copy_csv(const std::string& table, std::span<const Value* const> values) const {
  return server_.copy(fmt::format("COPY {} FROM STDIN (FORMAT csv)", table), csv_of(values));
}

CopyOutcome EncoderTrial::copy_binary(const std::string& table, std::span<const Value* const> values) const {
  return server_.copy(fmt::format("COPY {} FROM STDIN (FORMAT binary)", table), binary_of(values));
}

std::string EncoderTrial::differences(const std::string& left, const std::string& right) const {
  // Servers up to 14 cannot print an interval that is rounded up beyond 2^31 hours: then by its bytes.
  const bool printable = server_.version() >= 150000 || type_.name.find("interval") == std::string::npos;
  const std::string row = printable ? "t::text" : fmt::format("ROW(id, {}(v))::text", type_.send);
  std::string found;
  for (const auto& [one, other] : {std::pair(left, right), std::pair(right, left)}) {
    for (const auto& line : server_.execute(fmt::format(
             "SELECT left(r, 500) FROM (SELECT {2} r FROM {0} t EXCEPT ALL SELECT {2} FROM {1} t) d LIMIT 5",
             one, other, row)))
      found += fmt::format("only in {}: {}\n", one, line[0].value_or("NULL"));
  }
  return found;
}

void EncoderTrial::fill_printed(std::size_t rows, double seed) const {
  server_.execute(
      fmt::format("TRUNCATE printed; SELECT setseed({}); INSERT INTO printed SELECT {} FROM "
                  "generate_series(1, {})",
                  seed, type_.random_value, rows));
  for (const std::string& value : type_.extremes)
    server_.execute(fmt::format("INSERT INTO printed VALUES ({})", value));
}

}  // namespace hypercopy::test
