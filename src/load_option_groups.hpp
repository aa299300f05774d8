// The options of a load as CLI11 groups. Every command that loads, or looks at a load, takes the first three: how to
// connect, what the input is, which columns it fills.
// Shape:   add_...() bind options to LoadWords, read_load_options() turns the words into LoadOptions when all
//          are known.
// Owns:    the LoadWords must outlive the app.
#pragma once

#include <optional>
#include <string>

#include "hypercopy/load_options.hpp"

namespace CLI {
class App;
}

namespace hypercopy {

// Option texts as typed; turned into LoadOptions when all are known.
struct LoadWords {
  LoadOptions options;
  std::string table;
  std::string format = "csv";
  std::string wire = "auto";
  std::string order_by_time = "auto";
  std::string direct_compress = "auto";
  std::string build_chunks = "off";
  std::string after;
  std::string on_error = "stop";
  std::optional<std::string> max_rejects;
  std::string delimiter;
  std::string quote;
  std::string escape;
  std::optional<std::string> null_marker;
  std::string force_null;
  std::string force_not_null;
  std::string columns;
  std::string column_map;
  std::string on_conflict = "error";
  std::string defer_indexes = "false";
  std::string conflict_key;
  bool header = false;
  bool skip_header = false;
  bool no_password = false;
  bool ask_password = false;
  double reporting_seconds = 0;
  double retry_seconds = 300;
};

inline constexpr const char* kConnectionGroup =
    "Connection (what is missing comes from PG* variables, service file and .pgpass)";
inline constexpr const char* kInputGroup = "Input";
inline constexpr const char* kColumnGroup = "Columns (those that the input lacks take their defaults)";

void add_connection_options(CLI::App& app, LoadWords& words);
void add_input_options(CLI::App& app, LoadWords& words);
void add_column_options(CLI::App& app, LoadWords& words);
// Of `hypercopy load` alone.
void add_load_options(CLI::App& app, LoadWords& words);
void add_import_options(CLI::App& app, LoadWords& words);
void add_reject_options(CLI::App& app, LoadWords& words);
void add_output_options(CLI::App& app, LoadWords& words);

[[nodiscard]] Result<LoadOptions> read_load_options(LoadWords& words);

}  // namespace hypercopy
