#include "former_backend.hpp"

#include <array>
#include <string>

namespace hypercopy {

Status end_former_backend(Connection& connection, int pid) {
  if (pid == 0 || pid == connection.backend_pid()) return {};
  const std::array<std::string, 1> which{std::to_string(pid)};
  HYPERCOPY_TRY(connection.execute(
      "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity WHERE pid = $1::int AND "
      "pid <> pg_catalog.pg_backend_pid() AND application_name = "
      "pg_catalog.current_setting('application_name')",
      which));
  return {};
}

}  // namespace hypercopy
