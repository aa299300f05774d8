#include "support/private_server.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>

namespace hypercopy::test {

namespace {

// PostgreSQL refuses to run as root: then the user that its package has made, or nobody.
const passwd* other_user() {
  if (::geteuid() != 0) return nullptr;
  const passwd* const postgres = ::getpwnam("postgres");
  return postgres != nullptr ? postgres : ::getpwnam("nobody");
}

std::string as_server() {
  const passwd* const user = other_user();
  if (user == nullptr) return "";
  return fmt::format("setpriv --reuid={} --regid={} --clear-groups -- ", user->pw_uid, user->pw_gid);
}

}  // namespace

PrivateServer::PrivateServer(std::string binaries, std::map<std::string, std::string> environment)
    : binaries_(std::move(binaries)), environment_(std::move(environment)) {}

std::unique_ptr<PrivateServer> PrivateServer::start(const Server& model, std::string& why_not,
                                                    const std::string& hba,
                                                    const std::map<std::string, std::string>& environment,
                                                    const std::string& settings) {
  const std::string binaries = model.value("SELECT setting FROM pg_config WHERE name = 'BINDIR'");
  if (!std::filesystem::exists(binaries + "/postgres")) {
    why_not = fmt::format("the server's programs ({}) are not on this machine", binaries);
    return nullptr;
  }
  std::unique_ptr<PrivateServer> server(new PrivateServer(binaries, environment));
  if (server->create(hba, settings) && server->run()) return server;
  why_not = "no private server: " + server->log();
  return nullptr;
}

std::optional<std::string> PrivateServer::timescale_settings(const Server& model) {
  const std::string libraries = model.value("SELECT setting FROM pg_config WHERE name = 'PKGLIBDIR'");
  if (!std::filesystem::exists(libraries + "/timescaledb.so")) return std::nullopt;
  return "shared_preload_libraries = 'timescaledb'\ntimescaledb.telemetry_level = off\n";
}

std::unique_ptr<PrivateServer> PrivateServer::start_standby(std::string& why_not) const {
  if (!std::filesystem::exists(binaries_ + "/pg_basebackup")) {
    why_not = fmt::format("the server's programs ({}) lack pg_basebackup", binaries_);
    return nullptr;
  }
  std::unique_ptr<PrivateServer> standby(new PrivateServer(binaries_, environment_));
  if (standby->copy_of(*this) && standby->run()) return standby;
  why_not = "no standby: " + standby->log();
  return nullptr;
}

bool PrivateServer::create(const std::string& hba, const std::string& settings) {
  if (!own_folder() ||
      !call("initdb", "-D data -U postgres --auth=trust --encoding=UTF8 --locale=C.UTF-8 --no-sync")) {
    return false;
  }
  std::ofstream(host() + "/data/pg_hba.conf") << hba;
  configure(settings + "listen_addresses = ''\n");
  return true;
}

bool PrivateServer::copy_of(const PrivateServer& primary) {
  if (!own_folder() ||
      !call("pg_basebackup",
            fmt::format("-D data -R -h '{}' -U postgres --checkpoint=fast --no-sync", primary.host()))) {
    return false;
  }
  configure("");
  return true;
}

bool PrivateServer::own_folder() const {
  const passwd* const user = other_user();
  return user == nullptr || ::chown(host().c_str(), user->pw_uid, user->pw_gid) == 0;
}

bool PrivateServer::call(const std::string& program, const std::string& arguments) const {
  const std::string command =
      fmt::format("cd {} && {}'{}/{}' {} > log 2>&1", host(), as_server(), binaries_, program, arguments);
  return run_program({"-c", command}, {.program = "/bin/sh"}).exit_code == 0;
}

void PrivateServer::configure(const std::string& lines) const {
  std::ofstream(host() + "/data/postgresql.conf", std::ios::app)
      << fmt::format("{}unix_socket_directories = '{}'\n", lines, host());
}

std::string PrivateServer::log() const {
  std::ifstream log(host() + "/log");
  return {std::istreambuf_iterator<char>(log), {}};
}

bool PrivateServer::run() {
  // The kernel ends it should the test be killed; a new user loses that setting, so it comes last.
  const std::string postgres =
      fmt::format("cd {} && exec {}setpriv --pdeathsig QUIT -- '{}/postgres' -D data >> log 2>&1 < /dev/null",
                  folder_.path(), as_server(), binaries_);
  process_ = std::make_unique<Process>(std::vector<std::string>{"-c", postgres},
                                       RunOptions{.environment = environment_, .program = "/bin/sh"});
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(5);
  while (PQping(dsn().c_str()) != PQPING_OK) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    ::poll(nullptr, 0, 20);
  }
  return true;
}

std::string PrivateServer::dsn() const {
  return fmt::format("host={} user=postgres dbname=postgres", folder_.path());
}

void PrivateServer::stop_immediately() { stop(SIGQUIT); }

void PrivateServer::stop_fast() { stop(SIGINT); }

void PrivateServer::stop(int signal) {
  process_->signal(signal);
  static_cast<void>(process_->wait());
  process_.reset();
}

}  // namespace hypercopy::test
