// Command lines spelled for Go's `flag` package, brought into one canonical form that CLI11 reads.
// Shape:   the caller lists its flags (GoFlag); normalise_go_flags() answers with two words, "--name" and
//          "value", for each flag that was given, once per flag, the last repetition winning, in the order
//          of `flags`. Values are canonical: booleans true or false, integers decimal, durations whole
//          nanoseconds, texts as they were given. They are two words because CLI11 takes "--name=" for a
//          value that is missing. It knows names and kinds of flags; what a value means is the caller's.
// Syntax:  -x, --x, -x=v, -x v; a boolean takes a value only behind `=`. The first word that is not a flag
//          (a lone `-` too) ends the flags, and so does `--`; what follows is ignored, silently.
// Units:   integers and nanoseconds fit 64 bits with sign.
// Errors:  Ending::error carries the text that a Go program prints before its usage and exit 2; the wrong
//          word in it is cut behind `=` and `://`: it may be a connection string with a password.
// Source:  documentation of Go's packages flag, strconv (ParseBool, ParseInt with base 0) and time
//          (ParseDuration, Duration.String); compared with programs built by Go 1.26.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hypercopy {

enum class GoFlagKind : std::uint8_t { boolean, integer, duration, text };

struct GoFlag {
  std::string_view name;
  GoFlagKind kind = GoFlagKind::text;
  std::string_view default_text{};  // as the usage shows it; empty for Go's zero values
  std::string_view usage{};
  std::string_view value_name{};  // of a text, in the usage; empty: "string"
};

struct GoFlagWords {
  enum class Ending : std::uint8_t { parsed, help, error };
  Ending ending = Ending::parsed;
  std::vector<std::string> words{};  // empty unless parsed
  std::string error{};               // without newline; empty unless error
};

// `arguments`: the command line without the program's name. -h and -help ask for help unless `flags` has
// them.
[[nodiscard]] GoFlagWords normalise_go_flags(std::span<const std::string_view> arguments,
                                             std::span<const GoFlag> flags);

// "Usage of PROGRAM:" and a paragraph for each flag in the order of `flags`; ends with a newline.
[[nodiscard]] std::string go_usage(std::string_view program, std::span<const GoFlag> flags);

// "1m30s", "1.5h", "-300ms", "0"; nothing if it is not a duration or does not fit.
[[nodiscard]] std::optional<std::chrono::nanoseconds> parse_go_duration(std::string_view text);

// As Go prints a time.Duration: "1m30s", "1.2s", "300ms", "1.5µs", "0s".
[[nodiscard]] std::string format_go_duration(std::chrono::nanoseconds duration);

}  // namespace hypercopy
