// The loops over 64-byte words of one job, one per kernel, and the choice among them.
// Shape:   null where there is none: for Kernel::scalar, and for what a build does not have.
// Threads: constant.
#pragma once

#include "hypercopy/record_splitter.hpp"

namespace hypercopy {

template <typename Words>
struct KernelWords {
  Words sse42 = nullptr;
  Words avx2 = nullptr;
  Words avx512 = nullptr;

  [[nodiscard]] constexpr Words of(Kernel kernel) const {
    switch (kernel) {
      case Kernel::scalar:
        return nullptr;
      case Kernel::sse42:
        return sse42;
      case Kernel::avx2:
        return avx2;
      case Kernel::avx512:
        return avx512;
    }
    return nullptr;
  }
};

}  // namespace hypercopy
