#!/bin/bash
# The batch-size curve: `hypercopy load --wire auto` with each number of workers and each size of batch, in turns.
# Run it by ./dev bench --knee, or give a server of your own:
#   HYPERCOPY_BENCH_DSN       the server; schema hypercopy_bench in it is dropped and made new
#   HYPERCOPY_BENCH_ROWS      rows of `cpu` (default 700000: 122 MB)
#   HYPERCOPY_BENCH_ROUNDS    measured runs of each combination (default 3)
#   HYPERCOPY_BENCH_JOBS      numbers of workers (default "1 2 4 8")
#   HYPERCOPY_BENCH_BATCHES   sizes of batches (default "256KB 512KB 1MB 2MB 4MB 8MB 16MB 32MB")
#   HYPERCOPY_BENCH_TABLES    of plain, partitioned, indexed (default: all)
#   HYPERCOPY_BENCH_ATTEMPTS  how often a run that other programs disturbed is tried (default 3)
#   HYPERCOPY_BENCH_RUNS      a file for the measured runs; started again with it, the script does what is missing
# A run whose rows are not those of the file, by count or by content, has no time: it ends the script.
# The report goes to stdout and, with a chart, into bench/results/DATE-batch-size.{md,svg}.
# shellcheck disable=SC2016  # $1, $2, ... in single quotes are awk's columns
set -euo pipefail

# shellcheck source=bench/harness.sh
source "$(dirname "${BASH_SOURCE[0]}")/harness.sh"

rows=${HYPERCOPY_BENCH_ROWS:-700000}
rounds=${HYPERCOPY_BENCH_ROUNDS:-3}
attempts=${HYPERCOPY_BENCH_ATTEMPTS:-3}
[[ $rows$rounds$attempts =~ ^[0-9]+$ ]] || die "rows, rounds and attempts are numbers"
read -ra jobs <<<"${HYPERCOPY_BENCH_JOBS:-1 2 4 8}"
read -ra batches <<<"${HYPERCOPY_BENCH_BATCHES:-256KB 512KB 1MB 2MB 4MB 8MB 16MB 32MB}"
read -ra tables <<<"${HYPERCOPY_BENCH_TABLES:-plain partitioned indexed}"
csv=$work/cpu.csv

declare -A title=(
  [plain]="plain table"
  [partitioned]="table partitioned by the hour"
  [indexed]="table with two B-trees"
)
for table in "${tables[@]}"; do [[ -n ${title[$table]-} ]] || die "there is no table $table"; done

make_tables() {
  make_schema
  sql "$(cpu_schema hypercopy_bench.plain);
    $(cpu_schema hypercopy_bench.indexed);
    create index on hypercopy_bench.indexed (hostname, time);
    create index on hypercopy_bench.indexed (time)"
  make_partitioned partitioned "$csv"
}

load() {
  measured "$hypercopy" load -d "$dsn" -t "hypercopy_bench.$1" -j "$2" --batch-bytes "$3" --wire auto \
    --progress none "$csv"
}

run_once() {
  local table=$1 workers=$2 batch=$3 round=$4
  if has_run "$table" "$workers/$batch" "$round"; then return; fi
  undisturbed "$table" "$expected" "round $round, $table, $(workers_name "$workers"), $batch" load "$table" "$workers" "$batch"
  record "$table" "$workers/$batch" "$round" "$rows"
}

# Each round begins a third further on, so that none always follows the same.
run_round() {
  local round=$1 table workers batch turn combinations=()
  for workers in "${jobs[@]}"; do
    for batch in "${batches[@]}"; do combinations+=("$workers $batch"); done
  done
  for table in "${tables[@]}"; do
    for ((turn = 0; turn < ${#combinations[@]}; turn++)); do
      read -r workers batch <<<"${combinations[(turn + round * (${#combinations[@]} / 3 + 1)) % ${#combinations[@]}]}"
      run_once "$table" "$workers" "$batch" "$round"
    done
  done
}

workers_name() { if [[ $1 == 1 ]]; then echo "1 worker"; else echo "$1 workers"; fi; }

# rate TABLE WORKERS BATCH: median of rows per second.
rate() { column "$1" "$2/$3" '$10 / $4' | cut -d ' ' -f 1; }

kilobytes() { awk -v size="$1" 'BEGIN { print size * (size ~ /MB/ ? 1024 : size ~ /GB/ ? 1048576 : 1) }'; }

# curve TABLE WORKERS: lines of batch in KB, TAB, rows per second.
curve() {
  local batch
  for batch in "${batches[@]}"; do printf '%s\t%s\n' "$(kilobytes "$batch")" "$(rate "$1" "$2" "$batch")"; done
}

# The smallest batch that is within 3 % of the best one.
knee() {
  paste <(printf '%s\n' "${batches[@]}") <(curve "$1" "$2") |
    awk '{ name[NR] = $1; rate[NR] = $3; if ($3 > best) best = $3 }
      END { for (i = 1; i <= NR; i++) if (rate[i] >= 0.97 * best) { print name[i]; exit } }'
}

# cells TABLE BATCH: one per number of workers, in thousands of rows per second.
cells() {
  local workers
  for workers in "${jobs[@]}"; do printf ' %.0f |' "$(calculate "$(rate "$1" "$workers" "$2") / 1000")"; done
}

result_table() {
  local batch workers
  printf '| batch |'
  for workers in "${jobs[@]}"; do printf ' %s |' "$(workers_name "$workers")"; done
  printf '\n|---|'; printf -- '---|%.0s' "${jobs[@]}"; echo
  for batch in "${batches[@]}"; do printf '| %s |%s\n' "$batch" "$(cells "$1" "$batch")"; done
  printf '| smallest within 3 %% of the best |'
  for workers in "${jobs[@]}"; do printf ' %s |' "$(knee "$1" "$workers")"; done
  echo
}

result_sections() {
  local table
  for table in "${tables[@]}"; do
    printf '## %s\n\n' "${title[$table]^}"
    result_table "$table"
    echo
  done
}

# Blocks of lines, one per number of workers, each behind its name: gnuplot's "index".
draw_chart() {
  local table workers panels=()
  for table in "${tables[@]}"; do
    for workers in "${jobs[@]}"; do
      printf '"%s"\n' "$(workers_name "$workers")"
      curve "$table" "$workers"
      printf '\n\n'
    done >"$work/$table.panel"
    panels+=("$work/$table.panel" "${title[$table]}")
  done
  chart knee.gnuplot "$1" "${#jobs[@]}" "${panels[@]}"
}

disturbed() { awk -F '\t' 'NF > 1 && $9 > 10 { n++ } END { printf "%d of %d", n, NR - 1 }' "$runs"; }

report() {
  local chart_name
  chart_name=$(date +%F)-batch-size.svg
  cat <<TEXT
# $(date +%F): workers and batch sizes

$(describe_machine)
| input | $rows rows of \`cpu\`, $(stat -c %s "$csv") bytes, in the page cache |
| runs | $rounds of each combination, in turns; TRUNCATE and CHECKPOINT before each |
| command | \`$(command_line --knee)\` |

Thousands of rows per second, by \`hypercopy load --wire auto\`: medians over the runs. The default batch is 4MB.

$([[ ! -f $root/bench/results/$chart_name ]] || echo "![rows per second over the batch size]($chart_name)")

$(result_sections)

All runs left the same rows: after each, \`count|sum($row_hash)\` was \`$expected\`. In $(disturbed) runs other programs took
more than a tenth of the machine (attempts: $attempts); the last attempt counts.

The indexed table has B-trees on (hostname, time) and on (time), which are there while it is loaded. Client and server
share the cores. A file of few batches cannot keep many workers busy: it has
$(stat -c %s "$csv" | awk -v batch="$(numfmt --from=iec "${batches[-1]%B}")" '{ printf "%.1f", $1 / batch }') batches of ${batches[-1]}. Memory grows with workers x batch size: see the README.
TEXT
}

begin_runs "knee: rows $rows"
say "generating $rows rows of cpu"
"$hypercopy" generate cpu --rows "$rows" --seed 1 -o "$csv"
make_tables
"$psql" -X -q -v ON_ERROR_STOP=1 -d "$dsn" -c "\\copy hypercopy_bench.plain from '$csv' csv"
expected=$(contents plain)
[[ ${expected%%|*} == "$rows" ]] || die "psql loaded ${expected%%|*} rows of $rows"
for ((round = 1; round <= rounds; round++)); do run_round "$round"; done

results=$root/bench/results/$(date +%F)-batch-size
mkdir -p "${results%/*}"
draw_chart "$results.svg"
report | tee "$results.md"
