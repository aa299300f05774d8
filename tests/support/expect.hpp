// What most integration tests expect of a run.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <string>

#include "support/program.hpp"

namespace hypercopy::test {

// Exit 0, and the COPY tag is all that stands on stdout.
inline void expect_loaded(const Outcome& run, std::uint64_t rows) {
  EXPECT_FALSE(run.timed_out);
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_EQ(run.out, fmt::format("COPY {}\n", rows)) << run.err;
}

// This exit code, nothing on stdout, and these words on stderr.
inline void expect_refused(const Outcome& run, int exit_code, const std::string& words) {
  EXPECT_FALSE(run.timed_out);
  EXPECT_EQ(run.exit_code, exit_code) << run.err;
  EXPECT_EQ(run.out, "");
  EXPECT_NE(run.err.find(words), std::string::npos) << "wanted: " << words << "\ngot: " << run.err;
}

inline bool says(const Outcome& run, const std::string& words) {
  return run.err.find(words) != std::string::npos;
}

}  // namespace hypercopy::test
