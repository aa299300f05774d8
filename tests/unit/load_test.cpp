#include "hypercopy/load.hpp"

#include <gtest/gtest.h>
#include <sched.h>

#include <algorithm>

namespace hypercopy {
namespace {

// The cores this thread may use, put back when the test ends.
class Affinity {
 public:
  Affinity() { EXPECT_EQ(::sched_getaffinity(0, sizeof cores_, &cores_), 0); }
  ~Affinity() { EXPECT_EQ(::sched_setaffinity(0, sizeof cores_, &cores_), 0); }
  Affinity(const Affinity&) = delete;
  Affinity& operator=(const Affinity&) = delete;

  [[nodiscard]] int count() const { return CPU_COUNT(&cores_); }
  // To the first core of those.
  void narrow() const {
    cpu_set_t one;
    CPU_ZERO(&one);
    for (std::size_t core = 0; core < CPU_SETSIZE && CPU_COUNT(&one) == 0; ++core)
      if (CPU_ISSET(core, &cores_)) CPU_SET(core, &one);
    EXPECT_EQ(::sched_setaffinity(0, sizeof one, &one), 0);
  }

 private:
  cpu_set_t cores_{};
};

TEST(DefaultJobs, OnePerUsableCoreAtMostEight) {
  const Affinity affinity;
  EXPECT_EQ(default_jobs(), static_cast<unsigned>(std::min(affinity.count(), 8)));
  affinity.narrow();
  EXPECT_EQ(default_jobs(), 1U);
}

}  // namespace
}  // namespace hypercopy
