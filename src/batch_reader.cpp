#include "hypercopy/batch_reader.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "hypercopy/record_fields.hpp"
#include "stopwatch.hpp"

namespace hypercopy {

namespace {

// Large enough that a read(2) costs little per byte, small enough to be in the cache when it is split.
constexpr std::size_t kBlockBytes = std::size_t{256} << 10;

constexpr std::string_view kUtf8Bom = "\xEF\xBB\xBF";

struct Magic {
  std::string_view bytes;
  std::string_view what;
  std::string_view hint;
};

// Inputs that are surely no CSV in any encoding: better one clear message than a bad first row.
constexpr std::array<Magic, 5> kForeignFormats{{
    {"\x1f\x8b\x08", "gzip-compressed", "Decompress it on the way: zcat FILE | hypercopy load ... -"},
    {"\x28\xb5\x2f\xfd", "zstd-compressed", "Decompress it on the way: zstdcat FILE | hypercopy load ... -"},
    {"\xfd\x37zXZ", "xz-compressed", "Decompress it on the way: xzcat FILE | hypercopy load ... -"},
    {"BZh91AY&SY", "bzip2-compressed", "Decompress it on the way: bzcat FILE | hypercopy load ... -"},
    {"PGCOPY\n\xff\r\n", "in COPY's binary format", "Load it with psql: \\copy ... WITH (FORMAT binary)"},
}};

// Whether more bytes could make this the beginning of a byte order mark or of a foreign format.
bool may_become_magic(std::string_view front) {
  const auto is_open = [&](std::string_view magic) {
    return front.size() < magic.size() && magic.starts_with(front);
  };
  return is_open(kUtf8Bom) || std::any_of(kForeignFormats.begin(), kForeignFormats.end(),
                                          [&](const Magic& magic) { return is_open(magic.bytes); });
}

bool is_blank(char byte) {
  return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r' || byte == '\v' || byte == '\f';
}

}  // namespace

BatchReader::BatchReader(std::unique_ptr<Source> source, const SplitOptions& split, Kernel kernel,
                         const BatchLimits& limits, BatchPool& pool, TimeShares& shares)
    : source_(std::move(source)),
      split_options_(split),
      kernel_(kernel),
      limits_(limits),
      pool_(pool),
      shares_(shares),
      splitter_(split, kernel) {}

Error BatchReader::located(std::string message, const Position& at, std::string hint) const {
  return Error{.kind = ErrorKind::input,
               .message = std::move(message),
               .hint = std::move(hint),
               .location = Location{.source = source_->name(), .at = at}};
}

Error BatchReader::fault_error(const SplitResult& result) const {
  const bool csv = split_options_.format == Format::csv;
  std::string hint;
  switch (result.fault) {
    case SplitFault::carriage_return_in_data:
      hint = csv ? "Quote the field, or give all records the same newline style." : "Write it as \\r.";
      break;
    case SplitFault::newline_in_data:
      hint = csv ? "Quote the field, or give all records the same newline style." : "Write it as \\n.";
      break;
    case SplitFault::open_quote:
      hint =
          "The quote named here was never closed. Look for a lone quote at or before it, and at --quote and "
          "--escape.";
      break;
    default:
      hint = "The line \\. ends COPY data; it must stand alone and end like the other lines.";
  }
  Error error =
      located(std::string(to_string(result.fault, split_options_.format)), result.fault_at, std::move(hint));
  error.sqlstate = "22P04";  // bad_copy_file_format, what the server's COPY would answer
  return error;
}

Status BatchReader::start() {
  if (buffer_) return {};
  const Stopwatch watch(shares_.reader_waiting);
  auto buffer = pool_.acquire();
  if (!buffer)
    return fail(ErrorKind::interrupted, fmt::format("stopped before {} was read", source_->name()));
  buffer_ = PooledBuffer(pool_, std::move(*buffer));
  return {};
}

// Reads behind size_. REQUIRES: room in the buffer.
Status BatchReader::read_block() {
  const std::size_t room = std::min(kBlockBytes, buffer_.bytes().capacity() - size_);
  const Stopwatch watch(shares_.reader_reading);
  HYPERCOPY_ASSIGN(const std::size_t count, source_->read({buffer_.bytes().data() + size_, room}));
  at_end_ = count == 0;
  size_ += count;
  source_bytes_ += count;
  return {};
}

// Room for at least one byte behind size_: a record that fills the whole buffer makes it grow.
Status BatchReader::make_room() {
  auto& bytes = buffer_.bytes();
  if (size_ < bytes.capacity()) return {};
  // One byte more than the longest record, its newline: what still does not fit is too long.
  constexpr std::size_t kMostBytes = kMaxRecordBytes + 2;
  if (size_ - whole_ > kMaxRecordBytes) {
    return fail(located(
        fmt::format("the record is longer than {} bytes, the most that PostgreSQL takes in one line",
                    kMaxRecordBytes),
        splitter_.record_start(),
        "If the record should be short, a quote in it was never closed: look at the line named here."));
  }
  bytes.reserve(std::min(std::max(bytes.capacity() * 2, std::size_t{64} << 10), begin_ + kMostBytes));
  return {};
}

// No more is read than it takes to tell: a pipe may pause behind a short first record.
Result<bool> BatchReader::drop_bom() {
  while (!at_end_ && may_become_magic({buffer_.bytes().data() + begin_, size_ - begin_})) {
    HYPERCOPY_TRY(make_room());
    HYPERCOPY_TRY(read_block());
  }
  const std::string_view front(buffer_.bytes().data() + begin_, size_ - begin_);
  for (const auto& magic : kForeignFormats) {
    if (front.starts_with(magic.bytes)) {
      return fail(located(fmt::format("{} is {}, not CSV or text", source_->name(), magic.what), Position{},
                          std::string(magic.hint)));
    }
  }
  if (!front.starts_with(kUtf8Bom)) return false;
  begin_ += kUtf8Bom.size();
  return true;
}

// One physical line, without regard to quotes: LF, CRLF or CR ends it.
Status BatchReader::skip_line() {
  std::size_t at = begin_;
  while (true) {
    const std::string_view rest(buffer_.bytes().data() + at, size_ - at);
    const std::size_t found = rest.find_first_of("\r\n");
    // A CR at the end of what was read may be half of a CRLF.
    const bool undecided =
        found == std::string_view::npos || (rest[found] == '\r' && found + 1 == rest.size());
    if (!undecided || at_end_) {
      if (found == std::string_view::npos) {
        begin_ = size_;
        return {};
      }
      const bool crlf = rest[found] == '\r' && found + 1 < rest.size() && rest[found + 1] == '\n';
      begin_ = at + found + (crlf ? 2 : 1);
      return {};
    }
    at = found == std::string_view::npos ? size_ : at + found;
    HYPERCOPY_TRY(make_room());
    HYPERCOPY_TRY(read_block());
  }
}

SplitResult BatchReader::scan(std::uint64_t max_records) {
  const Stopwatch watch(shares_.reader_splitting);
  const SplitResult result =
      splitter_.scan({buffer_.bytes().data() + scanned_, size_ - scanned_}, max_records, at_end_);
  if (result.records > 0) whole_ = scanned_ + result.records_end;
  scanned_ += result.scanned;
  return result;
}

Result<SplitResult> BatchReader::scan_next_record() {
  while (true) {
    const SplitResult result = scan(1);
    if (result.stop != SplitStop::need_more || result.records > 0 || at_end_) return result;
    HYPERCOPY_TRY(make_room());
    HYPERCOPY_TRY(read_block());
  }
}

Result<std::optional<std::string>> BatchReader::take_header() {
  HYPERCOPY_ASSIGN(const SplitResult result, scan_next_record());
  if (result.stop == SplitStop::error) return fail(fault_error(result));
  std::optional<std::string> header;
  if (result.records > 0) {
    header = without_newline({buffer_.bytes().data() + begin_, whole_ - begin_});
    begin_ = whole_;
  }
  if (result.stop == SplitStop::end_marker) HYPERCOPY_TRY(refuse_rest_after_marker(scanned_));
  splitter_.restart_record_count();
  return header;
}

Result<Prologue> BatchReader::read_prologue(const PrologueOptions& options) {
  HYPERCOPY_TRY(start());
  Prologue prologue;
  HYPERCOPY_ASSIGN(const bool bom, drop_bom());
  if (bom && options.keep_bom) {
    begin_ = 0;
  } else {
    prologue.dropped_bom = bom;
  }
  const auto is_used_up = [&] { return at_end_ && begin_ == size_; };
  for (std::uint64_t line = 0; line < options.skip_lines && !is_used_up(); ++line) HYPERCOPY_TRY(skip_line());
  whole_ = scanned_ = begin_;
  splitter_ =
      RecordSplitter(split_options_, kernel_,
                     Position{.byte = source_bytes_ - (size_ - begin_), .line = options.skip_lines + 1});
  if (options.has_header) {
    HYPERCOPY_ASSIGN(prologue.header, take_header());
  }
  prologue.bytes.assign(buffer_.bytes().data(), begin_);
  batch_start_ = splitter_.record_start();
  return prologue;
}

// In text format a marker may end a line with data: that record is the marker's then, not the next one.
Position BatchReader::marker_position(std::size_t marker_end) const {
  Position at = splitter_.record_start();
  const std::uint64_t marker_byte = source_bytes_ - (size_ - marker_end);
  const std::size_t marker = marker_end - (marker_byte - at.byte);
  if (marker == begin_) return at;
  const char before = buffer_.bytes().data()[marker - 1];
  if (before != '\n' && before != '\r') --at.record;
  return at;
}

// PostgreSQL drops silently what follows an end-of-data marker; here it is an error, unless it is blank.
Status BatchReader::refuse_rest_after_marker(std::size_t marker_end) {
  const std::uint64_t marker_byte = source_bytes_ - (size_ - marker_end);
  std::size_t at = marker_end;
  while (true) {
    const char* const begin = buffer_.bytes().data() + at;
    const char* const end = buffer_.bytes().data() + size_;
    const char* const data = std::find_if_not(begin, end, is_blank);
    if (data != end) {
      const std::string left =
          source_->size() ? fmt::format("{} bytes", *source_->size() - marker_byte) : "more data";
      const bool csv = split_options_.format == Format::csv;
      return fail(located(
          fmt::format("the end-of-data marker \\. ends the data here, but {} follow behind byte {}", left,
                      marker_byte),
          marker_position(marker_end),
          fmt::format("This server's COPY stops at \\. and would silently drop the rest. Remove it, or {} if "
                      "it is data.",
                      csv ? "quote it" : "write its backslash twice")));
    }
    if (at_end_) break;
    at = size_ = marker_end;  // blanks need not be kept
    HYPERCOPY_TRY(make_room());
    HYPERCOPY_TRY(read_block());
  }
  finished_ = true;
  return {};
}

// Gives out [begin_, whole_) and keeps what lies behind in a fresh buffer.
Result<Batch> BatchReader::give_out(const std::shared_ptr<const InputFile>& file, std::uint64_t records,
                                    NewlineStyle newline) {
  const std::size_t tail = size_ - whole_;
  PooledBuffer next_buffer;
  if (!finished_) {
    const Stopwatch watch(shares_.reader_waiting);
    auto bytes = pool_.acquire();
    if (!bytes)
      return fail(ErrorKind::interrupted, fmt::format("stopped while {} was read", source_->name()));
    next_buffer = PooledBuffer(pool_, std::move(*bytes));
    if (next_buffer.bytes().capacity() < tail) next_buffer.bytes().reserve(tail);
    std::memcpy(next_buffer.bytes().data(), buffer_.bytes().data() + whole_, tail);
  }
  Batch batch{.buffer = std::move(buffer_),
              .begin = begin_,
              .end = whole_,
              .first = batch_start_,
              .records = records,
              .newline = newline,
              .file = file};
  buffer_ = std::move(next_buffer);
  begin_ = 0;
  scanned_ -= whole_;
  whole_ = 0;
  size_ = tail;
  return batch;
}

Result<std::optional<Batch>> BatchReader::cut(const std::shared_ptr<const InputFile>& file,
                                              std::uint64_t records) {
  HYPERCOPY_ASSIGN(Batch batch, give_out(file, records, splitter_.newline_style()));
  batch_start_ = splitter_.record_start();
  limits_.total_records -= records;
  return std::optional<Batch>(std::move(batch));
}

// Makes this byte of the input the first one in the buffer.
Status BatchReader::move_to(std::uint64_t byte) {
  HYPERCOPY_TRY(start());
  if (byte == source_bytes_ - (size_ - begin_)) return {};
  if (!source_->size()) {
    return fail(located(fmt::format("{} cannot be read from byte {} on", source_->name(), byte), batch_start_,
                        "Name the file instead of piping it."));
  }
  source_->seek(byte);
  source_bytes_ = byte;
  begin_ = size_ = 0;
  at_end_ = false;
  return {};
}

Status BatchReader::go_on_at(const Position& at, NewlineStyle newline, std::uint64_t total_records) {
  HYPERCOPY_TRY(move_to(at.byte));
  whole_ = scanned_ = begin_;
  finished_ = false;
  splitter_ = RecordSplitter(split_options_, kernel_, at, newline);
  batch_start_ = at;
  limits_.total_records = total_records;
  return {};
}

Error BatchReader::ends_early(const BatchExtent& extent) const {
  return located(fmt::format("{} ends at byte {}, and this import had read it up to byte {}", source_->name(),
                             source_bytes_, extent.end_byte),
                 extent.first, "Resume with the same input.");
}

Result<Batch> BatchReader::take(const BatchExtent& extent, const std::shared_ptr<const InputFile>& file) {
  HYPERCOPY_TRY(move_to(extent.first.byte));
  batch_start_ = extent.first;
  while (size_ - begin_ < extent.bytes() && !at_end_) {
    if (size_ == buffer_.bytes().capacity()) buffer_.bytes().reserve(begin_ + extent.bytes());
    HYPERCOPY_TRY(read_block());
  }
  if (size_ - begin_ < extent.bytes()) {
    return fail(ends_early(extent));
  }
  whole_ = begin_ + extent.bytes();
  scanned_ = whole_;
  return give_out(file, extent.records, extent.newline);
}

Result<std::optional<Batch>> BatchReader::next(const std::shared_ptr<const InputFile>& file,
                                               std::uint64_t most_records) {
  if (finished_ || limits_.total_records == 0) return std::optional<Batch>{};
  HYPERCOPY_TRY(start());
  const std::uint64_t most = std::min({limits_.batch_records, limits_.total_records, most_records});
  std::uint64_t records = 0;
  while (true) {
    const SplitResult result = scan(most - records);
    records += result.records;
    switch (result.stop) {
      case SplitStop::error:
        return fail(fault_error(result));
      case SplitStop::record_limit:
        finished_ = records == limits_.total_records;
        return cut(file, records);
      case SplitStop::end_marker:
        break;
      case SplitStop::need_more:
        if (at_end_) {
          finished_ = true;
          break;
        }
        if (size_ == buffer_.bytes().capacity() && records > 0) return cut(file, records);
        HYPERCOPY_TRY(make_room());
        HYPERCOPY_TRY(read_block());
        continue;
    }
    // What follows a marker is read into the room behind the batch, so that the batch itself stays as it is.
    if (result.stop == SplitStop::end_marker) HYPERCOPY_TRY(refuse_rest_after_marker(scanned_));
    if (records == 0) return std::optional<Batch>{};
    return cut(file, records);
  }
}

}  // namespace hypercopy
