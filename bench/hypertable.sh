#!/bin/bash
# Loading into hypertables, in turns: a columnstore against timescaledb-parallel-copy, chunks built aside against the
# ordinary way and psql, and records ordered by host against the same records ordered by time.
# Run it by ./dev bench --hypertable, or give a server of your own, with TimescaleDB:
#   HYPERCOPY_BENCH_DSN       the server; schema hypercopy_bench in it is dropped and made new
#   HYPERCOPY_BENCH_ROWS      rows of `cpu` (default 3000000: 521 MB)
#   HYPERCOPY_BENCH_ROUNDS    measured runs of each (default 3)
#   HYPERCOPY_BENCH_JOBS      workers (default 2)
#   HYPERCOPY_BENCH_PARTS     of columnstore, aside, order (default: all)
#   HYPERCOPY_BENCH_ATTEMPTS  how often a run that other programs disturbed is tried (default 3)
#   HYPERCOPY_BENCH_RUNS      a file for the measured runs; started again with it, the script does what is missing
#   HYPERCOPY_PEER            timescaledb-parallel-copy (default: from PATH, else by go install)
# A run whose rows are not those of the file has no time: it ends the script.
# The report goes to stdout and into bench/results/DATE-hypertable.md.
# shellcheck disable=SC2016  # $1, $2, ... in single quotes are awk's columns
# shellcheck disable=SC2034,SC2317  # functions and names are found by the loader's name
set -euo pipefail

# shellcheck source=bench/harness.sh
source "$(dirname "${BASH_SOURCE[0]}")/harness.sh"

rows=${HYPERCOPY_BENCH_ROWS:-3000000}
rounds=${HYPERCOPY_BENCH_ROUNDS:-3}
jobs=${HYPERCOPY_BENCH_JOBS:-2}
attempts=${HYPERCOPY_BENCH_ATTEMPTS:-3}
[[ $rows$rounds$jobs$attempts =~ ^[0-9]+$ ]] || die "rows, rounds, jobs and attempts are numbers"
read -ra parts <<<"${HYPERCOPY_BENCH_PARTS:-columnstore aside order}"
slow_rows=0
csv=$work/cpu.csv
# shellcheck source=bench/loaders.sh
source "$(dirname "${BASH_SOURCE[0]}")/loaders.sh"

label+=(
  [peer_default]="timescaledb-parallel-copy"
  [aside]="hypercopy load -j $jobs --build-chunks on"
  [by_time]="hypercopy load -j $jobs, ordered by time"
  [by_host]="hypercopy load -j $jobs, ordered by host"
)
hypercopy_load() {
  measured "$hypercopy" load -d "$dsn" -t "hypercopy_bench.$1" -j "$jobs" --progress none "${@:2}"
}
# With its own defaults: one worker, batches of 5,000 rows.
load_peer_default() {
  measured "$peer" -connection "$dsn" -schema hypercopy_bench -table "$1" -file "$csv"
}
load_aside() { hypercopy_load "$1" --build-chunks on "$csv"; }
load_by_time() { load_hypercopy "$1"; }
load_by_host() { hypercopy_load "$1" "$work/by_host.csv"; }

# make_table NAME INTERVAL
make_table() {
  sql "$(cpu_schema "hypercopy_bench.$1");
    select from public.create_hypertable('hypercopy_bench.$1', 'time', chunk_time_interval => interval '$2')"
}

prepare_columnstore() {
  loaders=(hypercopy peer_default peer)
  find_peer || {
    say "without timescaledb-parallel-copy: $why"
    loaders=(hypercopy)
  }
  make_table columnstore "1 hour"
  sql "alter table hypercopy_bench.columnstore set (timescaledb.enable_columnstore,
    timescaledb.segmentby = 'tags_id', timescaledb.orderby = 'time')"
}
prepare_aside() {
  loaders=(hypercopy aside psql)
  make_table aside "1 hour"
}
# 3 million rows are 30,000 seconds: 200 chunks.
prepare_order() {
  loaders=(by_time by_host)
  make_table order "150 seconds"
  LC_ALL=C sort -s -t , -k 3,3 -T "$work" -o "$work/by_host.csv" "$csv"
}

size_of() { sql "select public.hypertable_size('hypercopy_bench.$1')"; }

# What compress_chunk makes of the same rows is the yardstick for sizes: a "run" of its own, with bytes for rows.
measure_sizes() {
  has_run size compress_chunk 1 && return
  sql "truncate hypercopy_bench.columnstore"
  hypercopy_load columnstore --direct-compress off "$csv"
  sql "select public.compress_chunk(c) from public.show_chunks('hypercopy_bench.columnstore') c" >/dev/null
  record size compress_chunk 1 "$(size_of columnstore)"
}

run_once() {
  local table=$1 name=$2 round=$3
  if has_run "$table" "$name" "$round"; then return; fi
  undisturbed "$table" "$expected" "round $round, $table, ${label[$name]}" "load_$name" "$table"
  record "$table" "$name" "$round" "$rows"
  [[ $table != columnstore ]] || record size "$name" "$round" "$(size_of "$table")"
}

run_part() {
  local part=$1 round name
  "prepare_$part" >&2
  for ((round = 1; round <= rounds; round++)); do
    for name in "${loaders[@]}"; do run_once "$part" "$name" "$round"; done
  done
  [[ $part != columnstore ]] || measure_sizes
}

# part_table PART LOADER...: the first one is what others are divided by.
part_table() {
  local part=$1 base name median least most
  printf '| %s | s | least to most | CPU s | times the first |\n|---|---|---|---|---|\n' "$part"
  base=$(column "$part" "$2" '$4' | cut -d ' ' -f 1)
  for name in "${@:2}"; do
    read -r median least most _ <<<"$(column "$part" "$name" '$4')"
    [[ -n $median ]] || continue
    printf '| %s | %.2f | %.2f to %.2f | %.2f | %.2f |\n' "${label[$name]}" "$median" "$least" "$most" \
      "$(column "$part" "$name" '$5 + $6 + $8' | cut -d ' ' -f 1)" "$(calculate "$median / $base")"
  done
  echo
}

size_table() {
  local yardstick name bytes
  yardstick=$(column size compress_chunk '$10' | cut -d ' ' -f 1)
  printf '| size | MB | of compress_chunk |\n|---|---|---|\n| loaded as rows, then compress_chunk | %.0f | 1 |\n' \
    "$(calculate "$yardstick / 1e6")"
  for name in hypercopy peer_default peer; do
    bytes=$(column size "$name" '$10' | cut -d ' ' -f 1)
    [[ -z $bytes ]] || printf '| %s | %.0f | %.2f |\n' "${label[$name]}" "$(calculate "$bytes / 1e6")" \
      "$(calculate "$bytes / $yardstick")"
  done
  echo
}

report_columnstore() {
  echo 'Columnstore, segmentby tags_id, orderby time, chunks of 1 hour (target: five times as fast as the peer; 1.3 times the size):'
  echo
  part_table columnstore hypercopy peer_default peer
  size_table
}
report_aside() {
  echo 'An empty hypertable with its default index, chunks of 1 hour (target: the ordinary way 1.25 times, psql 3.5 times as long):'
  echo
  part_table aside aside hypercopy psql
}
report_order() {
  echo 'The same records by time and by host, 200 chunks for 3 million rows (target: 1.25 times as long):'
  echo
  part_table order by_time by_host
}

report() {
  cat <<TEXT
# $(date +%F): loading into hypertables

$(describe_machine)
| input | $rows rows of \`cpu\`, $(stat -c %s "$csv") bytes, in the page cache |
| runs | $rounds of each, in turns; TRUNCATE (which drops the chunks) and CHECKPOINT before each; medians; $jobs workers |
| command | \`$(command_line --hypertable)\` |

TEXT
  local part
  for part in "${parts[@]}"; do "report_$part"; done
  cat <<'TEXT'
CPU seconds are those of client and server together. All runs left exactly the rows of the file, by count and checksum.
TEXT
}

for part in "${parts[@]}"; do
  has_function "report_$part" || die "there is no part $part"
done
begin_runs "hypertable: rows $rows, jobs $jobs"
has_timescaledb || sql "create extension timescaledb with schema public" 2>/dev/null ||
  die "the server has no TimescaleDB; HYPERCOPY_BENCH_DSN can name one that has"
say "generating $rows rows of cpu"
"$hypercopy" generate cpu --rows "$rows" --seed 1 -o "$csv"
make_schema
sql "$(cpu_schema hypercopy_bench.reference)"
"$psql" -X -q -v ON_ERROR_STOP=1 -d "$dsn" -c "\\copy hypercopy_bench.reference from '$csv' csv"
expected=$(contents reference)
sql "drop table hypercopy_bench.reference"
for part in "${parts[@]}"; do run_part "$part"; done

results=$root/bench/results/$(date +%F)-hypertable
mkdir -p "${results%/*}"
report | tee "$results.md"
