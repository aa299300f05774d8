// Generated data in memory, cut into records and fields by the library's own field index.
// Shape:   fields are raw: quotes as they stand; a NULL is the empty field.
// Errors:  what should not fail is a failure of the test.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "hypercopy/field_index.hpp"
#include "hypercopy/generate.hpp"

namespace hypercopy::test {

[[nodiscard]] inline std::string generated(const GenerateOptions& options) {
  std::string text;
  const Status status = generate(options, [&text](std::string_view block) -> Status {
    text += block;
    return {};
  });
  EXPECT_TRUE(status.has_value()) << (status ? "" : to_string(status.error()));
  return text;
}

// REQUIRES: `text` outlives what comes back.
[[nodiscard]] inline std::vector<std::vector<std::string_view>> records_of(const std::string& text,
                                                                           std::size_t columns) {
  std::vector<std::vector<std::string_view>> records;
  FieldIndexer indexer(Dialect{}, columns, Kernel::scalar);
  indexer.start(text, NewlineStyle::lf);
  FieldBlock block;
  IndexStop stop = indexer.next(block);
  for (; stop == IndexStop::block; stop = indexer.next(block)) {
    FieldReader reader(block);
    for (std::size_t record = 0; record < block.records; ++record) {
      auto& fields = records.emplace_back();
      for (std::size_t column = 0; column < columns; ++column) fields.push_back(reader.next().text);
      reader.next_record();
    }
  }
  EXPECT_EQ(stop, IndexStop::end) << "a record has another number of fields";
  return records;
}

}  // namespace hypercopy::test
