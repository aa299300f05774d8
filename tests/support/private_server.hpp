// A server of the test's own that it may stop and kill: the same binaries as the test's server, its own
// folder, a unix socket in it, no TCP.
// Owns:    the server's process and its folder; both go with this.
// Errors:  start() gives nothing, and why, where a server cannot be started here (binaries of another host).
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "support/program.hpp"
#include "support/server.hpp"

namespace hypercopy::test {

class PrivateServer {
 public:
  // `hba`: the lines of pg_hba.conf; `environment`: of the server's process; `settings`: lines of postgresql.conf, which a
  // standby has too.
  [[nodiscard]] static std::unique_ptr<PrivateServer> start(
      const Server& model, std::string& why_not, const std::string& hba = kTrust,
      const std::map<std::string, std::string>& environment = {}, const std::string& settings = "");
  static constexpr const char* kTrust = "local all all trust\nlocal replication all trust\n";
  // The settings that preload TimescaleDB; nothing where it is not installed for the model's programs.
  [[nodiscard]] static std::optional<std::string> timescale_settings(const Server& model);
  // A streaming standby of this one, a copy of it in a folder of its own; another server once it is promoted.
  // Nothing, and why, where there is no pg_basebackup.
  [[nodiscard]] std::unique_ptr<PrivateServer> start_standby(std::string& why_not) const;

  [[nodiscard]] std::string dsn() const;
  // What stands behind host= in a DSN.
  [[nodiscard]] const std::string& host() const { return folder_.path(); }
  // As a crash of the machine: no checkpoint, connections are cut.
  void stop_immediately();
  // As pg_ctl stop -m fast: transactions are rolled back, what is committed is written.
  void stop_fast();
  // Starts it again after a stop.
  [[nodiscard]] bool run();

 private:
  PrivateServer(std::string binaries, std::map<std::string, std::string> environment);
  void stop(int signal);
  [[nodiscard]] bool create(const std::string& hba, const std::string& settings);
  [[nodiscard]] bool copy_of(const PrivateServer& primary);
  // A program of the server's in its folder, as its user; what it says goes to the log.
  [[nodiscard]] bool call(const std::string& program, const std::string& arguments) const;
  [[nodiscard]] bool own_folder() const;
  void configure(const std::string& lines) const;
  [[nodiscard]] std::string log() const;

  TemporaryFolder folder_;
  std::string binaries_;
  std::map<std::string, std::string> environment_;
  std::unique_ptr<Process> process_;
};

}  // namespace hypercopy::test
