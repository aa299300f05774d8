#include <algorithm>

#include "scan_kernel.hpp"

namespace hypercopy {
namespace {

enum class Marker : std::uint8_t { data, undecided, end, corrupt, newline_style, not_alone };

struct MarkerScan {
  Marker kind = Marker::data;
  std::size_t length = 0;  // of the marker with its newline, for Marker::end
};

bool is_newline(char byte) { return byte == '\r' || byte == '\n'; }

bool fits_style(char newline, NewlineStyle style) {
  if (style == NewlineStyle::unknown) return true;
  return newline == (style == NewlineStyle::cr ? '\r' : '\n');
}

// What a backslash begins. As the server does at the end of its input, a missing byte is read as NUL once
// the piece is final. The order of the tests is the server's: it decides which fault is reported.
class MarkerReader {
 public:
  MarkerReader(const SplitOptions& options, NewlineStyle style, std::span<const char> rest, bool final)
      : options_(options), style_(style), rest_(rest), final_(final) {}

  [[nodiscard]] MarkerScan read(bool alone) const {
    if (unknown(1)) return {Marker::undecided};
    if (byte(1) != '.') return {Marker::data};

    std::size_t newline_at = 2;
    if (style_ == NewlineStyle::crlf) {
      if (unknown(2)) return {Marker::undecided};
      if (byte(2) == '\n') return data_or(Marker::newline_style);
      if (byte(2) != '\r') return data_or(Marker::corrupt);
      newline_at = 3;
    }
    if (unknown(newline_at)) return {Marker::undecided};
    if (!is_newline(byte(newline_at))) return data_or(Marker::corrupt);
    if (!fits_style(byte(newline_at), style_)) return {Marker::newline_style};
    if (!options_.before_v18 && !alone) return {Marker::not_alone};
    return end_behind(newline_at);
  }

 private:
  [[nodiscard]] bool unknown(std::size_t index) const { return index >= rest_.size() && !final_; }
  [[nodiscard]] char byte(std::size_t index) const { return index < rest_.size() ? rest_[index] : '\0'; }
  // In CSV a "\." with more behind it is a value.
  [[nodiscard]] MarkerScan data_or(Marker fault) const {
    return {options_.format == Format::csv ? Marker::data : fault};
  }
  // With no record before it the marker's newline may be CR or CRLF: the LF belongs to it too.
  [[nodiscard]] MarkerScan end_behind(std::size_t newline_at) const {
    std::size_t length = newline_at + 1;
    if (style_ != NewlineStyle::unknown || byte(newline_at) != '\r') return {Marker::end, length};
    if (unknown(length)) return {Marker::undecided};
    if (byte(length) == '\n') ++length;
    return {Marker::end, length};
  }

  const SplitOptions& options_;
  NewlineStyle style_;
  std::span<const char> rest_;
  bool final_;
};

SplitFault fault_of(Marker marker) {
  switch (marker) {
    case Marker::corrupt:
      return SplitFault::end_marker_corrupt;
    case Marker::newline_style:
      return SplitFault::end_marker_newline_style;
    case Marker::not_alone:
      return SplitFault::end_marker_not_alone;
    case Marker::data:
    case Marker::undecided:
    case Marker::end:
      break;
  }
  return SplitFault::none;
}

// One call of scan_bytes: the server's loop over one byte at a time.
class ByteScanner {
 public:
  ByteScanner(const SplitOptions& options, const Piece& piece, std::size_t at, ScanState& state,
              SplitResult& result)
      : options_(options), piece_(piece), at_(at), state_(state), result_(result) {}

  [[nodiscard]] ByteScan run(std::size_t until) {
    const bool csv = options_.format == Format::csv;
    ByteScan outcome = ByteScan::reached;
    while (outcome == ByteScan::reached) {
      skip_plain(until);
      if (at_ >= until) break;
      outcome = csv ? csv_byte() : text_byte();
    }
    return outcome;
  }

  [[nodiscard]] std::size_t at() const { return at_; }

 private:
  // Over bytes that change nothing but that the byte before them was an escape.
  void skip_plain(std::size_t until) {
    if (state_.last_was_escape) return;
    const bool csv = options_.format == Format::csv;
    const char quote = csv ? options_.quote : '\\';
    const char escape = csv ? options_.escape : '\\';
    std::size_t at = at_;
    for (; at < until; ++at) {
      const char byte = piece_.bytes[at];
      const bool newline = (byte == '\n') | (byte == '\r');
      if (newline | (byte == '\\') | (byte == quote) | (byte == escape)) break;
    }
    at_ = at;
  }

  [[nodiscard]] ByteScan csv_byte() {
    const char byte = piece_.bytes[at_];
    // Kept aside until the byte is decided: an undecided byte comes again.
    bool in_quote = state_.in_quote;
    bool last_was_escape = state_.last_was_escape;
    if (options_.escape != options_.quote) {
      if (in_quote && byte == options_.escape) last_was_escape = !last_was_escape;
      if (byte == options_.quote && !last_was_escape) in_quote = !in_quote;
      if (byte != options_.escape) last_was_escape = false;
    } else if (byte == options_.quote) {
      in_quote = !in_quote;
    }

    if (byte == '\r' && !in_quote) return carriage_return();
    if (byte == '\n' && !in_quote) return line_feed();
    if (byte == '\\' && options_.before_v18 && at_record_start()) {
      const MarkerScan marker = read_marker();
      if (marker.kind != Marker::data) return end_at_marker(marker);
    }
    if (in_quote && !state_.in_quote) state_.open_quote = position_of(state_, at_);
    state_.in_quote = in_quote;
    state_.last_was_escape = last_was_escape;
    take(1);
    return ByteScan::reached;
  }

  [[nodiscard]] ByteScan text_byte() {
    const char byte = piece_.bytes[at_];
    if (byte == '\r') return carriage_return();
    if (byte == '\n') return line_feed();
    if (byte != '\\') {
      take(1);
      return ByteScan::reached;
    }
    const MarkerScan marker = read_marker();
    if (marker.kind != Marker::data) return end_at_marker(marker);
    take(std::min<std::size_t>(2, piece_.bytes.size() - at_));
    return ByteScan::reached;
  }

  [[nodiscard]] ByteScan carriage_return() {
    if (state_.style == NewlineStyle::lf) return stop_at_fault(SplitFault::carriage_return_in_data);
    if (state_.style == NewlineStyle::cr) return end_record(1);
    const bool at_end = at_ + 1 == piece_.bytes.size();
    if (at_end && !piece_.final) return ByteScan::undecided;
    if (!at_end && piece_.bytes[at_ + 1] == '\n') {
      state_.style = NewlineStyle::crlf;
      return end_record(2);
    }
    if (state_.style == NewlineStyle::crlf) return stop_at_fault(SplitFault::carriage_return_in_data);
    state_.style = NewlineStyle::cr;
    return end_record(1);
  }

  [[nodiscard]] ByteScan line_feed() {
    if (state_.style == NewlineStyle::cr || state_.style == NewlineStyle::crlf) {
      return stop_at_fault(SplitFault::newline_in_data);
    }
    state_.style = NewlineStyle::lf;
    return end_record(1);
  }

  [[nodiscard]] ByteScan end_record(std::size_t newline_bytes) {
    take(newline_bytes);
    // In a file whose QUOTE is CR or LF, the newline is also a closing quote.
    state_.in_quote = false;
    state_.last_was_escape = false;
    count_record();
    if (result_.records < piece_.max_records) return ByteScan::reached;
    result_.stop = SplitStop::record_limit;
    return ByteScan::stopped;
  }

  void count_record() {
    ++result_.records;
    result_.records_end = at_;
    state_.record_start.byte = state_.byte_offset + at_;
    state_.record_start.line += state_.lines_in_record();
    ++state_.record_start.record;
    state_.line_feeds = 0;
    state_.carriage_returns = 0;
  }

  [[nodiscard]] MarkerScan read_marker() const {
    const MarkerReader reader(options_, state_.style, piece_.bytes.subspan(at_), piece_.final);
    return reader.read(at_record_start());
  }

  [[nodiscard]] ByteScan end_at_marker(const MarkerScan& marker) {
    if (marker.kind == Marker::undecided) return ByteScan::undecided;
    if (marker.kind != Marker::end) return stop_at_fault(fault_of(marker.kind));
    if (!at_record_start()) count_record();
    at_ += marker.length;
    result_.stop = SplitStop::end_marker;
    return ByteScan::stopped;
  }

  [[nodiscard]] ByteScan stop_at_fault(SplitFault fault) {
    result_.stop = SplitStop::error;
    result_.fault = fault;
    result_.fault_at = position_of(state_, at_);
    return ByteScan::stopped;
  }

  void take(std::size_t bytes) {
    for (const std::size_t end = at_ + bytes; at_ < end; ++at_) {
      const char byte = piece_.bytes[at_];
      state_.line_feeds += byte == '\n' ? 1U : 0U;
      state_.carriage_returns += byte == '\r' ? 1U : 0U;
    }
  }

  [[nodiscard]] bool at_record_start() const { return state_.record_start.byte == state_.byte_offset + at_; }

  const SplitOptions& options_;
  const Piece& piece_;
  std::size_t at_;
  ScanState& state_;
  SplitResult& result_;
};

}  // namespace

ByteScan scan_bytes(const SplitOptions& options, const Piece& piece, std::size_t& at, std::size_t until,
                    ScanState& state, SplitResult& result) {
  ByteScanner scanner(options, piece, at, state, result);
  const ByteScan outcome = scanner.run(until);
  at = scanner.at();
  return outcome;
}

Position position_of(const ScanState& state, std::size_t at) {
  return {.byte = state.byte_offset + at,
          .line = state.record_start.line + state.lines_in_record(),
          .record = state.record_start.record};
}

}  // namespace hypercopy
