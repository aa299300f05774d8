// Loads with chunks built aside that are stopped at chosen moments, as imports or not, and run again.
// Shape:   a record whose note is 'hold' is not taken by the server before release(), and the side tables of lock_side_tables()
//          are not handed over before unlock().
#pragma once

#include <fmt/format.h>

#include <csignal>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "support/built_chunks.hpp"
#include "support/own_lock.hpp"

namespace hypercopy::test {

class BuildChunksImport : public BuildChunks {
 protected:
  static constexpr int kBatches = 15;  // in front of the held one

  void TearDown() override {
    if (!IsSkipped()) static_cast<void>(imports({"forget", id(), "--drop-side-tables"}));
    BuildChunks::TearDown();
  }

  [[nodiscard]] std::string id() const { return "chunks of " + schema(); }
  [[nodiscard]] Outcome imports(Texts words) const {
    words.insert(words.begin(), "imports");
    words.insert(words.end(), {"-d", dsn()});
    return run_program(words);
  }
  [[nodiscard]] nlohmann::json shown() const {
    return nlohmann::json::parse(imports({"show", id(), "--json"}).out);
  }
  // The import, or the same load without one.
  [[nodiscard]] Texts words(const std::string& jobs = "2", bool by_import = true) const {
    Texts all{"-t", "target", "-j", jobs, "--batch-rows", "20", "--build-chunks", "on"};
    if (by_import) all.insert(all.end(), {"--import-id", id()});
    all.push_back(folder_.path() + "/in.csv");
    return all;
  }
  [[nodiscard]] Outcome run_again() const { return load(words()); }
  [[nodiscard]] std::unique_ptr<Process> begin(const std::string& jobs = "2", bool by_import = true) const {
    Texts all = words(jobs, by_import);
    all.insert(all.begin(), {"load", "-w", "-d", dsn()});
    return std::make_unique<Process>(all);
  }

  // The server does not take a record whose note is 'hold' before release().
  void make_held_tables(const Texts& more = {}) {
    server().execute(fmt::format(
        "CREATE OR REPLACE FUNCTION is_free(note text) RETURNS boolean LANGUAGE plpgsql AS $$BEGIN "
        "IF note = 'hold' THEN PERFORM pg_advisory_xact_lock_shared({}); END IF; RETURN true; END$$",
        own_lock(schema())));
    Texts all{"ALTER TABLE {} ADD CHECK (is_free(note))"};
    all.insert(all.end(), more.begin(), more.end());
    make_tables(all);
    holder_.emplace();
    holder_->execute(fmt::format("SELECT pg_advisory_lock({})", own_lock(schema())));
  }
  void release() { holder_.reset(); }
  [[nodiscard]] static std::string held() { return "2024-01-06 23:59:00+00,1,1,hold\n"; }
  void await_held() const {
    await(fmt::format(
        "SELECT count(*) = 1 FROM pg_stat_activity WHERE application_name LIKE 'hypercopy load%worker%' "
        "AND wait_event = 'advisory' AND query LIKE '%{}%'",
        schema()));
  }
  void await_done(int batches) const {
    await("SELECT to_regclass('hypercopy.interval') IS NOT NULL");  // the first import of a server makes it
    await(
        fmt::format("SELECT count(*) = {} FROM hypercopy.interval JOIN hypercopy.job ON id = job WHERE "
                    "import_id = '{}' AND done_by IS NOT NULL",
                    batches, id()));
  }
  // Nobody hands these over before unlock().
  void lock_side_tables(unsigned most) {
    locker_.emplace();
    locker_->execute("BEGIN");
    for (const auto& row : server().execute(fmt::format("SELECT format('%I.%I', relnamespace::regnamespace, "
                                                        "relname) FROM pg_class WHERE relkind = 'r' AND "
                                                        "relname LIKE 'hypercopy_chunk_%' AND relnamespace = "
                                                        "current_schema()::regnamespace ORDER BY 1 LIMIT {}",
                                                        most))) {
      locker_->execute(fmt::format("LOCK TABLE {} IN ACCESS SHARE MODE", *row[0]));
    }
  }
  void unlock() { locker_.reset(); }

  static void kill(Process& process) {
    process.signal(SIGKILL);
    static_cast<void>(process.wait());
  }
  [[nodiscard]] static bool heard(const Outcome& run, std::string_view text) {
    return run.err.find(text) != std::string::npos;
  }
  void expect_done(const Outcome& run, const std::string& input) {
    EXPECT_EQ(run.exit_code, 0) << run.err;
    EXPECT_EQ(shown()["state"], "done");
    EXPECT_EQ(shown()["side_tables"], 0);
    load_judge(input);
    expect_same();
  }

  std::optional<Server> holder_;
  std::optional<Server> locker_;
};

}  // namespace hypercopy::test
