#include "hypercopy/field_index.hpp"

#include <algorithm>
#include <cassert>

#include "field_index_kernel.hpp"
#include "hypercopy/batch.hpp"
#include "kernel_words.hpp"

namespace hypercopy {
namespace {

std::size_t offset_of(std::uint32_t end) { return end & ~FieldBlock::kHasQuote; }

// With its newline. It also keeps every offset within 31 bits.
constexpr std::size_t kMaxScannedBytes = kMaxRecordBytes + 2;

bool is_one_quoted_run(std::string_view raw, char quote, char escape) {
  if (raw.size() < 2 || raw.front() != quote || raw.back() != quote) return false;
  const std::string_view inner = raw.substr(1, raw.size() - 2);
  if (inner.find(quote) != std::string_view::npos) return false;
  return escape == quote || inner.find(escape) == std::string_view::npos;
}

std::size_t find_special(std::string_view raw, std::size_t from, char quote, char escape, bool in_quote) {
  const std::size_t quote_at = std::min(raw.find(quote, from), raw.size());
  if (!in_quote || escape == quote) return quote_at;
  return std::min(raw.substr(0, quote_at).find(escape, from), quote_at);
}

}  // namespace

WordIndexer word_indexer(Kernel kernel) {
#if defined(__x86_64__)
  constexpr KernelWords<WordIndexer> kWords{
      .sse42 = index_words_sse42, .avx2 = index_words_avx2, .avx512 = index_words_avx512};
#else
  constexpr KernelWords<WordIndexer> kWords;
#endif
  return kWords.of(kernel);
}

std::string_view unquote(std::string_view raw, char quote, char escape, std::string& scratch) {
  if (is_one_quoted_run(raw, quote, escape)) return raw.substr(1, raw.size() - 2);
  scratch.clear();
  bool in_quote = false;
  for (std::size_t at = 0; at < raw.size();) {
    const std::size_t special = find_special(raw, at, quote, escape, in_quote);
    scratch.append(raw, at, special - at);
    at = special + 1;
    if (special == raw.size()) break;
    const bool escapes_next =
        in_quote && raw[special] == escape && at < raw.size() && (raw[at] == escape || raw[at] == quote);
    if (escapes_next) {
      scratch.push_back(raw[at++]);
    } else if (raw[special] == quote) {
      in_quote = !in_quote;
    } else {
      scratch.push_back(raw[special]);
    }
  }
  return scratch;
}

FieldIndexer::FieldIndexer(const Dialect& dialect, std::size_t columns, Kernel kernel,
                           const IndexLimits& limits)
    : delimiter_(dialect.delimiter),
      quote_(dialect.quote),
      escape_(dialect.escape),
      columns_(columns),
      kernel_(kernel),
      limits_{.fields = std::max(limits.fields, columns), .bytes = std::max<std::size_t>(limits.bytes, 1)},
      ends_(std::make_unique_for_overwrite<std::uint32_t[]>(limits_.fields + kEndsSlack + 1)) {
  assert(dialect.format == Format::csv && columns > 0);
}

void FieldIndexer::start(std::string_view records, NewlineStyle newline) {
  records_ = records;
  newline_ = newline;
  scanned_ = 0;
  count_ = 0;
  newlines_ = 0;
  last_ = {};
  state_ = {};
}

IndexStop FieldIndexer::next(FieldBlock& block) {
  drop_last_block();
  if (records_.empty()) return IndexStop::end;
  while (newlines_ == 0 && count_ <= limits_.fields && scanned_ < records_.size()) {
    if (scanned_ > kMaxScannedBytes) return IndexStop::give_up;
    scan_on(limits_.bytes);
  }
  if (scanned_ == records_.size()) end_input();
  return hand_out(block);
}

// What was scanned of the record behind the block becomes the beginning of the next one.
void FieldIndexer::drop_last_block() {
  const std::size_t fields = last_.records * columns_;
  const std::uint32_t* const rest = ends_.get() + fields;
  const auto dropped = static_cast<std::uint32_t>(last_.bytes);
  count_ -= fields;
  std::transform(rest, rest + count_, ends_.get(), [dropped](std::uint32_t end) { return end - dropped; });
  records_.remove_prefix(last_.bytes);
  // The LF of a CRLF may not have been scanned yet; it ends no field, so it need not be.
  scanned_ = std::max(scanned_, last_.bytes) - last_.bytes;
  last_ = {};
}

void FieldIndexer::scan_on(std::size_t bytes) {
  FieldScan scan{.base = records_.data(),
                 .at = scanned_,
                 .until = scanned_ + std::min(bytes, records_.size() - scanned_),
                 .delimiter = delimiter_,
                 .newline = newline_ == NewlineStyle::lf || newline_ == NewlineStyle::unknown ? '\n' : '\r',
                 .quote = quote_,
                 .escape = escape_,
                 .ends = ends_.get(),
                 .count = count_,
                 .limit = limits_.fields,
                 .newlines = newlines_,
                 .state = state_};
  const WordIndexer words = escape_ == quote_ ? word_indexer(kernel_) : nullptr;
  if (words != nullptr) words(scan);
  index_bytes(scan);
  scanned_ = scan.at;
  count_ = scan.count;
  newlines_ = scan.newlines;
  state_ = scan.state;
}

// The last record may lack its newline: its last field ends where the input does.
void FieldIndexer::end_input() {
  if (count_ != 0 && ends_record(count_ - 1)) {
    const std::size_t newline_bytes = newline_ == NewlineStyle::crlf ? 2 : 1;
    if (offset_of(ends_[count_ - 1]) + newline_bytes >= records_.size()) return;
  }
  ends_[count_++] =
      static_cast<std::uint32_t>(records_.size()) | (state_.has_quote ? FieldBlock::kHasQuote : 0);
  ++newlines_;
}

// A field ends at a delimiter, a newline, or the end of the input.
bool FieldIndexer::ends_record(std::size_t index) const {
  const std::size_t offset = offset_of(ends_[index]);
  return offset == records_.size() || records_[offset] != delimiter_;
}

// All records have `columns` fields when there are as many newlines as records, and each `columns`th end is
// one.
IndexStop FieldIndexer::hand_out(FieldBlock& block) {
  const std::size_t records = count_ / columns_;
  if (newlines_ != records) return IndexStop::give_up;
  for (std::size_t last = columns_ - 1; last < count_; last += columns_) {
    if (!ends_record(last)) return IndexStop::give_up;
  }
  const std::size_t newline_bytes = newline_ == NewlineStyle::crlf ? 2 : 1;
  const std::size_t end = offset_of(ends_[records * columns_ - 1]) + newline_bytes;
  newlines_ = 0;
  last_ = {.base = records_.data(),
           .ends = ends_.get(),
           .records = records,
           .columns = columns_,
           .bytes = std::min(end, records_.size()),
           .newline_bytes = newline_bytes};
  block = last_;
  return IndexStop::block;
}

}  // namespace hypercopy
