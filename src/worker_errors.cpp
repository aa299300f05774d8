#include "worker_errors.hpp"

#include <fmt/format.h>

namespace hypercopy {

void append_detail(Error& error, std::string_view text) {
  if (!error.detail.empty()) error.detail += '\n';
  error.detail += text;
}

Error in_doubt(Error error, std::string_view extent) {
  error.message = fmt::format("the connection was lost while COMMIT was under way: {}", error.message);
  error.detail = fmt::format("Nobody knows whether {} were loaded.", extent);
  error.hint = "Look for them in the table before this input is loaded again.";
  return error;
}

}  // namespace hypercopy
