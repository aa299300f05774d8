// Ends what a lost connection of this program has left on the server.
// Why:     the backend of a connection that is lost may go on, wait for a standby that does not answer, or not have noticed
//          anything: once it is gone it has committed or not, and its locks are free.
// Threads: one.
// Errors:  those of asking the server; no right to end a backend of one's own role is no case.
#pragma once

#include "hypercopy/connection.hpp"

namespace hypercopy {

// `pid`: of the former backend; 0: there was none. Nothing happens to one of another name, which has got that number since.
[[nodiscard]] Status end_former_backend(Connection& connection, int pid);

}  // namespace hypercopy
