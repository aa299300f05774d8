// The process's exit codes; part of the command line's contract (README, "Exit codes").
#pragma once

namespace hypercopy {

enum class ExitCode : int {
  ok = 0,             // everything is loaded and durable
  failed = 1,         // the load failed; the message says where, and what is committed
  usage = 2,          // the command line, or what it asks of this server, is wrong; nothing was touched
  rejected = 3,       // loaded, and some records were rejected
  accounting = 4,     // the counts do not add up: a defect, never to be ignored
  interrupted = 130,  // SIGINT
  terminated = 143,   // SIGTERM
};

}  // namespace hypercopy
