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
                                                    const std::map<std::string, std::string>& environment) {
  const std::string binaries = model.value("SELECT setting FROM pg_config WHERE name = 'BINDIR'");
  if (!std::filesystem::exists(binaries + "/postgres")) {
    why_not = fmt::format("the server's programs ({}) are not on this machine", binaries);
    return nullptr;
  }
  std::unique_ptr<PrivateServer> server(new PrivateServer(binaries, environment));
  if (server->create(hba) && server->run()) return server;
  std::ifstream log(server->folder_.path() + "/log");
  why_not = "no private server: " + std::string(std::istreambuf_iterator<char>(log), {});
  return nullptr;
}

bool PrivateServer::create(const std::string& hba) {
  const std::string& folder = folder_.path();
  if (const passwd* const user = other_user()) {
    if (::chown(folder.c_str(), user->pw_uid, user->pw_gid) != 0) return false;
  }
  const std::string initdb = fmt::format(
      "cd {} && {}'{}/initdb' -D data -U postgres --auth=trust --encoding=UTF8 --locale=C.UTF-8 "
      "--no-sync > log 2>&1",
      folder, as_server(), binaries_);
  if (run_program({"-c", initdb}, {.program = "/bin/sh"}).exit_code != 0) return false;
  std::ofstream(folder + "/data/pg_hba.conf") << hba;
  std::ofstream(folder + "/data/postgresql.conf", std::ios::app)
      << fmt::format("listen_addresses = ''\nunix_socket_directories = '{}'\n", folder);
  return true;
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
