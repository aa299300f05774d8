// What was typed on the command line is in the session's encoding; the load runs in that of its input.
// Why:     names and the NULL spelling are sent to the server, and compared with the input's header, when
//          client_encoding is the input's already.
// Shape:   transcode_typed_text() before client_encoding is set to options.encoding.
// Errors:  connection, interrupted. Text that is not valid in the session's encoding, or has no spelling in the other
//          one, stays as it is.
#pragma once

#include "hypercopy/connection.hpp"
#include "hypercopy/load_options.hpp"

namespace hypercopy {

[[nodiscard]] Status transcode_typed_text(Connection& connection, LoadOptions& options);

}  // namespace hypercopy
