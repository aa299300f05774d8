// Uses a compiled function and a header-only part of the installed library.
#include <cstdio>
#include <hypercopy/dialect.hpp>
#include <hypercopy/result.hpp>

int main() {
  hypercopy::Dialect dialect = hypercopy::default_dialect(hypercopy::Format::csv);
  if (const hypercopy::Status status = hypercopy::validate(dialect); !status) {
    std::fprintf(stderr, "%s\n", hypercopy::to_string(status.error()).c_str());
    return 1;
  }
  dialect.delimiter = dialect.quote;
  return hypercopy::validate(dialect) ? 1 : 0;
}
