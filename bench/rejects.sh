#!/bin/bash
# What bad rows cost: the clean file and the same file with one bad record per 10,000, loaded with --on-error reject, in turns.
# Run it by ./dev bench --rejects, or give a server of your own:
#   HYPERCOPY_BENCH_DSN       the server; schema hypercopy_bench in it is dropped and made new
#   HYPERCOPY_BENCH_ROWS      rows of `cpu` (default 1000000: 174 MB)
#   HYPERCOPY_BENCH_ROUNDS    measured runs of each (default 5)
#   HYPERCOPY_BENCH_JOBS      workers (default 2)
#   HYPERCOPY_BENCH_DISTANCE  records from one bad one to the next (default 10000)
#   HYPERCOPY_BENCH_TABLES    of plain, hypertable (default: both, where the server has TimescaleDB)
#   HYPERCOPY_BENCH_ATTEMPTS  how often a run that other programs disturbed is tried (default 3)
#   HYPERCOPY_BENCH_RUNS      a file for the measured runs; started again with it, the script does what is missing
# A run whose rows are not those of the good records, by count or by content, has no time: it ends the script.
# The report goes to stdout and into bench/results/DATE-rejects.md.
# shellcheck disable=SC2016  # $1, $2, ... in single quotes are awk's columns
set -euo pipefail

# shellcheck source=bench/harness.sh
source "$(dirname "${BASH_SOURCE[0]}")/harness.sh"

rows=${HYPERCOPY_BENCH_ROWS:-1000000}
rounds=${HYPERCOPY_BENCH_ROUNDS:-5}
jobs=${HYPERCOPY_BENCH_JOBS:-2}
distance=${HYPERCOPY_BENCH_DISTANCE:-10000}
attempts=${HYPERCOPY_BENCH_ATTEMPTS:-3}
[[ $rows$rounds$jobs$distance$attempts =~ ^[0-9]+$ ]] || die "rows, rounds, jobs, distance and attempts are numbers"
inputs=(stop clean type check unique)
declare -A title=(
  [stop]="clean file, \`--on-error stop\`"
  [clean]="clean file, \`--on-error reject\`"
  [type]="a word where a number should be"
  [check]="a value that a CHECK refuses"
  [unique]="a key that is there already"
)
declare -A expected

make_inputs() {
  say "generating $rows rows of cpu"
  "$hypercopy" generate cpu --rows "$rows" --seed 1 -o "$work/clean"
  cp "$work/clean" "$work/stop"
  local bad='NR % every == int(every / 2)'
  awk -F, -v OFS=, -v every="$distance" "$bad { \$4 = \"x\" } { print }" "$work/clean" >"$work/type"
  awk -F, -v OFS=, -v every="$distance" "$bad { \$2 = -1 } { print }" "$work/clean" >"$work/check"
  awk -v every="$distance" "$bad { print before; next } { before = \$0; print }" "$work/clean" >"$work/unique"
  awk -v every="$distance" "!($bad)" "$work/clean" >"$work/good"
}

# The CHECK costs every loader the same; the unique index is where it is needed.
make_table() {
  sql "$(cpu_schema "hypercopy_bench.$1"); alter table hypercopy_bench.$1 add check (tags_id >= 0)"
  [[ $2 == plain ]] || sql "select public.create_hypertable('hypercopy_bench.$1', 'time',
    chunk_time_interval => interval '1 hour', create_default_indexes => false)"
  case $1 in
    *_unique) sql "create unique index on hypercopy_bench.$1 (time, tags_id)" ;;
    hypertable) sql "create index on hypercopy_bench.$1 (time desc)" ;;
  esac
}

make_tables() {
  local table
  make_schema
  for table in "${tables[@]}"; do
    make_table "$table" "$table" >&2
    make_table "${table}_unique" "$table" >&2
  done
}

load() {
  local how=reject
  [[ $2 != stop ]] || how=stop
  rm -f "$work"/rejected*
  local command=("$hypercopy" load -d "$dsn" -t "hypercopy_bench.$1" -j "$jobs" --progress none --on-error "$how")
  [[ $how == stop ]] || command+=(--reject-file "$work/rejected")
  measured bash -c '"$@" || [[ $? -eq 3 ]]' load "${command[@]}" "$work/$2"
}

run_once() {
  local table=$1 input=$2 round=$3 good=good
  if has_run "$table" "$input" "$round"; then return; fi
  [[ $input != stop && $input != clean ]] || good=clean
  undisturbed "$table" "${expected[$good]}" "round $round, $table, $input" load "$table" "$input"
  record "$table" "$input" "$round" "$rows"
}

run_round() {
  local round=$1 table turn input
  for table in "${tables[@]}"; do
    for ((turn = 0; turn < 4; turn++)); do
      input=${inputs[(turn + round) % 4]}
      run_once "$table" "$input" "$round"
    done
    for input in clean unique; do run_once "${table}_unique" "$input" "$round"; done
  done
}

seconds_of() { column "$1" "$2" '$4'; }

row() {
  local table=$1 input=$2 base=$3 median least most
  read -r median least most _ <<<"$(seconds_of "$table" "$input")"
  printf '| %s | %.2f | %.2f to %.2f | %.2f | %.2f |\n' "${title[$input]}" "$median" "$least" "$most" \
    "$(column "$table" "$input" '$5 + $6 + $8' | cut -d ' ' -f 1)" \
    "$(calculate "$median / $(seconds_of "$table" "$base" | cut -d ' ' -f 1)")"
}

result_tables() {
  local table
  for table in "${tables[@]}"; do
    printf '## %s\n\n| input | s | least to most | CPU s | to the clean run |\n|---|---|---|---|---|\n' "${table^}"
    for input in stop clean type check; do row "$table" "$input" clean; done
    printf '\nWith a unique index:\n\n| input | s | least to most | CPU s | to the clean run |\n|---|---|---|---|---|\n'
    for input in clean unique; do row "${table}_unique" "$input" clean; done
    echo
  done
}

report() {
  cat <<TEXT
# $(date +%F): what bad rows cost

$(describe_machine)
| input | $rows rows of \`cpu\`, $(stat -c %s "$work/clean") bytes, in the page cache; one bad record per $distance |
| runs | $rounds of each, in turns; TRUNCATE and CHECKPOINT before each; medians; $jobs workers |
| command | \`$(command_line --rejects)\` |

$(result_tables)

CPU seconds are those of client and server together. All runs left exactly the good rows, by count and checksum.
TEXT
}

read -ra tables <<<"${HYPERCOPY_BENCH_TABLES:-plain hypertable}"
begin_runs "rejects: rows $rows, distance $distance, jobs $jobs"
if [[ "${tables[*]}" == *hypertable* ]]; then
  if [[ $(sql "select count(*) from pg_available_extensions where name = 'timescaledb'") == 1 ]]; then
    sql "create extension if not exists timescaledb with schema public"
  else
    say "no hypertable: the server has no TimescaleDB"
    tables=(plain)
  fi
fi
make_inputs
make_tables
for input in clean good; do
  sql "truncate hypercopy_bench.plain"
  "$psql" -X -q -v ON_ERROR_STOP=1 -d "$dsn" -c "\\copy hypercopy_bench.plain from '$work/$input' csv"
  expected[$input]=$(contents plain)
done
for ((round = 1; round <= rounds; round++)); do run_round "$round"; done

results=$root/bench/results/$(date +%F)-rejects
mkdir -p "${results%/*}"
report | tee "$results.md"
