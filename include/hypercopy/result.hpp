// Errors as values: every fallible function returns Result<T>.
// Shape:   Error says what happened (kind, SQLSTATE, message), where (location) and what to do (hint).
// Units:   sqlstate is five characters, or empty when neither the server nor libpq gave one.
// Owns:    everything; an Error can be moved to another thread and outlives what caused it.
// Errors:  message, detail, hint and context hold the server's text verbatim where the server spoke. No field
//          ever holds a password.
// Source:  member names are those of std::expected (C++23), so the move to it is an alias.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

#include "hypercopy/location.hpp"

namespace hypercopy {

enum class ErrorKind {
  usage,        // an option, or a combination of options, is wrong; nothing was touched
  input,        // the source cannot be read, or its bytes are not in the stated dialect
  target,       // the target table or its columns do not fit what was asked
  connection,   // no connection could be made, or it was lost
  sql,          // the server refused a statement or a record; sqlstate is set
  protocol,     // the server answered something that the protocol does not allow here
  output,       // a result could not be written (stdout, report file)
  interrupted,  // the user asked to stop
  accounting,   // counts do not add up: a defect, exit code 4
  internal,     // a defect in hypercopy itself
};

[[nodiscard]] std::string_view to_string(ErrorKind kind);

struct Error {
  ErrorKind kind = ErrorKind::internal;
  std::string message;
  std::string sqlstate{};
  std::string detail{};
  std::string hint{};
  std::string context{};     // the server's CONTEXT, translated by the server: for people, not for logic
  std::string column{};      // the column the server named, if it did
  std::string constraint{};  // the constraint the server named, if it did
  std::optional<Location> location{};
};

// The whole error as a person reads it: the message, then a line each, indented by two blanks, for "at "
// location, "column: ", "SQLSTATE: ", "DETAIL: ", "HINT: "; what is empty is left out. Lines that a text
// itself goes on with are indented further. No trailing newline. The server's context is not shown: its line
// number counts from the start of a batch.
[[nodiscard]] std::string to_string(const Error& error);

template <typename T>
using Result = tl::expected<T, Error>;

using Status = Result<void>;

[[nodiscard]] inline tl::unexpected<Error> fail(Error error) {
  return tl::unexpected<Error>(std::move(error));
}

[[nodiscard]] inline tl::unexpected<Error> fail(ErrorKind kind, std::string message, std::string hint = {}) {
  return fail(Error{.kind = kind, .message = std::move(message), .hint = std::move(hint)});
}

}  // namespace hypercopy

#define HYPERCOPY_CONCAT_INNER(a, b) a##b
#define HYPERCOPY_CONCAT(a, b) HYPERCOPY_CONCAT_INNER(a, b)

// HYPERCOPY_TRY(expr): returns the error of a Result from the enclosing function, else goes on.
#define HYPERCOPY_TRY(expr)                                          \
  do {                                                               \
    if (auto hypercopy_status = (expr); !hypercopy_status) {         \
      return ::hypercopy::fail(std::move(hypercopy_status).error()); \
    }                                                                \
  } while (false)

// HYPERCOPY_ASSIGN(auto x, expr): declares x from the value of a Result, or returns its error.
#define HYPERCOPY_ASSIGN(declaration, expr)                                                     \
  auto HYPERCOPY_CONCAT(hypercopy_result_, __LINE__) = (expr);                                  \
  if (!HYPERCOPY_CONCAT(hypercopy_result_, __LINE__)) {                                         \
    return ::hypercopy::fail(std::move(HYPERCOPY_CONCAT(hypercopy_result_, __LINE__)).error()); \
  }                                                                                             \
  declaration = std::move(*HYPERCOPY_CONCAT(hypercopy_result_, __LINE__))
