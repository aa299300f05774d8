# Shared by the benchmark scripts that need a server: finding things, running and measuring, describing the machine.
# Sourced, not run; expects HYPERCOPY_BENCH_DSN (and attempts, for `undisturbed`), and sets root, work,
# psql, hypercopy and postmaster.
# shellcheck shell=bash disable=SC2034,SC2154

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
schema_made=
leave() {
  local status=$?
  trap '' INT TERM HUP
  if [[ -n $schema_made ]]; then
    sql "set lock_timeout = '10s'; drop schema if exists hypercopy_bench cascade" ||
      say "schema hypercopy_bench is still there"
  fi
  rm -rf "$work"
  exit "$status"
}
trap leave EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

# sql STATEMENT: unaligned result on stdout.
sql() { "$psql" -X -q -A -t -v ON_ERROR_STOP=1 -d "$dsn" -c "set client_min_messages = warning" -c "$1" </dev/null; }

# The postmaster's process, where it runs on this machine and can be seen; else empty.
find_postmaster() {
  local pid
  postmaster=
  pid=$(sql "select split_part(pg_read_file('postmaster.pid'), e'\n', 1) where inet_server_addr() is null") || return 0
  [[ $(cat "/proc/$pid/comm" 2>/dev/null) != postgres ]] || postmaster=$pid
}

# The scratch schema, dropped again however the script ends.
make_schema() {
  sql "drop schema if exists hypercopy_bench cascade; create schema hypercopy_bench"
  schema_made=yes
}

# CPU seconds of the server so far: the postmaster, the children it has, and those that have ended.
server_cpu() {
  if [[ -z $postmaster ]]; then echo 0; return; fi
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

# Waits, at most 0.3 s, until no process of the server serves a client. One that is ending is counted nowhere for a
# moment: it is no longer a child and not yet among those that have ended.
settle() {
  local i
  for ((i = 0; i < 15; i++)); do
    sleep 0.02
    has_client_process || return 0
  done
}

# Background processes have titles without an address; the title of one that is ending is empty.
has_client_process() {
  local pid title children=/proc/${postmaster:-self}/task/${postmaster:-self}/children
  [[ -n $postmaster && -r $children ]] || return 0
  for pid in $(<"$children"); do
    title=
    { IFS= read -r -d '' title <"/proc/$pid/cmdline" || true; } 2>/dev/null
    [[ -n $title && $title != *"[local]"* && $title != *"("*")"* ]] || return 0
  done
  return 1
}

# measured COMMAND...: sets wall, client_user, client_system, client_rss_kb (of the largest process, where the command
# starts several), server_seconds and foreign_percent (of the machine, that neither client nor server used; 0 where the
# server's processes cannot be seen). The command's output goes to $work/output. A command that fails ends the script.
measured() {
  local begin end before all_before all_after status=0
  settle
  before=$(server_cpu)
  all_before=$(machine_cpu)
  begin=${EPOCHREALTIME/[.,]/}
  /usr/bin/time -f '%U %S %M' -o "$work/time" "$@" >"$work/output" 2>&1 </dev/null || status=$?
  end=${EPOCHREALTIME/[.,]/}
  [[ $status -eq 0 ]] || fail_with_output "this failed with status $status: $*"
  all_after=$(machine_cpu)
  settle
  after=$(server_cpu)
  wall=$(awk -v us=$((end - begin)) 'BEGIN { printf "%.3f", us / 1e6 }')
  server_seconds=$(awk -v a="$after" -v b="$before" 'BEGIN { printf "%.2f", a - b }')
  read -r client_user client_system client_rss_kb <"$work/time"
  foreign_percent=0
  [[ -n $postmaster ]] || return 0
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

# fail_with_output MESSAGE: the last command's own words first.
fail_with_output() {
  tail -n 20 "$work/output" >&2
  die "$1"
}

# undisturbed TABLE CONTENTS WHAT COMMAND...: empties the table and runs COMMAND, which calls `measured`. A run during
# which others took more than a tenth of the machine is repeated, whatever its time, at most $attempts times; when all
# were disturbed, the last one counts, and the report shows it. A table that is then not as it must be has no time.
undisturbed() {
  local table=$1 wanted=$2 what=$3 attempt found
  for ((attempt = 1; attempt <= attempts; attempt++)); do
    sql "truncate hypercopy_bench.$table"
    sql checkpoint
    [[ $attempt -eq 1 ]] || wait_for_quiet 60
    "${@:4}"
    say "$what: $wall s, client CPU $client_user + $client_system s, server CPU $server_seconds s," \
      "others $foreign_percent %"
    found=$(contents "$table")
    [[ $found == "$wanted" ]] ||
      fail_with_output "$what: $found (rows|checksum) in table $table, expected $wanted"
    [[ $foreign_percent -gt 10 ]] || break
  done
}

# Count and content of a table of hypercopy_bench, whatever the order of its rows.
contents() {
  sql "select count(*), coalesce(sum($row_hash), 0) from hypercopy_bench.$1 t"
}

# Measured runs are lines of the file $runs:
#   table, loader, round, wall s, client user s, client system s, client peak RSS kB, server CPU s, others %, rows
# HYPERCOPY_BENCH_RUNS names it when it is to outlive the script: a second start does what is missing.
# begin_runs WHAT: a file that began with something else is refused.
begin_runs() {
  runs=${HYPERCOPY_BENCH_RUNS:-$work/runs.tsv}
  [[ -s $runs ]] || printf '# %s\n' "$1" >"$runs"
  [[ $(head -n 1 "$runs") == "# $1" ]] || die "the runs in $runs are of another kind: $(head -n 1 "$runs")"
}
has_run() { grep -q "^$1"$'\t'"$2"$'\t'"$3"$'\t' "$runs"; }
# record TABLE LOADER ROUND ROWS: what `measured` found.
record() {
  printf '%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n' "$1" "$2" "$3" "$wall" "$client_user" "$client_system" \
    "$client_rss_kb" "$server_seconds" "$foreign_percent" "$4" >>"$runs"
}

# column TABLE LOADER AWK_EXPRESSION: "median least most runs" of it, over the runs; nothing where there are none.
column() {
  awk -F '\t' -v table="$1" -v loader="$2" "\$1 == table && \$2 == loader { print $3 }" "$runs" | sort -g |
    awk '{ value[NR] = $1 } END { if (NR == 0) exit
      h = int((NR + 1) / 2); m = NR % 2 ? value[h] : (value[h] + value[h + 1]) / 2
      printf "%.4f %.4f %.4f %d", m, value[1], value[NR], NR }'
}

# calculate AWK_EXPRESSION
calculate() { awk "BEGIN { printf \"%.4f\", $1 }"; }

# chart SCRIPT OUTPUT ARGUMENT...: draws by gnuplot, where it is installed.
chart() {
  if ! command -v gnuplot >/dev/null; then
    say "no chart: gnuplot is not installed (Debian package: gnuplot-nox)"
    return
  fi
  gnuplot -c "$root/bench/$1" "${@:2}" || die "gnuplot could not draw ${*:2}"
  # gnuplot ends lines with blanks, which ./dev lint refuses in what is committed.
  sed -i 's/[[:blank:]]*$//' "$2"
}

# The command that makes this again: ./dev bench ARGUMENT, behind the settings that this one was given.
command_line() {
  local name
  for name in "${!HYPERCOPY_BENCH_@}"; do
    [[ $name == *_DSN || $name == *_RUNS ]] || printf '%s=%q ' "$name" "${!name}"
  done
  echo "./dev bench $1"
}

# make_partitioned NAME CSV: by the hour, as the hypertables here are; the first column is a timestamp in UTC.
make_partitioned() {
  local hour
  sql "$(cpu_schema "hypercopy_bench.$1") partition by range (time)"
  cut -c 1-13 "$2" | uniq | while read -r hour; do
    printf "create table hypercopy_bench.\"$1_%s\" partition of hypercopy_bench.$1 for values
      from ('%s:00+00') to (timestamptz '%s:00+00' + interval '1 hour');\n" "$hour" "$hour" "$hour"
  done | "$psql" -X -q -v ON_ERROR_STOP=1 -1 -d "$dsn" -f -
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
| server | PostgreSQL $(sql "show server_version"), $([[ -n $postmaster ]] && echo "same machine, unix socket" || echo "elsewhere, or over TCP") |
| TimescaleDB | $(sql "select coalesce(max(extversion), 'none') from pg_extension where extname = 'timescaledb'") |
| settings that are not defaults | $(sql "select string_agg(name || ' = ' || current_setting(name), ', ' order by name) from pg_settings
    where source in ('configuration file', 'database', 'user') and name !~ '^(lc_|unix_socket|log_|dynamic_shared|default_text|listen|port)'") |
| load average at the end | $(cut -d ' ' -f 1-3 /proc/loadavg) |
TEXT
}

find_postmaster
# Values are hashed as they are stored, which PostgreSQL 13 cannot do.
row_hash="hash_record_extended(t, 0)"
[[ $(sql "show server_version_num") -ge 140000 ]] || row_hash="hashtextextended(t::text, 0)"
