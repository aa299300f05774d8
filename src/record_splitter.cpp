#include "hypercopy/record_splitter.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdlib>

#include "kernel_words.hpp"
#include "scan_kernel.hpp"

namespace hypercopy {
namespace {

bool cpu_runs([[maybe_unused]] Kernel kernel) {
#if defined(__x86_64__)
  switch (kernel) {
    case Kernel::scalar:
      return true;
    case Kernel::sse42:
      return __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("popcnt");
    case Kernel::avx2:
      return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("pclmul") &&
             __builtin_cpu_supports("popcnt") && __builtin_cpu_supports("bmi");
    case Kernel::avx512:
      return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
             __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("pclmul") &&
             __builtin_cpu_supports("popcnt") && __builtin_cpu_supports("bmi");
  }
  return false;
#else
  return kernel == Kernel::scalar;
#endif
}

struct KernelList {
  std::array<Kernel, 4> kernels{};
  std::size_t size = 0;
};

KernelList find_kernels() {
  KernelList found;
  for (const Kernel kernel : {Kernel::scalar, Kernel::sse42, Kernel::avx2, Kernel::avx512}) {
    if (cpu_runs(kernel)) found.kernels[found.size++] = kernel;
  }
  return found;
}

// Word kernels know neither an ESCAPE of its own nor a QUOTE that has another meaning in the same place.
bool words_fit(const SplitOptions& options) {
  if (options.format == Format::text) return true;
  if (options.escape != options.quote) return false;
  if (options.quote == '\r' || options.quote == '\n') return false;
  return options.quote != '\\' || !options.before_v18;
}

std::uint64_t count_newlines(std::span<const char> bytes, NewlineStyle style) {
  const char newline = style == NewlineStyle::cr ? '\r' : '\n';
  return static_cast<std::uint64_t>(std::count(bytes.begin(), bytes.end(), newline));
}

void add_lines(ScanState& state, std::uint64_t lines) {
  (state.style == NewlineStyle::cr ? state.carriage_returns : state.line_feeds) += lines;
}

// Words do not keep where a quote opened, as only a quote that is still open is of interest: it is the last
// quote of what they scanned, or the one that was open before.
void find_open_quote(std::span<const char> scanned, std::size_t at, char quote, ScanState& state) {
  const auto last = std::find(scanned.rbegin(), scanned.rend(), quote);
  if (last == scanned.rend()) return;
  const auto behind = static_cast<std::size_t>(last - scanned.rbegin());
  state.open_quote = position_of(state, at + scanned.size() - 1 - behind);
  state.open_quote.line -= count_newlines(scanned.last(behind), state.style);
}

// One call of RecordSplitter::scan().
class PieceScanner {
 public:
  PieceScanner(const SplitOptions& options, WordScanner words, const Piece& piece, ScanState& state)
      : options_(options), words_(words), piece_(piece), state_(state) {}

  [[nodiscard]] SplitResult run() {
    ByteScan outcome = ByteScan::reached;
    while (at_ < piece_.bytes.size() && outcome == ByteScan::reached) {
      scan_words();
      outcome = scan_bytes(options_, piece_, at_, bytes_until(), state_, result_);
    }
    if (outcome == ByteScan::reached && piece_.final) end_input();
    result_.scanned = at_;
    state_.byte_offset += at_;
    return result_;
  }

 private:
  void scan_words() {
    const std::size_t words = (piece_.bytes.size() - at_) / kWordBytes;
    if (words == 0 || words_ == nullptr || state_.style == NewlineStyle::unknown) return;
    const WordScanOutput out = words_({.begin = piece_.bytes.data() + at_,
                                       .words = words,
                                       .max_records = piece_.max_records - result_.records,
                                       .format = options_.format,
                                       .style = state_.style,
                                       .quote = options_.quote,
                                       .before_v18 = options_.before_v18,
                                       .in_quote = state_.in_quote,
                                       .at_record_start = unfinished_bytes() == 0});
    add_lines(state_, out.lines);
    if (out.records != 0) end_records(out);
    state_.in_quote = out.in_quote;
    if (out.in_quote) {
      // Positions count from the piece's first byte; at_ is where the scanned words begin.
      find_open_quote(piece_.bytes.subspan(at_, out.scanned), at_, options_.quote, state_);
    }
    at_ += out.scanned;
  }

  [[nodiscard]] std::size_t bytes_until() const {
    const std::size_t size = piece_.bytes.size();
    // At least the whole word that was handed back, which began one byte later if that byte is half a
    // newline.
    return words_ == nullptr ? size : std::min(size, at_ + kWordBytes + 1);
  }

  void end_records(const WordScanOutput& out) {
    const std::size_t end = at_ + out.records_end;
    const std::uint64_t lines_behind =
        count_newlines(piece_.bytes.subspan(end, out.scanned - out.records_end), state_.style);
    state_.record_start.byte = state_.byte_offset + end;
    state_.record_start.line += state_.lines_in_record() - lines_behind;
    state_.record_start.record += out.records;
    state_.line_feeds = 0;
    state_.carriage_returns = 0;
    add_lines(state_, lines_behind);
    result_.records += out.records;
    result_.records_end = end;
  }

  // No byte follows: what is left is a record without a newline.
  void end_input() {
    if (state_.in_quote) {
      result_.stop = SplitStop::error;
      result_.fault = SplitFault::open_quote;
      result_.fault_at = state_.open_quote;
      return;
    }
    if (unfinished_bytes() == 0) return;
    ++result_.records;
    result_.records_end = at_;
    state_.record_start.byte = state_.byte_offset + at_;
    state_.record_start.line += state_.lines_in_record();
    ++state_.record_start.record;
    state_.line_feeds = 0;
    state_.carriage_returns = 0;
    if (result_.records == piece_.max_records) result_.stop = SplitStop::record_limit;
  }

  [[nodiscard]] std::uint64_t unfinished_bytes() const {
    return state_.byte_offset + at_ - state_.record_start.byte;
  }

  const SplitOptions& options_;
  WordScanner words_;
  const Piece& piece_;
  ScanState& state_;
  SplitResult result_{};
  std::size_t at_ = 0;
};

}  // namespace

std::string_view to_string(SplitFault fault, Format format) {
  const bool csv = format == Format::csv;
  switch (fault) {
    case SplitFault::none:
      return "none";
    case SplitFault::carriage_return_in_data:
      return csv ? "unquoted carriage return found in data" : "literal carriage return found in data";
    case SplitFault::newline_in_data:
      return csv ? "unquoted newline found in data" : "literal newline found in data";
    case SplitFault::end_marker_corrupt:
      return "end-of-copy marker corrupt";
    case SplitFault::end_marker_newline_style:
      return "end-of-copy marker does not match previous newline style";
    case SplitFault::end_marker_not_alone:
      return "end-of-copy marker is not alone on its line";
    case SplitFault::open_quote:
      return "unterminated CSV quoted field";
  }
  return "unknown";
}

std::string_view to_string(Kernel kernel) {
  switch (kernel) {
    case Kernel::scalar:
      return "scalar";
    case Kernel::sse42:
      return "sse42";
    case Kernel::avx2:
      return "avx2";
    case Kernel::avx512:
      return "avx512";
  }
  return "unknown";
}

std::span<const Kernel> available_kernels() {
  static const KernelList list = find_kernels();
  return std::span(list.kernels).first(list.size);
}

Result<Kernel> choose_kernel() {
  const std::span<const Kernel> kernels = available_kernels();
  const char* wanted = std::getenv("HYPERCOPY_KERNEL");
  if (wanted == nullptr || *wanted == '\0') return kernels.back();
  std::string names;
  for (const Kernel kernel : kernels) {
    if (to_string(kernel) == wanted) return kernel;
    names += names.empty() ? "" : ", ";
    names += to_string(kernel);
  }
  return fail(ErrorKind::usage,
              fmt::format("HYPERCOPY_KERNEL is \"{}\", which is not available here", wanted),
              fmt::format("Available: {}. Unset it to use the fastest.", names));
}

WordScanner word_scanner(Kernel kernel) {
#if defined(__x86_64__)
  constexpr KernelWords<WordScanner> kWords{
      .sse42 = scan_words_sse42, .avx2 = scan_words_avx2, .avx512 = scan_words_avx512};
#else
  constexpr KernelWords<WordScanner> kWords;
#endif
  return kWords.of(kernel);
}

RecordSplitter::RecordSplitter(const SplitOptions& options, Kernel kernel, Position start, NewlineStyle style)
    : options_(options), kernel_(kernel) {
  state_.style = style;
  state_.record_start = start;
  state_.byte_offset = start.byte;
}

SplitResult RecordSplitter::scan(std::span<const char> bytes, std::uint64_t max_records, bool final) {
  const WordScanner words = words_fit(options_) ? word_scanner(kernel_) : nullptr;
  const Piece piece{.bytes = bytes, .max_records = max_records, .final = final};
  return PieceScanner(options_, words, piece, state_).run();
}

}  // namespace hypercopy
