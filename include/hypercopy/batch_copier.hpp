// Sends one batch by COPY over a worker's stream, up to the server's count of its rows; COMMIT is the caller's.
// Shape:   copy() sends COPY BINARY where all values of the batch can be encoded exactly, else the batch as it is. What
//          the server refuses in binary is rolled back and sent again as it is, so that its own reader judges it, in
//          its own words and with a line number. CopyForm::as_it_is: never encoded. prepare() gives the bytes that are
//          sent then: the batch's, or without the fields that no column takes.
// Units:   rows as the server's COPY counted them.
// Owns:    the buffers for encoded and prepared bytes, used again from batch to batch. Borrows the rest.
// Threads: one.
// Errors:  as the stream gives them; input: a value that cannot be encoded under --wire binary, a record with another
//          number of fields where fields are dropped. After an error the transaction must be rolled back.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "hypercopy/batch.hpp"
#include "hypercopy/console.hpp"
#include "hypercopy/copy_stream.hpp"
#include "hypercopy/record_encoder.hpp"
#include "hypercopy/report.hpp"
#include "hypercopy/wire_choice.hpp"

namespace hypercopy {

// Of one COPY.
struct Copied {
  bool claimed = true;  // false: another transaction had claimed the batch, and nothing was sent
  std::uint64_t rows = 0;
};

// Where a COPY goes.
struct CopyInto {
  const std::string& copy_sql;
  const std::string& binary_sql;
};

enum class CopyForm : std::uint8_t { best, as_it_is };

// Keys that are taken, or that another transaction is about to take: not about how a value is spelt.
[[nodiscard]] bool is_key_clash(const Error& error);

class BatchCopier {
 public:
  BatchCopier(CopyStream& stream, WireChoice& wire, Console& console, TimeShares& shares, Kernel kernel)
      : stream_(stream), wire_(wire), console_(console), shares_(shares), encoder_(kernel) {}

  [[nodiscard]] Result<Copied> copy(const Batch& batch, const TransactionHead& head, const CopyInto& into,
                                    CopyForm form);
  // `bytes` are what the statement wants.
  [[nodiscard]] Result<Copied> send(std::string_view bytes, const TransactionHead& head,
                                    const std::string& copy_sql);

  // Valid until the next call.
  [[nodiscard]] Result<std::string_view> prepare(const Batch& batch);
  // What prepare() gave last for this batch.
  [[nodiscard]] std::string_view prepared(const Batch& batch) const;

 private:
  [[nodiscard]] Result<Copied> copy_as_is(const Batch& batch, const TransactionHead& head,
                                          const std::string& copy_sql);
  void note_given_up(const Batch& batch, const GivenUp& why);

  CopyStream& stream_;
  WireChoice& wire_;
  Console& console_;
  TimeShares& shares_;
  RecordEncoder encoder_;
  std::string prepared_;
};

}  // namespace hypercopy
