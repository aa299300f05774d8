// floor_binary CONNINFO TABLE CONNECTIONS FILE...: the bare loop below which no client that sends COPY BINARY comes.
// Each FILE is what `COPY ... TO ... (FORMAT binary)` wrote, and is sent as it is: one COPY, one transaction. Every
// connection takes the next file when it is done with one, as hypercopy's workers take batches. Nothing is parsed,
// retried or located; the first error ends the program. Prints the rows that the server counted.
#include <fcntl.h>
#include <fmt/format.h>
#include <libpq-fe.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <tl/expected.hpp>
#include <vector>

namespace {

// As large as hypercopy's puts, which libpq copies: larger ones cost memory, smaller ones calls.
constexpr std::size_t kPutBytes = 256 * 1024;

using Result = tl::expected<std::uint64_t, std::string>;  // rows
using Connection = std::unique_ptr<PGconn, decltype(&PQfinish)>;
using Answer = std::unique_ptr<PGresult, decltype(&PQclear)>;

Answer next_answer(PGconn* connection) { return {PQgetResult(connection), &PQclear}; }

tl::unexpected<std::string> server_error(PGconn* connection) {
  return tl::unexpected<std::string>(PQerrorMessage(connection));
}

tl::unexpected<std::string> file_error(const char* path) {
  return tl::unexpected(fmt::format("{}: {}", path, std::strerror(errno)));
}

// A file descriptor that is closed when it goes.
class File {
 public:
  explicit File(const char* path) : descriptor_(::open(path, O_RDONLY | O_CLOEXEC)) {}
  ~File() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  [[nodiscard]] bool is_open() const { return descriptor_ >= 0; }
  [[nodiscard]] ssize_t read(std::vector<char>& buffer) const {
    return ::read(descriptor_, buffer.data(), buffer.size());
  }

 private:
  int descriptor_;
};

Result put_file(PGconn* connection, const char* path, std::vector<char>& buffer) {
  const File file(path);
  if (!file.is_open()) return file_error(path);
  for (;;) {
    const ssize_t got = file.read(buffer);
    if (got < 0) return file_error(path);
    if (got == 0) return 0;
    if (PQputCopyData(connection, buffer.data(), static_cast<int>(got)) != 1) return server_error(connection);
  }
}

Result copy_file(PGconn* connection, const std::string& statement, const char* path,
                 std::vector<char>& buffer) {
  const Answer begun(PQexec(connection, statement.c_str()), &PQclear);
  if (PQresultStatus(begun.get()) != PGRES_COPY_IN) return server_error(connection);
  if (Result put = put_file(connection, path, buffer); !put) return put;
  if (PQputCopyEnd(connection, nullptr) != 1) return server_error(connection);
  const Answer copied = next_answer(connection);
  if (PQresultStatus(copied.get()) != PGRES_COMMAND_OK) return server_error(connection);
  std::uint64_t rows = 0;
  const char* count = PQcmdTuples(copied.get());
  std::from_chars(count, count + std::strlen(count), rows);
  while (next_answer(connection) != nullptr) {
  }
  return rows;
}

// What the connections share.
struct Work {
  const char* conninfo;
  std::string statement;
  std::vector<const char*> files;
  std::atomic<std::size_t> next_file{0};
  std::atomic<bool> failed{false};
};

Result copy_files(Work& work) {
  const Connection connection(PQconnectdb(work.conninfo), &PQfinish);
  if (PQstatus(connection.get()) != CONNECTION_OK) return server_error(connection.get());
  std::vector<char> buffer(kPutBytes);
  std::uint64_t rows = 0;
  while (!work.failed) {
    const std::size_t mine = work.next_file++;
    if (mine >= work.files.size()) break;
    Result copied = copy_file(connection.get(), work.statement, work.files[mine], buffer);
    if (!copied) return copied;
    rows += *copied;
  }
  return rows;
}

}  // namespace

int main(int argc, char** argv) {
  std::size_t connections = 0;
  if (argc > 3) std::from_chars(argv[3], argv[3] + std::strlen(argv[3]), connections);
  if (connections == 0 || argc < 5) {
    fmt::print(stderr, "usage: floor_binary CONNINFO TABLE CONNECTIONS FILE...\n");
    return 2;
  }
  Work work{argv[1], fmt::format("COPY {} FROM STDIN (FORMAT binary)", argv[2]), {argv + 4, argv + argc}};
  std::atomic<std::uint64_t> rows{0};
  {
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < connections; ++i) {
      threads.emplace_back([&work, &rows] {
        const Result copied = copy_files(work);
        if (copied) {
          rows += *copied;
          return;
        }
        work.failed = true;
        fmt::print(stderr, "floor_binary: {}\n", copied.error());
      });
    }
  }
  if (work.failed) return 1;
  fmt::print("COPY {}\n", rows.load());
  return 0;
}
