// What one COPY of a whole input finds: the server's rule written down a second time, as plainly as possible,
// for the splitter's tests. And a caller of the splitter that cuts the input and checks every single call.
// Source:  PostgreSQL src/backend/commands/copyfromparse.c, CopyReadLineText.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hypercopy/record_splitter.hpp"

namespace hypercopy::test {

struct Truth {
  std::vector<std::uint64_t> ends{};  // per record: offset in the input just past it
  std::vector<Position> starts{};     // per record: where it starts; then where the next one would
  SplitStop stop = SplitStop::need_more;
  SplitFault fault = SplitFault::none;
  Position fault_at{};
  std::uint64_t scanned = 0;
};

class Oracle {
 public:
  Oracle(const SplitOptions& options, std::string_view input, Position start = {})
      : options_(options), input_(input), start_(start) {}

  Truth read_all() {
    truth_.starts.push_back(start_);
    while (read_line()) {
    }
    truth_.scanned = at_;
    return truth_;
  }

 private:
  // One record; false at the end of the input, whatever ended it.
  bool read_line() {
    const bool csv = options_.format == Format::csv;
    begin_ = at_;
    bool in_quote = false;
    bool escaped = false;
    std::size_t opened = 0;
    for (; at_ < input_.size();) {
      const std::size_t here = at_;
      const char c = input_[at_++];
      if (csv) {
        const bool was_quoted = in_quote;
        if (options_.quote != options_.escape && in_quote && c == options_.escape) escaped = !escaped;
        if (c == options_.quote && !escaped) in_quote = !in_quote;
        if (c != options_.escape) escaped = false;
        if (in_quote && !was_quoted) opened = here;
      }
      if (c == '\r' && !in_quote) {
        if (style_ == NewlineStyle::lf) return fault(SplitFault::carriage_return_in_data, here);
        if (style_ != NewlineStyle::cr) {
          if (peek(at_) == '\n') {
            ++at_;
            style_ = NewlineStyle::crlf;
          } else if (style_ == NewlineStyle::crlf) {
            return fault(SplitFault::carriage_return_in_data, here);
          } else {
            style_ = NewlineStyle::cr;
          }
        }
        return end_record(at_);
      }
      if (c == '\n' && !in_quote) {
        if (style_ == NewlineStyle::cr || style_ == NewlineStyle::crlf) {
          return fault(SplitFault::newline_in_data, here);
        }
        style_ = NewlineStyle::lf;
        return end_record(at_);
      }
      const bool marker_place = csv ? options_.before_v18 && here == begin_ : true;
      if (c == '\\' && marker_place && at_ < input_.size()) {
        if (input_[at_] == '.') {
          if (const std::optional<bool> go_on = marker(here)) return *go_on;
          at_ = here + 1;  // csv: it was data
        } else if (!csv) {
          ++at_;
        }
      }
    }
    if (in_quote) return fault(SplitFault::open_quote, opened);
    if (at_ > begin_) end_record(at_);
    return false;
  }

  // Nothing when the "\." at `here` is data.
  std::optional<bool> marker(std::size_t here) {
    const bool csv = options_.format == Format::csv;
    std::size_t next = here + 2;
    if (style_ == NewlineStyle::crlf) {
      const char c = peek(next++);
      if (c != '\r' && csv) return std::nullopt;
      if (c == '\n') return fault(SplitFault::end_marker_newline_style, here);
      if (c != '\r') return fault(SplitFault::end_marker_corrupt, here);
    }
    const char c = peek(next++);
    if (c != '\r' && c != '\n') {
      if (csv) return std::nullopt;
      return fault(SplitFault::end_marker_corrupt, here);
    }
    if ((style_ == NewlineStyle::lf && c != '\n') || (style_ == NewlineStyle::crlf && c != '\n') ||
        (style_ == NewlineStyle::cr && c != '\r')) {
      return fault(SplitFault::end_marker_newline_style, here);
    }
    if (!options_.before_v18 && here > begin_) return fault(SplitFault::end_marker_not_alone, here);
    if (style_ == NewlineStyle::unknown && c == '\r' && peek(next) == '\n') ++next;
    if (here > begin_) end_record(here);
    at_ = next;
    truth_.stop = SplitStop::end_marker;
    return false;
  }

  bool end_record(std::size_t end) {
    truth_.ends.push_back(end);
    truth_.starts.push_back(position(end));
    return true;
  }

  bool fault(SplitFault fault, std::size_t where) {
    truth_.stop = SplitStop::error;
    truth_.fault = fault;
    truth_.fault_at = position(where);
    return false;
  }

  [[nodiscard]] Position position(std::size_t where) const {
    const char newline = style_ == NewlineStyle::cr ? '\r' : '\n';
    const std::string_view before = input_.substr(0, where);
    const auto lines = static_cast<std::uint64_t>(std::count(before.begin(), before.end(), newline));
    return {start_.byte + where, start_.line + lines, start_.record + truth_.ends.size()};
  }

  [[nodiscard]] char peek(std::size_t where) const { return where < input_.size() ? input_[where] : '\0'; }

  const SplitOptions options_;
  const std::string_view input_;
  const Position start_;
  NewlineStyle style_ = NewlineStyle::unknown;
  std::size_t begin_ = 0;
  std::size_t at_ = 0;
  Truth truth_;
};

struct Feeding {
  Kernel kernel = Kernel::scalar;
  std::vector<std::size_t> pieces{};  // bytes added before each call, taken in turns; empty: all at once
  std::uint64_t max_records = 1'000'000;
  bool final_is_late = false;  // `final` comes only with a call that brings no new byte
};

struct Call {
  SplitResult result;
  Position record_start;
  NewlineStyle style = NewlineStyle::unknown;

  friend bool operator==(const Call&, const Call&) = default;
};

// Feeds an input as a caller does: what was not scanned is kept and given again in front of new bytes.
class Feeder {
 public:
  Feeder(const SplitOptions& options, std::string_view input, const Truth& truth)
      : options_(options), input_(input), truth_(truth) {}

  // What differs from the truth, or nothing. `calls` gets what every call answered.
  std::string run(const Feeding& feeding, std::vector<Call>& calls) {
    calls.clear();
    RecordSplitter splitter(options_, feeding.kernel, truth_.starts.front());
    const std::uint64_t origin = truth_.starts.front().byte;
    std::uint64_t records = 0;
    std::size_t given = feeding.pieces.empty() ? input_.size() : 0;
    std::size_t turn = 0;
    bool final = given == input_.size() && !feeding.final_is_late;
    while (true) {
      const std::size_t at = splitter.byte_offset() - origin;
      // A copy of exactly these bytes, so that a sanitizer sees a read behind them.
      const std::vector<char> bytes(input_.begin() + static_cast<std::ptrdiff_t>(at),
                                    input_.begin() + static_cast<std::ptrdiff_t>(given));
      const SplitResult result = splitter.scan(bytes, feeding.max_records, final);
      calls.push_back({result, splitter.record_start(), splitter.newline_style()});
      records += result.records;
      std::string wrong = check(result, feeding.max_records, records, at, bytes.size(), final);
      if (wrong.empty() && splitter.byte_offset() != origin + at + result.scanned) wrong = "byte_offset";
      if (wrong.empty() && splitter.record_start() != truth_.starts[records]) {
        wrong = "record_start " + show(splitter.record_start()) + ", not " + show(truth_.starts[records]);
      }
      if (!wrong.empty()) return fmt::format("call {} at byte {}: {}", calls.size(), at, wrong);
      if (result.stop == SplitStop::record_limit) continue;
      if (result.stop != SplitStop::need_more || final) return check_end(result, records, at);
      if (given == input_.size()) final = true;
      if (!feeding.pieces.empty()) {
        given = std::min(input_.size(), given + feeding.pieces[turn++ % feeding.pieces.size()]);
      }
      if (given == input_.size() && !feeding.final_is_late) final = true;
    }
  }

  static std::string show(const Position& at) {
    return fmt::format("(byte {}, line {}, record {})", at.byte, at.line, at.record);
  }

 private:
  [[nodiscard]] std::string check(const SplitResult& result, std::uint64_t max_records, std::uint64_t records,
                                  std::size_t at, std::size_t size, bool final) const {
    if (result.scanned > size) return "scanned more than was given";
    if (records > truth_.ends.size()) return fmt::format("{} records, too many", records);
    if (result.records > max_records) return "more records than asked for";
    if (result.records == 0 && result.records_end != 0) return "records_end without a record";
    if (result.records != 0 && at + result.records_end != truth_.ends[records - 1]) {
      return fmt::format("record {} ends at {}, not {}", records, at + result.records_end,
                         truth_.ends[records - 1]);
    }
    if (result.stop == SplitStop::record_limit) {
      if (result.records != max_records) return "record_limit without so many records";
      if (result.scanned != result.records_end) return "record_limit, but scanned further";
    }
    if (result.stop == SplitStop::need_more) {
      if (result.records >= max_records) return "went on behind the last record asked for";
      if (size - result.scanned > (final ? 0U : 3U)) return "too much left unscanned";
    }
    if ((result.stop == SplitStop::error) != (result.fault != SplitFault::none)) return "fault without error";
    return {};
  }

  [[nodiscard]] std::string check_end(const SplitResult& result, std::uint64_t records,
                                      std::size_t at) const {
    if (result.stop != truth_.stop) {
      return fmt::format("stop {}, not {}", static_cast<int>(result.stop), static_cast<int>(truth_.stop));
    }
    if (result.fault != truth_.fault) {
      return fmt::format("fault \"{}\", not \"{}\"", to_string(result.fault, options_.format),
                         to_string(truth_.fault, options_.format));
    }
    if (result.fault_at != truth_.fault_at && result.fault != SplitFault::none) {
      return "fault at " + show(result.fault_at) + ", not " + show(truth_.fault_at);
    }
    if (records != truth_.ends.size()) return fmt::format("{} records, not {}", records, truth_.ends.size());
    if (truth_.stop != SplitStop::error && at + result.scanned != truth_.scanned) {
      return fmt::format("scanned up to {}, not {}", at + result.scanned, truth_.scanned);
    }
    return {};
  }

  const SplitOptions options_;
  const std::string_view input_;
  const Truth& truth_;
};

// Runs every kernel over the input, cut in this way: each must find the truth, and answer each call as the
// scalar one does. Empty when all is well.
inline std::string disagreement(const SplitOptions& options, std::string_view input, const Truth& truth,
                                Feeding feeding) {
  Feeder feeder(options, input, truth);
  std::vector<Call> reference;
  std::vector<Call> calls;
  for (const Kernel kernel : available_kernels()) {
    feeding.kernel = kernel;
    const std::string wrong = feeder.run(feeding, calls);
    if (!wrong.empty()) return fmt::format("{}: {}", to_string(kernel), wrong);
    if (kernel == Kernel::scalar) reference = calls;
    if (calls != reference) return fmt::format("{}: a call differs from scalar's", to_string(kernel));
  }
  return {};
}

}  // namespace hypercopy::test
