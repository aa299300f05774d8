// One load from start to end: wires source, reader, queue, workers, ledger and report.
// Shape:   run_load() checks everything that can be checked before the first row (files, their headers,
//          table, columns; the header of a pipe only when it is opened), then starts 1 reader and N workers,
//          watches them from the calling thread, and sums up.
// Units:   memory = (1 + queue slots + N) x batch bytes + N x (one prepared batch + field index + what libpq
//          buffers, at most 2 x kMaxPutBytes), whatever the size of the input. A prepared batch is the batch
//          as COPY BINARY or without dropped fields: about its size, more for many short integers. A record
//          longer than a batch is extra while it is in flight.
// Threads: 1 reader + N workers + the caller, which draws the progress.
// Errors:  in the summary: the first one ends the run. Exceptions of libraries become ErrorKind::internal.
#pragma once

#include "hypercopy/cancellation.hpp"
#include "hypercopy/connection.hpp"
#include "hypercopy/console.hpp"
#include "hypercopy/load_options.hpp"
#include "hypercopy/progress.hpp"
#include "hypercopy/report.hpp"

namespace hypercopy {

struct LoadEnvironment {
  Console& console;
  Cancellation& cancellation;
  PasswordPrompt password_prompt;
  ProgressReporter::Style progress = ProgressReporter::Style::none;
};

// Cores that this process may run on.
[[nodiscard]] unsigned usable_cores();

// Workers when -j is not given: one per core that this process may use, at most eight. Measured: on a server
// that shares the cores more connections than cores gain nothing.
[[nodiscard]] unsigned default_jobs();

[[nodiscard]] LoadSummary run_load(const LoadOptions& options, const LoadEnvironment& environment);

}  // namespace hypercopy
