#include "field_index_kernel.hpp"

namespace hypercopy {
namespace {

class ByteIndexer {
 public:
  explicit ByteIndexer(FieldScan& scan)
      : scan_(scan), state_(scan.state), own_escape_(scan.escape != scan.quote) {}

  void run() {
    std::size_t at = scan_.at;
    for (; at < scan_.until && scan_.count <= scan_.limit; ++at) take(at);
    scan_.at = at;
    scan_.state = state_;
  }

 private:
  void take(std::size_t at) {
    const char byte = scan_.base[at];
    const bool newline = byte == scan_.newline;
    if (!state_.in_quote && (newline || byte == scan_.delimiter)) {
      end_field(at, newline);
      return;
    }
    if (state_.in_quote && own_escape_ && byte == scan_.escape) {
      state_.last_was_escape = !state_.last_was_escape;
      return;
    }
    if (byte == scan_.quote) {
      state_.has_quote = true;
      if (!state_.last_was_escape) state_.in_quote = !state_.in_quote;
    }
    state_.last_was_escape = false;
  }

  void end_field(std::size_t at, bool newline) {
    const std::uint32_t flag = state_.has_quote ? FieldBlock::kHasQuote : 0;
    scan_.ends[scan_.count++] = static_cast<std::uint32_t>(at) | flag;
    scan_.newlines += newline ? 1 : 0;
    state_.has_quote = false;
  }

  FieldScan& scan_;
  FieldScanState state_;
  const bool own_escape_;
};

}  // namespace

void index_bytes(FieldScan& scan) { ByteIndexer(scan).run(); }

}  // namespace hypercopy
