#!/bin/bash
# What --defer-indexes saves: the same file into a table with three indexes, with them kept and with them built at the end, in turns.
# Run it by ./dev bench --defer-indexes, or give a server of your own:
#   HYPERCOPY_BENCH_DSN       the server; schema hypercopy_bench in it is dropped and made new
#   HYPERCOPY_BENCH_ROWS      rows of `cpu` (default 3000000: 521 MB)
#   HYPERCOPY_BENCH_ROUNDS    measured runs of each (default 3)
#   HYPERCOPY_BENCH_JOBS      workers (default 2)
#   HYPERCOPY_BENCH_TABLES    of plain, hypertable (default: hypertable where the server has TimescaleDB, else plain)
#   HYPERCOPY_BENCH_ATTEMPTS  how often a run that other programs disturbed is tried (default 3)
#   HYPERCOPY_BENCH_RUNS      a file for the measured runs; started again with it, the script does what is missing
# A run whose rows are not those of the file, or after which an index is missing, has no time: it ends the script.
# The report goes to stdout and into bench/results/DATE-defer-indexes.md.
# shellcheck disable=SC2016  # $1, $2, ... in single quotes are awk's columns
set -euo pipefail

# shellcheck source=bench/harness.sh
source "$(dirname "${BASH_SOURCE[0]}")/harness.sh"

rows=${HYPERCOPY_BENCH_ROWS:-3000000}
rounds=${HYPERCOPY_BENCH_ROUNDS:-3}
jobs=${HYPERCOPY_BENCH_JOBS:-2}
attempts=${HYPERCOPY_BENCH_ATTEMPTS:-3}
[[ $rows$rounds$jobs$attempts =~ ^[0-9]+$ ]] || die "rows, rounds, jobs and attempts are numbers"

make_table() {
  sql "$(cpu_schema "hypercopy_bench.$1")"
  [[ $1 == plain ]] || sql "select public.create_hypertable('hypercopy_bench.$1', 'time',
    chunk_time_interval => interval '1 hour', create_default_indexes => false)"
  sql "create index on hypercopy_bench.$1 (time desc); create index on hypercopy_bench.$1 (hostname, time desc);
    create index on hypercopy_bench.$1 (usage_user, time desc)"
}

load() {
  local command=("$hypercopy" load -d "$dsn" -t "hypercopy_bench.$1" -j "$jobs" --progress none)
  [[ $2 == kept ]] || command+=(--defer-indexes)
  measured "${command[@]}" "$work/cpu.csv"
  [[ $(sql "select count(*) from pg_index where indrelid = 'hypercopy_bench.$1'::regclass and indisvalid") == 3 ]] ||
    fail_with_output "an index of $1 is missing"
}

run_once() {
  local table=$1 how=$2 round=$3
  if has_run "$table" "$how" "$round"; then return; fi
  undisturbed "$table" "$expected" "round $round, $table, indexes $how" load "$table" "$how"
  record "$table" "$how" "$round" "$rows"
}

row() {
  local median least most
  read -r median least most _ <<<"$(column "$1" "$2" '$4')"
  printf '| %s, %s | %.2f | %.2f to %.2f | %.2f |\n' "$1" "$3" "$median" "$least" "$most" \
    "$(column "$1" "$2" '$5 + $6 + $8' | cut -d ' ' -f 1)"
}

result_table() {
  local table kept built
  printf '| load | s | least to most | CPU s |\n|---|---|---|---|\n'
  for table in "${tables[@]}"; do
    row "$table" kept "three indexes kept"
    row "$table" built "\`--defer-indexes\`"
  done
  echo
  for table in "${tables[@]}"; do
    kept=$(column "$table" kept '$4' | cut -d ' ' -f 1)
    built=$(column "$table" built '$4' | cut -d ' ' -f 1)
    printf '%s: %.2f times as fast with `--defer-indexes`.\n' "${table^}" "$(calculate "$kept / $built")"
  done
}

report() {
  cat <<TEXT
# $(date +%F): indexes kept while loading, or built at the end

$(describe_machine)
| input | $rows rows of \`cpu\`, $(stat -c %s "$work/cpu.csv") bytes, in the page cache |
| indexes | (time desc), (hostname, time desc), (usage_user, time desc) |
| runs | $rounds of each, in turns; TRUNCATE and CHECKPOINT before each; medians; $jobs workers |
| command | \`$(command_line --defer-indexes)\` |

$(result_table)

CPU seconds are those of client and server together. All runs left exactly the rows of the file, by count and checksum, and three
valid indexes.
TEXT
}

begin_runs "defer_indexes: rows $rows, jobs $jobs"
has_timescaledb || sql "create extension if not exists timescaledb with schema public" 2>/dev/null || true
if has_timescaledb; then default_tables=hypertable; else default_tables=plain; fi
read -ra tables <<<"${HYPERCOPY_BENCH_TABLES:-$default_tables}"
say "generating $rows rows of cpu"
"$hypercopy" generate cpu --rows "$rows" --seed 1 -o "$work/cpu.csv"
make_schema
sql "$(cpu_schema hypercopy_bench.reference)"
"$psql" -X -q -v ON_ERROR_STOP=1 -d "$dsn" -c "\\copy hypercopy_bench.reference from '$work/cpu.csv' csv"
expected=$(contents reference)
sql "drop table hypercopy_bench.reference"
for table in "${tables[@]}"; do make_table "$table" >&2; done
for ((round = 1; round <= rounds; round++)); do
  for table in "${tables[@]}"; do
    for how in kept built; do run_once "$table" "$how" "$round"; done
  done
done

results=$root/bench/results/$(date +%F)-defer-indexes
mkdir -p "${results%/*}"
report | tee "$results.md"
