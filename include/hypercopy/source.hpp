// Where the bytes come from: a file, standard input, a FIFO. No CSV knowledge.
// Shape:   read() fills the front of the span and returns how many bytes it put there, 0 at the end. What has a
//          size can be read from anywhere: seek() says from where on; anything else is sequential.
// Units:   bytes.
// Owns:    its file descriptor (not that of standard input).
// Threads: one, the reader's.
// Errors:  Error::kind input naming source and byte offset; sticky: later calls give the same error. A
//          regular file that ends before the size it had when it was opened is an error, not an end.
//          Error::kind interrupted when the user asked to stop while read() waited for a pipe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "hypercopy/cancellation.hpp"
#include "hypercopy/result.hpp"

namespace hypercopy {

class Source {
 public:
  virtual ~Source() = default;

  [[nodiscard]] virtual Result<std::size_t> read(std::span<char> into) = 0;
  // The next read() begins at this byte. REQUIRES: size().
  virtual void seek(std::uint64_t byte) = 0;
  // As the user named it; "standard input" for "-".
  [[nodiscard]] virtual const std::string& name() const = 0;
  // Bytes in all, where that is known beforehand (regular files, also as standard input, from its offset on).
  [[nodiscard]] virtual std::optional<std::uint64_t> size() const = 0;
};

// As Source::name() gives it.
[[nodiscard]] std::string source_name(const std::string& path);

// Opens one input: "-" is standard input. `cancellation` must outlive the source.
[[nodiscard]] Result<std::unique_ptr<Source>> open_source(const std::string& path,
                                                          const Cancellation& cancellation);

// Whether opening this path waits for a writer. False also for what does not exist.
[[nodiscard]] bool is_fifo(const std::string& path);

// Replaces patterns (* ? [) that name no existing file by what they match, sorted. No argument at all: "-".
// A pattern without a match is an error.
[[nodiscard]] Result<std::vector<std::string>> expand_files(const std::vector<std::string>& arguments);

// Paths as they stand; "-" is made a path, for it names a file here. No argument at all: "-".
[[nodiscard]] Result<std::vector<std::string>> literal_files(std::vector<std::string> arguments);

}  // namespace hypercopy
