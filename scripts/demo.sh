# ./dev demo: load generated rows into a throwaway server, once by hypercopy and once by psql. Sourced, not run.
# shellcheck shell=bash disable=SC2154

command_demo() {
  local rows=1000000 keep="" hypercopy=$root/build/release/hypercopy csv kind
  local hypercopy_ms psql_ms
  while [[ $# -gt 0 ]]; do
    case $1 in
      --rows) [[ ${2-} =~ ^[1-9][0-9]*$ ]] || bad_usage "--rows takes a number"
              rows=$2; shift 2 ;;
      --keep) keep=yes; shift ;;
      *) bad_usage "unknown argument: $1" ;;
    esac
  done
  need_packages build server
  build release --target hypercopy_program
  server_start ""
  server_say_timescaledb "a natively partitioned table stands in for the hypertable"
  say "DSN: $server_dsn"

  csv=$server_dir/cpu.csv
  say "generating $rows rows of cpu (seed 1)"
  run "$hypercopy" generate cpu --rows "$rows" --seed 1 -o "$csv"
  if server_has_timescaledb; then kind=hypertable; else kind="table partitioned by hour"; fi
  say "creating two tables, each a $kind: cpu for hypercopy, cpu_psql for psql"
  demo_table cpu "$csv" "$hypercopy"
  demo_table cpu_psql "$csv" "$hypercopy"

  say "hypercopy load"
  measure "$hypercopy" load -d "$server_dsn" -t cpu "$csv"
  hypercopy_ms=$measured_ms
  say "psql \\copy, one connection"
  measure "$psql" -X -d "$server_dsn" -c "\\copy cpu_psql from '$csv' csv"
  psql_ms=$measured_ms

  say "comparing the tables, both ways"
  demo_compare "$rows"
  printf 'hypercopy load   %7s s\npsql \\copy       %7s s\nhypercopy takes  %7s of the time of psql (%s rows, %s, one run each)\n' \
    "$(thousandths "$hypercopy_ms")" "$(thousandths "$psql_ms")" \
    "$(thousandths $((hypercopy_ms * 1000 / psql_ms)))" "$rows" "$kind"
  echo "PASS: the $rows rows that hypercopy loaded equal those that psql loaded"
  [[ -z $keep ]] || demo_wait
}

thousandths() { printf '%d.%03d' $(($1 / 1000)) $(($1 % 1000)); }

# Runs a command and sets measured_ms. What was written before it is flushed first, so that no run pays for another.
measure() {
  local begin
  server_sql checkpoint
  begin=$(date +%s%N)
  run "$@"
  measured_ms=$((($(date +%s%N) - begin) / 1000000 + 1))
}

# demo_table NAME CSV HYPERCOPY: with the columns of the file, cut by the hour.
demo_table() {
  local schema
  schema=$("$3" generate cpu --schema "$1")
  if server_has_timescaledb; then
    server_sql "$schema
      select create_hypertable('$1', 'time', chunk_time_interval => interval '1 hour')" >/dev/null
    return
  fi
  server_sql "${schema%;} partition by range (time);
    create table $1_default partition of $1 default;
    create index on $1 (time desc)"
  demo_hours "$2" | while read -r hour; do
    printf "create table \"%s_%s\" partition of %s for values from ('%s:00+00') to (timestamptz '%s:00+00' + interval '1 hour');\n" \
      "$1" "$hour" "$1" "$hour" "$hour"
  done | "$psql" -X -q -v ON_ERROR_STOP=1 --single-transaction -d "$server_dsn" -f -
}

# The hours that the file's first column, a timestamp in UTC, has: 2024-01-01 07
demo_hours() { cut -c 1-13 "$1" | uniq | sort -u; }

demo_compare() {
  local result
  result=$(server_sql "set work_mem = '128MB'; select (select count(*) from cpu), (select count(*) from cpu_psql),
      (select count(*) from (select t::text from cpu t except all select t::text from cpu_psql t) d),
      (select count(*) from (select t::text from cpu_psql t except all select t::text from cpu t) d)")
  [[ $result == "$1|$1|0|0" ]] ||
    die "FAIL: rows of cpu, of cpu_psql, only in cpu, only in cpu_psql: $result, expected $1|$1|0|0"
}

demo_wait() {
  say "the server stays until Ctrl-C: $psql -d '$server_dsn'"
  run sleep infinity
}
