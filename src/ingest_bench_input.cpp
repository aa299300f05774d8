#include "ingest_bench_input.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>

#include "hypercopy/source.hpp"

namespace hypercopy {

Result<BenchInput::State> BenchInput::state_of(const std::string& path) {
  struct stat status {};
  if (path != "-" && ::stat(path.c_str(), &status) != 0) {
    return fail(ErrorKind::input, fmt::format("cannot read {}: {}", path, std::strerror(errno)));
  }
  if (path == "-" || !S_ISREG(status.st_mode)) {
    return fail(ErrorKind::usage,
                fmt::format("{} is not a regular file: bench loads the same input again and again",
                            source_name(path)),
                "Write it to a file first, and name that.");
  }
  return State{.bytes = static_cast<std::uint64_t>(status.st_size),
               .seconds = status.st_mtim.tv_sec,
               .nanoseconds = status.st_mtim.tv_nsec};
}

Result<BenchInput> BenchInput::look(const std::vector<std::string>& arguments) {
  BenchInput input;
  HYPERCOPY_ASSIGN(input.paths_, expand_files(arguments));
  for (const auto& path : input.paths_) {
    HYPERCOPY_ASSIGN(const State state, state_of(path));
    input.states_.push_back(state);
  }
  return input;
}

std::uint64_t BenchInput::bytes() const {
  std::uint64_t sum = 0;
  for (const State& state : states_) sum += state.bytes;
  return sum;
}

Status BenchInput::check_unchanged() const {
  for (std::size_t index = 0; index < paths_.size(); ++index) {
    HYPERCOPY_ASSIGN(const State now, state_of(paths_[index]));
    if (now == states_[index]) continue;
    return fail(ErrorKind::input, fmt::format("{} was changed while bench ran", paths_[index]));
  }
  return {};
}

}  // namespace hypercopy
