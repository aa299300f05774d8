// A load through the real program into a table of a private server, which something breaks meanwhile, and the proof
// that no row is lost and none is there twice.
// Shape:   make_target() makes random rows, their input file, an empty table `t`, and the table `reference` that one
//          COPY of the whole input fills. start_load() runs the program; break_*() act at random moments of it. judge()
//          compares the table row by row, as text, with what the run has said: exit 0 is all rows, exit 1 is whole
//          batches, none twice, and names the bytes that are in doubt.
// Units:   moments are counts of committed rows; a batch has `batch_rows` rows, the last one fewer.
// Owns:    its server, where COMMIT takes some milliseconds, so that faults fall into it often.
// Errors:  what does not hold is a failure of the test that runs. Skips where no private server can be started.
// Why:     the short form is part of every test run; HYPERCOPY_TEST_FAULTS=long breaks things ten times as often.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "support/checked_load.hpp"
#include "support/fault_proxy.hpp"
#include "support/private_server.hpp"
#include "support/random.hpp"

namespace hypercopy::test {

struct LoadShape {
  std::uint64_t rows = 12'000;
  std::uint64_t batch_rows = 100;
  unsigned jobs = 4;
};

enum class ServerBreak {
  fast,       // pg_ctl stop -m fast, and start
  immediate,  // pg_ctl stop -m immediate, and start: recovery from a crash
  backend,    // kill -9 of one backend: the server ends all others and recovers
};

// What its servers have besides PostgreSQL.
enum class Extensions { none, timescale };

class FaultTest : public CheckedLoadTest {
 protected:
  FaultTest() = default;
  // Skips, aloud, where TimescaleDB is not installed.
  explicit FaultTest(Extensions extensions) : extensions_(extensions) {}
  void SetUp() override;

  // How often to break something.
  [[nodiscard]] static unsigned times(unsigned short_form, unsigned long_form);
  [[nodiscard]] LoadShape random_shape(std::uint64_t rows);

  // `kind`: what stands behind CREATE; `storage`: behind the columns.
  void make_target(const LoadShape& shape, const std::string& kind = "TABLE",
                   const std::string& storage = "");
  // As make_target(), `t` in chunks of so many ids each.
  void make_hypertable(const LoadShape& shape, std::uint64_t chunk_ids);
  // Into `t`, through other_dsn_, which is the private server unless the test sets it.
  [[nodiscard]] std::unique_ptr<Process> start_load(const std::vector<std::string>& more = {});
  [[nodiscard]] Checked finish_load(Process& load);
  [[nodiscard]] Checked load_through(FaultProxy& proxy, const std::vector<std::string>& more = {});

  // Sorted; each before the last batch.
  [[nodiscard]] std::vector<std::uint64_t> random_moments(unsigned count);
  // Waits for the moment; false when the load has ended before it.
  [[nodiscard]] bool await_rows(const Process& load, std::uint64_t rows) const;
  // At so many random moments; ends with the load.
  void break_workers(const Process& load, unsigned count);
  void break_server(const Process& load, ServerBreak way, unsigned count);
  void break_server(ServerBreak way);
  // From now on a COMMIT is durable at once and not over until release_commits(): it waits for a standby that is not there.
  void hold_commits() const;
  // Waits until at least so many backends of loads are held; their pids.
  [[nodiscard]] std::vector<int> await_held_commits(std::size_t backends) const;
  void release_commits() const;
  // Until the server has no backend of a load any more: what a killed program left behind may still commit.
  void await_no_backend() const;

  void judge(const Checked& run);
  void expect_all_rows() const;
  void expect_whole_batches() const;

  // From now on the batch of this row of `t` waits at the end of its COPY, until release_row() or a crash: the load is
  // not over before, however late this test comes.
  void hold_row(std::uint64_t id);
  // Waits until its batch does.
  void await_held_row() const;
  void release_row() { row_holder_.reset(); }

  // The same for several rows, wherever they go to: `t`, or a side table that is like it. Each waits until release_row(id).
  void hold_rows(const std::vector<std::uint64_t>& ids);
  void await_held_row(std::uint64_t id) const;
  void release_row(std::uint64_t id) { row_holders_.erase(id); }

  // A connection that has locked the table for as long as it lasts, or its server.
  [[nodiscard]] std::unique_ptr<Server> lock(const std::string& table, const std::string& mode) const;
  // The one whose rows begin with this id.
  [[nodiscard]] std::string side_table(std::uint64_t begin) const;
  [[nodiscard]] std::uint64_t side_tables() const;
  // Waits until so many ids can be seen, and the hand-over of another side table waits for a lock.
  void await_waiting_hand_over(std::uint64_t ids) const;

  // From now on (not) in new transactions, whoever begins them: 25006.
  void set_read_only(bool read_only) const;

  // Until the query gives true on the private server.
  void await_there(const std::string& condition) const;

  [[nodiscard]] Server connect() const { return Server(private_server_->dsn()); }
  [[nodiscard]] std::string socket() const { return socket_; }
  [[nodiscard]] const std::string& input() const { return input_; }
  [[nodiscard]] const LoadShape& shape() const { return shape_; }
  // Batches of the target that was made.
  [[nodiscard]] unsigned batches() const {
    return static_cast<unsigned>((shape_.rows + shape_.batch_rows - 1) / shape_.batch_rows);
  }

  std::unique_ptr<PrivateServer> private_server_;
  Random random_{0};

 private:
  void expect_in_doubt_is_named(const Checked& run) const;
  [[nodiscard]] std::string random_rows();

  const Extensions extensions_ = Extensions::none;
  std::unique_ptr<Server> row_holder_;
  std::map<std::uint64_t, std::unique_ptr<Server>> row_holders_;
  std::string socket_;
  std::string input_;  // path
  LoadShape shape_;
};

}  // namespace hypercopy::test
