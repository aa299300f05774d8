# Shared by the benchmark scripts that need a server: finding things, running and measuring, describing the machine.
# Sourced, not run; expects HYPERCOPY_BENCH_DSN, and sets root, work, psql and hypercopy.
# shellcheck shell=bash disable=SC2034

die() { printf '%s: %s\n' "${0##*/}" "$*" >&2; exit 1; }
say() { printf '==> %s\n' "$*" >&2; }

[[ -n ${HYPERCOPY_BENCH_DSN-} ]] || die "HYPERCOPY_BENCH_DSN must name a server (./dev bench starts one)"
dsn=$HYPERCOPY_BENCH_DSN
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
hypercopy=${HYPERCOPY:-$root/build/release/hypercopy}
[[ -x $hypercopy ]] || die "there is no $hypercopy; ./dev build makes it"
[[ -x /usr/bin/time ]] || die "GNU time is missing (Debian package: time)"
# Not the wrapper in /usr/bin: it is a Perl program, whose time would count as psql's.
psql=$(find /usr/lib/postgresql -path '*/bin/psql' 2>/dev/null | sort -V | tail -n 1)
psql=${psql:-$(command -v psql)} || die "psql is missing"

work=$(mktemp -d "${TMPDIR:-/tmp}/hypercopy-bench-XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# sql STATEMENT: unaligned result on stdout.
sql() { "$psql" -X -q -A -t -v ON_ERROR_STOP=1 -d "$dsn" -c "set client_min_messages = warning" -c "$1" </dev/null; }

# The postmaster's process, where it runs on this machine and can be seen; else empty.
find_postmaster() {
  local pid
  pid=$(sql "select split_part(pg_read_file('postmaster.pid'), e'\n', 1) where inet_server_addr() is null") || return 0
  [[ $(cat "/proc/$pid/comm" 2>/dev/null) != postgres ]] || postmaster=$pid
}

# CPU seconds of the server so far: the postmaster, the children it has, and those that have ended.
server_cpu() {
  if [[ -z ${postmaster-} ]]; then echo 0; return; fi
  # A process may end while they are read.
  { cat /proc/[0-9]*/stat 2>/dev/null || true; } | awk -v postmaster="$postmaster" -v hertz="$(getconf CLK_TCK)" '
    $1 == postmaster { ticks += $14 + $15 + $16 + $17 }
    $4 == postmaster { ticks += $14 + $15 }
    END { printf "%.2f", ticks / hertz }'
}

# CPU seconds of everything on this machine so far.
machine_cpu() {
  awk -v hertz="$(getconf CLK_TCK)" '/^cpu / { printf "%.2f", ($2 + $3 + $4 + $7 + $8) / hertz }' /proc/stat
}

# Waits until others use less than a tenth of the machine, at most SECONDS.
wait_for_quiet() {
  local left before
  for ((left = $1; left > 0; left--)); do
    before=$(machine_cpu)
    sleep 1
    if awk -v a="$(machine_cpu)" -v b="$before" -v cores="$(nproc)" 'BEGIN { exit !(a - b < 0.1 * cores) }'; then return; fi
  done
}

# measured COMMAND...: sets wall, client_user, client_system, client_rss_kb, server_seconds and foreign_percent (of the
# machine, that neither client nor server used; 0 where the server's processes cannot be seen). The command's output goes to $work/output.
measured() {
  local begin end before after all_before all_after
  sleep 0.3  # as below, for what ran before
  before=$(server_cpu)
  all_before=$(machine_cpu)
  begin=${EPOCHREALTIME/[.,]/}
  /usr/bin/time -f '%U %S %M' -o "$work/time" "$@" >"$work/output" 2>&1 || {
    tail -n 20 "$work/output" >&2
    die "this failed: $*"
  }
  end=${EPOCHREALTIME/[.,]/}
  all_after=$(machine_cpu)
  sleep 0.3  # the loader's backends end a moment after it, and are nowhere counted while they do
  after=$(server_cpu)
  wall=$(awk -v us=$((end - begin)) 'BEGIN { printf "%.3f", us / 1e6 }')
  server_seconds=$(awk -v a="$after" -v b="$before" 'BEGIN { printf "%.2f", a - b }')
  read -r client_user client_system client_rss_kb <"$work/time"
  foreign_percent=0
  [[ -n ${postmaster-} ]] || return 0
  foreign_percent=$(awk -v all="$all_after" -v all_before="$all_before" -v server="$server_seconds" -v wall="$wall" \
    -v client="$client_user" -v client_system="$client_system" -v cores="$(nproc)" 'BEGIN {
      foreign = 100 * (all - all_before - server - client - client_system) / (wall * cores)
      printf "%.0f", (foreign > 0 ? foreign : 0) }')
}

# cpu_schema [SCHEMA.]TABLE: the SQL for a table of generated rows, without a semicolon at the end.
cpu_schema() {
  local schema
  schema=$("$hypercopy" generate cpu --schema "$1")
  printf '%s' "${schema%;}"
}

has_timescaledb() { [[ $(sql "select count(*) from pg_extension where extname = 'timescaledb'") == 1 ]]; }

describe_machine() {
  local compiler
  compiler=$(sed -n 's/^CMAKE_CXX_COMPILER:[A-Z]*=//p' "$root/build/release/CMakeCache.txt" 2>/dev/null)
  cat <<TEXT
| | |
|---|---|
| CPU | $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), $(nproc) cores |
| RAM | $(awk '/^MemTotal/ { printf "%.0f GB", $2 / 1e6 }' /proc/meminfo) |
| kernel | $(uname -sr) |
| compiler, flags | $("${compiler:-g++}" --version | head -n 1); -O3 -DNDEBUG (preset release) |
| hypercopy | $("$hypercopy" --version | head -n 1), commit $(git -c safe.directory="$root" -C "$root" rev-parse --short HEAD 2>/dev/null || echo unknown) |
| client library | $("$psql" --version) |
| server | PostgreSQL $(sql "show server_version"), $([[ -n ${postmaster-} ]] && echo "same machine, unix socket" || echo "elsewhere, or over TCP") |
| TimescaleDB | $(sql "select coalesce(max(extversion), 'none') from pg_extension where extname = 'timescaledb'") |
| settings that are not defaults | $(sql "select string_agg(name || ' = ' || current_setting(name), ', ' order by name) from pg_settings
    where source in ('configuration file', 'database', 'user') and name !~ '^(lc_|unix_socket|log_|dynamic_shared|default_text|listen|port)'") |
| load average at the end | $(cut -d ' ' -f 1-3 /proc/loadavg) |
TEXT
}
