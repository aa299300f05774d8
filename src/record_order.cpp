#include "hypercopy/record_order.hpp"

#include <xxhash.h>

#include <algorithm>
#include <array>
#include <bit>
#include <numeric>
#include <tuple>

#include "hypercopy/copy_stream.hpp"
#include "hypercopy/field_encoder.hpp"
#include "tuple_key.hpp"

namespace hypercopy {

namespace {

// Length words included: NULL and empty differ.
std::uint64_t hash_fields(const char* tuple, std::span<const std::uint16_t> fields) {
  std::uint64_t hash = 0;
  for (const std::uint16_t field : fields) {
    const char* const at = find_field(tuple, field);
    const auto length = static_cast<std::int32_t>(read_unsigned<std::uint32_t>(at));
    hash = XXH3_64bits_withSeed(at, sizeof length + static_cast<std::uint32_t>(std::max(length, 0)), hash);
  }
  return hash;
}

constexpr unsigned kDigitBits = 11;

}  // namespace

bool is_time_key_type(std::uint32_t type) {
  constexpr std::array kTypes{type_oid::kInt2, type_oid::kInt4,      type_oid::kInt8,       type_oid::kDate,
                              type_oid::kUuid, type_oid::kTimestamp, type_oid::kTimestamptz};
  return std::find(kTypes.begin(), kTypes.end(), type) != kTypes.end();
}

std::optional<KeySpan> key_span(std::string_view stream, std::span<const std::size_t> starts,
                                const TimeKey& key) {
  if (starts.size() < 2) return std::nullopt;
  KeySpan span{.least = INT64_MAX, .most = INT64_MIN};
  for (const std::size_t tuple : starts.first(starts.size() - 1)) {
    const std::int64_t time = read_key(stream.data() + tuple, key);
    if (time == kNullKey) return std::nullopt;
    span.least = std::min(span.least, time);
    span.most = std::max(span.most, time);
  }
  return span;
}

std::span<const std::uint32_t> RecordOrder::find(std::string_view stream, std::span<const std::size_t> starts,
                                                 const TimeKey& key) {
  if (starts.size() < 3 || starts.size() > UINT32_MAX) return {};
  const auto tuples = starts.first(starts.size() - 1);
  const bool in_order = read_keys(stream, tuples, key);
  if (key.chunk_width == 0) {
    if (in_order) return {};
    sort_by_keys();
    return order_;
  }
  group(stream, tuples, key);
  order_.resize(grouped_.size());
  std::transform(grouped_.begin(), grouped_.end(), order_.begin(),
                 [](const Grouped& one) { return one.record; });
  return order_;
}

GroupCount RecordOrder::count_groups(std::string_view stream, std::span<const std::size_t> starts,
                                     const TimeKey& key) {
  if (starts.size() < 2) return {};
  const auto tuples = starts.first(starts.size() - 1);
  GroupCount count{.in_order = read_keys(stream, tuples, key)};
  group(stream, tuples, key);
  const auto [first, last] = std::minmax_element(keys_.begin(), keys_.end());
  count.chunk_spans =
      (static_cast<double>(*last) - static_cast<double>(*first)) / static_cast<double>(key.chunk_width);
  for (std::size_t at = 0; at < grouped_.size(); ++at) {
    const bool new_chunk = at == 0 || grouped_[at].chunk != grouped_[at - 1].chunk;
    count.chunks += new_chunk ? 1 : 0;
    count.groups += new_chunk || grouped_[at].segment != grouped_[at - 1].segment ? 1 : 0;
  }
  return count;
}

void RecordOrder::group(std::string_view stream, std::span<const std::size_t> tuples, const TimeKey& key) {
  grouped_.resize(tuples.size());
  for (std::size_t record = 0; record < tuples.size(); ++record) {
    grouped_[record] = {.chunk = chunk_of(keys_[record], key),
                        .segment = hash_fields(stream.data() + tuples[record], key.segment_fields),
                        .time = keys_[record],
                        .record = static_cast<std::uint32_t>(record)};
  }
  std::sort(grouped_.begin(), grouped_.end(), [](const Grouped& a, const Grouped& b) {
    return std::tie(a.chunk, a.segment, a.time, a.record) < std::tie(b.chunk, b.segment, b.time, b.record);
  });
}

// True: they are in order, rising or falling.
bool RecordOrder::read_keys(std::string_view stream, std::span<const std::size_t> tuples,
                            const TimeKey& key) {
  keys_.resize(tuples.size());
  bool rises = false;
  bool falls = false;
  for (std::size_t record = 0; record < tuples.size(); ++record) {
    keys_[record] = read_key(stream.data() + tuples[record], key);
    if (record == 0) continue;
    rises |= keys_[record] > keys_[record - 1];
    falls |= keys_[record] < keys_[record - 1];
  }
  return !rises || !falls;
}

void RecordOrder::sort_by_keys() {
  order_.resize(keys_.size());
  const auto [least, most] = std::minmax_element(keys_.begin(), keys_.end());
  if (pack(*least, *most)) {
    std::transform(packed_.begin(), packed_.end(), order_.begin(), [this](std::uint64_t packed) {
      return static_cast<std::uint32_t>(packed & (std::bit_ceil(keys_.size()) - 1));
    });
    return;
  }
  std::iota(order_.begin(), order_.end(), std::uint32_t{0});
  std::stable_sort(order_.begin(), order_.end(),
                   [this](std::uint32_t a, std::uint32_t b) { return keys_[a] < keys_[b]; });
}

// Key and index in one word, sorted; false: they do not fit into one.
bool RecordOrder::pack(std::int64_t least, std::int64_t most) {
  const auto base = static_cast<std::uint64_t>(least);
  const auto index_bits = static_cast<unsigned>(std::bit_width(std::bit_ceil(keys_.size()) - 1));
  const auto key_bits = static_cast<unsigned>(std::bit_width(static_cast<std::uint64_t>(most) - base));
  if (index_bits + key_bits > 64) return false;
  packed_.resize(keys_.size());
  for (std::size_t record = 0; record < keys_.size(); ++record)
    packed_[record] = (static_cast<std::uint64_t>(keys_[record]) - base) << index_bits | record;
  sort_packed(index_bits, key_bits);
  return true;
}

// Digit by digit from the lowest on. The index needs no sorting: each step keeps the order of what is equal.
void RecordOrder::sort_packed(unsigned first_bit, unsigned bits) {
  other_.resize(packed_.size());
  for (unsigned done = 0; done < bits; done += kDigitBits) {
    const unsigned shift = first_bit + done;
    const auto digit = [shift](std::uint64_t packed) {
      return static_cast<std::size_t>(packed >> shift) & ((std::size_t{1} << kDigitBits) - 1);
    };
    std::array<std::uint32_t, std::size_t{1} << kDigitBits> places{};
    for (const std::uint64_t packed : packed_) ++places[digit(packed)];
    std::exclusive_scan(places.begin(), places.end(), places.begin(), std::uint32_t{0});
    for (const std::uint64_t packed : packed_) other_[places[digit(packed)]++] = packed;
    packed_.swap(other_);
  }
}

Status put_in_order(CopyStream& copy, std::string_view stream, std::span<const std::size_t> starts,
                    std::span<const std::uint32_t> order, std::string& piece) {
  piece.assign(stream.substr(0, starts.front()));
  for (const std::uint32_t record : order) {
    const std::string_view tuple = stream.substr(starts[record], starts[record + 1] - starts[record]);
    if (!piece.empty() && piece.size() + tuple.size() > kMaxPutBytes) {
      HYPERCOPY_TRY(copy.put(piece));
      piece.clear();
    }
    if (tuple.size() < kMaxPutBytes) {
      piece += tuple;
    } else {
      HYPERCOPY_TRY(copy.put(tuple));
    }
  }
  piece += stream.substr(starts.back());
  return copy.put(piece);
}

}  // namespace hypercopy
