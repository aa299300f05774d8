// Sends one batch by COPY over a worker's stream, up to the server's count of its rows; COMMIT is the caller's.
// Shape:   copy() sends COPY BINARY where all values of the batch can be encoded exactly, else the batch as it is. What
//          the server refuses in binary is rolled back and sent again as it is, so that its own reader judges it, in
//          its own words and with a line number. CopyForm::as_it_is: never encoded. prepare() gives the bytes that are
//          sent then: the batch's, or without the fields that no column takes. send_run() sends parts of a batch for
//          bad_record_isolation.hpp: what belongs to each COPY follows it there.
// Chunks:  of a hypertable, which the batch needs, are counted and made before its transaction begins
//          (chunks_ahead.hpp).
// Order:   encoded records are sent in the order of time where the input has another (record_order.hpp), but into a staging
//          table, where their order decides. What is refused then goes again in the order of the input, so that the
//          server's line and the first of several bad records are what they are without sorting.
// Aside:   with ChunkDestinations the records of an encoded batch go into side tables where they have one. What such a table
//          refuses, the hypertable is asked about, so that the error is its own; but for keys, which only the side table
//          has seen.
// Units:   rows as the server's COPY counted them.
// Owns:    the buffers for encoded and prepared bytes, used again from batch to batch. Borrows the rest.
// Threads: one.
// Errors:  as the stream gives them; input: a value that cannot be encoded under --wire binary, a record with another
//          number of fields where fields are dropped. After an error the transaction must be rolled back.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "hypercopy/batch.hpp"
#include "hypercopy/chunk_destinations.hpp"
#include "hypercopy/chunks_ahead.hpp"
#include "hypercopy/console.hpp"
#include "hypercopy/copy_stream.hpp"
#include "hypercopy/record_encoder.hpp"
#include "hypercopy/record_order.hpp"
#include "hypercopy/report.hpp"
#include "hypercopy/wire_choice.hpp"

namespace hypercopy {

// Of one COPY.
struct Copied {
  bool claimed = true;  // false: another transaction had claimed the batch, and nothing was sent
  std::uint64_t rows = 0;
  std::optional<Error> refused{};  // of send_run(): nothing of it is there, and one of its records may be why
};

// Fewer rows than records are no defect where a trigger or WHERE may leave some out.
[[nodiscard]] Status check_row_count(std::uint64_t records, std::uint64_t rows, bool may_suppress_rows);

// Where a COPY goes.
struct CopyInto {
  const std::string& copy_sql;
  const std::string& binary_sql;
  bool in_order_of_input = false;  // it counts there
};

enum class CopyForm : std::uint8_t { best, as_it_is };

// Keys that are taken, or that another transaction is about to take: not about how a value is spelt.
[[nodiscard]] bool is_key_clash(const Error& error);

class BatchCopier {
 public:
  // `chunks`: none where the target has none to be counted or made; `destinations`: none where no chunk is built aside.
  BatchCopier(CopyStream& stream, WireChoice& wire, Console& console, TimeShares& shares, Kernel kernel,
              ChunksAhead* chunks = nullptr, ChunkDestinations* destinations = nullptr)
      : stream_(stream),
        wire_(wire),
        console_(console),
        shares_(shares),
        encoder_(kernel),
        chunks_(chunks, kernel),
        destinations_(destinations) {
    if (destinations != nullptr) routing_.emplace(*destinations);
  }

  [[nodiscard]] Result<Copied> copy(const Batch& batch, const TransactionHead& head, const CopyInto& into,
                                    CopyForm form);
  // For a batch that does not go by copy(); no transaction is open.
  [[nodiscard]] Status see_to_chunks(const Batch& batch);
  // `bytes` are what the statement wants.
  [[nodiscard]] Result<Copied> send(std::string_view bytes, const TransactionHead& head,
                                    const std::string& copy_sql);

  // The same for a COPY that may be one of several in its transaction: that the server refuses records is a value.
  // Whatever it says before it takes data is about the run.
  [[nodiscard]] Result<Copied> send_run(std::string_view bytes, const TransactionHead& head,
                                        const std::string& copy_sql);
  // The same for encoded records, in the order of time where the input has a key for it.
  [[nodiscard]] Result<Copied> send_run(const InputFile& file, const EncodedFront& encoded,
                                        const TransactionHead& head, const std::string& copy_sql);
  // Which record, from 0, the latest send_run() sent as number `sent`.
  [[nodiscard]] std::uint64_t record_sent_as(std::uint64_t sent) const {
    return sent < order_.size() ? order_[sent] : sent;
  }

  // The transaction of the latest copy() was committed.
  void note_committed();

  // Whether records of this input are encoded at all.
  [[nodiscard]] bool encodes(const InputFile& file) const;
  // REQUIRES: encodes(). Valid until the next call.
  [[nodiscard]] EncodedFront encode_front(const Batch& batch, std::string_view records);
  void note_encoded() { wire_.encoded(); }
  void note_given_up(const Batch& batch, const GivenUp& why);

  // Valid until the next call.
  [[nodiscard]] Result<std::string_view> prepare(const Batch& batch);
  // For some of the batch's records; `bad_record` is the index among them, from 0, of the one that is to blame for an
  // error.
  [[nodiscard]] Result<std::string_view> prepare_run(const Batch& batch, std::string_view records,
                                                     std::size_t& bad_record);
  // What prepare() gave last for this batch.
  [[nodiscard]] std::string_view prepared(const Batch& batch) const;

 private:
  [[nodiscard]] Result<Copied> copy_as_is(const Batch& batch, const TransactionHead& head,
                                          const std::string& copy_sql);
  [[nodiscard]] Result<Copied> copy_encoded(const Batch& batch, const EncodedFront& encoded,
                                            const TransactionHead& head, const CopyInto& into);
  [[nodiscard]] Status see_to_chunks(const Batch& batch, const EncodedFront& encoded);
  [[nodiscard]] Result<Copied> send_by_chunk(const Batch& batch, const EncodedFront& encoded,
                                             const TransactionHead& head, const CopyInto& into);
  [[nodiscard]] Result<Copied> send_route(const InputFile& file, const EncodedFront& encoded,
                                          const RecordRoute& route, const TransactionHead& head,
                                          const CopyInto& into);
  void order_by_time(const InputFile& file, const EncodedFront& encoded);
  template <typename Put>
  [[nodiscard]] Result<Copied> copy_run(const TransactionHead& head, const std::string& copy_sql, Put put);

  CopyStream& stream_;
  WireChoice& wire_;
  Console& console_;
  TimeShares& shares_;
  RecordEncoder encoder_;
  BatchChunks chunks_;
  std::string prepared_;
  RecordOrder by_time_;
  std::span<const std::uint32_t> order_{};  // of what was sent last; empty: as it lies
  std::string piece_;
  ChunkDestinations* destinations_;
  std::optional<ChunkRouting> routing_{};
  std::vector<SideRows> aside_{};  // of the latest copy()
};

}  // namespace hypercopy
