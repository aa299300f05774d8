#!/bin/bash
# Loads the same CSV into the same tables by psql, by other loaders, by the server itself, by a bare loop that sends
# binary rows, and by hypercopy, in turns, and compares. Run it by ./dev bench --compare, or give a server of your own:
#   HYPERCOPY_BENCH_DSN       the server; schema hypercopy_bench in it is dropped and made new
#   HYPERCOPY_BENCH_ROWS      rows of `cpu` (default 3000000: 522 MB)
#   HYPERCOPY_BENCH_ROUNDS    measured runs of each loader and table (default 5)
#   HYPERCOPY_BENCH_JOBS      workers of all loaders that have workers (default 2); pgloader has its own default
#   HYPERCOPY_BENCH_ATTEMPTS  how often a run that other programs disturbed is tried (default 3)
#   HYPERCOPY_BENCH_TABLES    of plain, partitioned, hypertable (default: plain hypertable, or plain partitioned where
#                             the server has no TimescaleDB)
#   HYPERCOPY_BENCH_LOADERS   of the names in loaders.sh (default: all that are found, but peer_20000)
#   HYPERCOPY_BENCH_SLOW_ROWS, HYPERCOPY_BENCH_SLOW_ROUNDS  for pgloader (default: a tenth of the rows, 1 round)
#   HYPERCOPY_BENCH_RUNS      a file for the measured runs; started again with it, the script does what is missing
#   HYPERCOPY_PEER            timescaledb-parallel-copy, when it is not in PATH (the Go program, not hypercopy's link)
# A run whose rows differ from what psql loads, by count or by content, has no time: it ends the script.
# The report goes to stdout and, with a chart, into bench/results/DATE-compare.{md,svg}.
set -euo pipefail

bench=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=bench/harness.sh
source "$bench/harness.sh"

rows=${HYPERCOPY_BENCH_ROWS:-3000000}
rounds=${HYPERCOPY_BENCH_ROUNDS:-5}
jobs=${HYPERCOPY_BENCH_JOBS:-2}
attempts=${HYPERCOPY_BENCH_ATTEMPTS:-3}
slow_rows=${HYPERCOPY_BENCH_SLOW_ROWS:-$((rows / 10))}
slow_rounds=${HYPERCOPY_BENCH_SLOW_ROUNDS:-1}
[[ $rows$rounds$jobs$attempts$slow_rows$slow_rounds =~ ^[0-9]+$ ]] || die "rows, rounds, jobs and attempts are numbers"
[[ $slow_rows -gt 0 && $slow_rows -le $rows ]] || die "pgloader must have at least one row, and no more than the others"
csv=$work/cpu.csv

# shellcheck source=bench/loaders.sh
source "$bench/loaders.sh"
# shellcheck source=bench/report.sh
source "$bench/report.sh"

# Sets loaders to those that can run here. One that was asked for by name must.
choose_loaders() {
  local name why asked
  read -ra asked <<<"${HYPERCOPY_BENCH_LOADERS:-${default_loaders[*]}}"
  loaders=() left_out=()
  for name in "${asked[@]}"; do
    [[ -n ${label[$name]-} ]] || die "there is no loader $name; there are: ${all_loaders[*]}"
    why=
    if ! has_function "find_$name" || "find_$name"; then
      loaders+=("$name")
      continue
    fi
    [[ -z ${HYPERCOPY_BENCH_LOADERS-} ]] || die "$name: $why"
    say "left out: $name: $why"
    left_out+=("$name: $why")
  done
}

choose_tables() {
  local table default="plain partitioned"
  if has_timescaledb; then default="plain hypertable"; else say "no hypertable: the server has no TimescaleDB"; fi
  read -ra tables <<<"${HYPERCOPY_BENCH_TABLES:-$default}"
  for table in "${tables[@]}"; do
    [[ $table =~ ^(plain|partitioned|hypertable)$ ]] || die "there is no table $table"
  done
}

make_tables() {
  make_schema
  sql "$(cpu_schema hypercopy_bench.plain)"
  make_partitioned partitioned "$csv"
  has_timescaledb || return 0
  sql "$(cpu_schema hypercopy_bench.hypertable);
    select from create_hypertable('hypercopy_bench.hypertable', 'time', chunk_time_interval => interval '1 hour')"
}

# What psql loads is what is right; that run also warms up. pgloader's preparation empties the table: it comes last.
prepare() {
  local name
  load_psql plain
  expected=$(contents plain)
  [[ ${expected%%|*} == "$rows" ]] || die "psql loaded ${expected%%|*} rows of $rows"
  for name in "${loaders[@]}"; do
    [[ $name != pgloader ]] || continue
    if has_function "prepare_$name"; then "prepare_$name"; fi
  done
  if [[ " ${loaders[*]} " == *" pgloader "* ]]; then prepare_pgloader; fi
}

run_once() {
  local table=$1 name=$2 round=$3 wanted=$expected count=$rows
  if [[ $name == pgloader ]]; then
    [[ $round -le $slow_rounds ]] || return 0
    wanted=$slow_expected count=$slow_rows
  fi
  if has_run "$table" "$name" "$round"; then return; fi
  undisturbed "$table" "$wanted" "round $round, $table, ${label[$name]}" "load_$name" "$table"
  record "$table" "$name" "$round" "$count"
}

# Each round begins with another loader, so that none always follows the same.
run_round() {
  local round=$1 table turn
  for table in "${tables[@]}"; do
    for ((turn = 0; turn < ${#loaders[@]}; turn++)); do
      run_once "$table" "${loaders[(turn + round) % ${#loaders[@]}]}" "$round"
    done
  done
}

chmod 755 "$work"  # the server's user reads the files of COPY FROM file
choose_loaders
choose_tables
begin_runs "compare: rows $rows, jobs $jobs"
say "generating $rows rows of cpu"
"$hypercopy" generate cpu --rows "$rows" --seed 1 -o "$csv"
make_tables
prepare
for ((round = 1; round <= rounds; round++)); do run_round "$round"; done

results=$root/bench/results/$(date +%F)-compare
mkdir -p "${results%/*}"
draw_chart "$results.svg"
report | tee "$results.md"
