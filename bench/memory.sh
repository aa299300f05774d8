#!/bin/bash
# Peak resident memory of `hypercopy load` for a small and a large input, from a pipe and from a file.
# Run it by ./dev bench --memory, or give a server of your own:
#   HYPERCOPY_BENCH_DSN    the server; schema hypercopy_bench in it is dropped and made new
#   HYPERCOPY_BENCH_SMALL  rows of the small input (default 575000: 100 MB)
#   HYPERCOPY_BENCH_LARGE  rows of the large input (default 28800000: 5 GB)
# The table goes to stdout and, with the machine, into bench/results/DATE-memory.md. It needs room for the large
# input and its table in TMPDIR.
set -euo pipefail

# shellcheck source=bench/harness.sh
source "$(dirname "${BASH_SOURCE[0]}")/harness.sh"

small=${HYPERCOPY_BENCH_SMALL:-575000}
large=${HYPERCOPY_BENCH_LARGE:-28800000}
batch_kb=4096
put_kb=256
csv=$work/cpu.csv
results=$work/results

# limit_kb JOBS: 64 MB, and (1 + queue slots + workers) batches, and what libpq may buffer per worker.
limit_kb() { echo $((64 * 1024 + (1 + $1 + $1) * batch_kb + $1 * 2 * put_kb)); }

# The process that `measured` runs reads the pipe, so that the generator's memory does not count.
load_pipe() {
  local jobs=$1 rows=$2
  mkfifo "$work/pipe"
  "$hypercopy" generate cpu --rows "$rows" --seed 1 >"$work/pipe" &
  measured "$hypercopy" load -d "$dsn" -t hypercopy_bench.memory -j "$jobs" --progress none "$work/pipe"
  wait $!
  rm "$work/pipe"
}

load_file() { measured "$hypercopy" load -d "$dsn" -t hypercopy_bench.memory -j "$1" --progress none "$csv"; }

# run_once FROM JOBS ROWS
run_once() {
  local from=$1 jobs=$2 rows=$3 found limit verdict=met
  sql "truncate hypercopy_bench.memory" && sql checkpoint
  "load_$from" "$jobs" "$rows"
  found=$(sql "select count(*) from hypercopy_bench.memory")
  [[ $found == "$rows" ]] || die "$found rows are in the table, expected $rows"
  limit=$(limit_kb "$jobs")
  [[ $client_rss_kb -le $limit ]] || verdict=missed
  printf '| %s | %s | %s | %s | %s | %s | %s | %s |\n' "$from" "$jobs" "$rows" "$bytes" "$client_rss_kb" "$limit" \
    "$verdict" "$wall" | tee -a "$results" >&2
}

report() {
  cat <<TEXT
# $(date +%F): peak memory

$(describe_machine)
| input | rows of \`cpu\`, generated into a pipe or a file |
| target | UNLOGGED table without index |
| command | \`HYPERCOPY_BENCH_SMALL=$small HYPERCOPY_BENCH_LARGE=$large ./dev bench --memory\` |

| from | workers | rows | bytes | peak RSS kB | limit kB | | wall s |
|---|---|---|---|---|---|---|---|
$(cat "$results")

Limit: 64 MB + (1 + queue slots + workers) x 4 MB batches + workers x 2 x 256 KB puts; there is one queue slot per
worker. Peak RSS is the kernel's (getrusage, ru_maxrss) and has shared libraries in it. One run each; the rows were
counted afterwards.
TEXT
}

make_schema
sql "$(cpu_schema hypercopy_bench.memory); alter table hypercopy_bench.memory set unlogged"
for rows in "$small" "$large"; do
  "$hypercopy" generate cpu --rows "$rows" --seed 1 -o "$csv"
  bytes=$(stat -c %s "$csv")
  run_once file 2 "$rows"
  rm "$csv"
  run_once pipe 2 "$rows"
done
"$hypercopy" generate cpu --rows "$small" --seed 1 -o "$csv"
bytes=$(stat -c %s "$csv")
run_once file 8 "$small"
mkdir -p "$root/bench/results"
report | tee "$root/bench/results/$(date +%F)-memory.md"
