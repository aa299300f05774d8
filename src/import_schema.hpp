// The tables of the import ledger, made where they are missing.
// Shape:   schema hypercopy with tables job, input, interval, reject; documented for readers in docs/imports.md.
// Threads: one.
// Errors:  sql 42501 with what an administrator has to run; target: the tables are those of another version.
#pragma once

#include "hypercopy/connection.hpp"
#include "hypercopy/result.hpp"

namespace hypercopy {

// The first key of the ledger's advisory locks; the second is the job, 0 while the tables are made.
inline constexpr int kImportLockClass = 1752789091;

// Whether there is a ledger at all: on a server without one nothing is made just to look.
[[nodiscard]] Result<bool> has_import_schema(Connection& connection);
[[nodiscard]] Status ensure_import_schema(Connection& connection);

// Adds the GRANTs that help to an error of missing rights on the ledger.
[[nodiscard]] Error with_ledger_grants(Error error);

}  // namespace hypercopy
