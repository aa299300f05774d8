// Makes chunks by TimescaleDB's create_chunk(), over a connection of its own.
// Shape:   existing() connects; make() creates one chunk and commits it.
// Owns:    the connection, made anew where it was lost.
// Threads: one at a time.
// Errors:  as the server gives them: TS503 where a chunk of other bounds is in the way; 0A000 under the Apache licence,
//          42501 without the right, 55P03 where the lock was not had in time, target where the extension has no such
//          function or sets the interval itself. existing() gives the chunks in each of these cases but the loss of the
//          connection.
// Why:     lock_timeout bounds what cannot be seen from here: that who holds the lock waits for a worker of this load.
//          COMMIT need not wait for the disk: the one of the rows, which comes later, does.
// Source:  TimescaleDB 2.28.3: INSERT on the hypertable is right enough; the chunk's owner and grants are the hypertable's.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "hypercopy/chunks_ahead.hpp"
#include "hypercopy/connection.hpp"
#include "hypercopy/target_table.hpp"

namespace hypercopy {

class ServerChunks final : public ChunkMaker {
 public:
  using Connect = std::function<Result<Connection>()>;

  // `column`: the primary dimension's, and only one.
  ServerChunks(Connect connect, TargetTable table, std::string column)
      : connect_(std::move(connect)), table_(std::move(table)), column_(std::move(column)) {}

  [[nodiscard]] Result<std::vector<TimeRange>> existing() override;
  [[nodiscard]] Status make(const TimeRange& range) override;

 private:
  [[nodiscard]] Status make_ready();

  Connect connect_;
  TargetTable table_;
  std::string column_;
  std::optional<Connection> connection_;
  std::string create_;  // empty: not possible
};

}  // namespace hypercopy
