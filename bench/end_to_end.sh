#!/bin/bash
# Loads the same CSV into the same tables by psql, timescaledb-parallel-copy and hypercopy, in turns, and compares.
# Run it by ./dev bench --end-to-end, or give a server of your own:
#   HYPERCOPY_BENCH_DSN     the server; schema hypercopy_bench in it is dropped and made new
#   HYPERCOPY_BENCH_ROWS    rows of `cpu` (default 3000000: 522 MB)
#   HYPERCOPY_BENCH_ROUNDS  measured runs of each loader and table (default 5)
#   HYPERCOPY_BENCH_JOBS    workers of hypercopy and timescaledb-parallel-copy (default 2)
#   HYPERCOPY_BENCH_ATTEMPTS  how often a run that other programs disturbed is tried (default 5)
#   HYPERCOPY_BENCH_TABLES  of plain, partitioned, hypertable (default: all that the server has)
#   HYPERCOPY_PEER          timescaledb-parallel-copy, when it is not in PATH (the Go program, not hypercopy's link)
# A run whose rows differ from what psql loads, by count or by content, has no time: it ends the script.
# The table goes to stdout and, with the machine, into bench/results/DATE-load-csv.md.
# shellcheck disable=SC2016  # $1, $2, ... in single quotes are awk's columns
set -euo pipefail

# shellcheck source=bench/harness.sh
source "$(dirname "${BASH_SOURCE[0]}")/harness.sh"

rows=${HYPERCOPY_BENCH_ROWS:-3000000}
rounds=${HYPERCOPY_BENCH_ROUNDS:-5}
jobs=${HYPERCOPY_BENCH_JOBS:-2}
attempts=${HYPERCOPY_BENCH_ATTEMPTS:-5}
peer=${HYPERCOPY_PEER:-$(command -v timescaledb-parallel-copy || true)}
[[ $rows$rounds$jobs$attempts =~ ^[0-9]+$ ]] || die "rows, rounds, jobs and attempts are numbers"
csv=$work/cpu.csv
runs=$work/runs.tsv

# hypercopy twice: with the input as it is (targets below are about this one), and as it loads unless told otherwise.
loaders=("psql \\copy" "hypercopy -j$jobs --wire csv" "hypercopy -j$jobs --wire auto")
if [[ -n $peer ]]; then
  loaders+=("timescaledb-parallel-copy -workers $jobs -batch-size 5000"
    "timescaledb-parallel-copy -workers $jobs -batch-size 20000")
else
  say "timescaledb-parallel-copy is not in PATH, and HYPERCOPY_PEER is not set: it is left out"
fi

make_tables() {
  local hour
  sql "drop schema if exists hypercopy_bench cascade; create schema hypercopy_bench;
    $(cpu_schema hypercopy_bench.plain);
    $(cpu_schema hypercopy_bench.partitioned) partition by range (time)"
  cut -c 1-13 "$csv" | uniq | while read -r hour; do
    printf "create table hypercopy_bench.\"p_%s\" partition of hypercopy_bench.partitioned for values
      from ('%s:00+00') to (timestamptz '%s:00+00' + interval '1 hour');\n" "$hour" "$hour" "$hour"
  done | "$psql" -X -q -v ON_ERROR_STOP=1 -1 -d "$dsn" -f -
  has_timescaledb || return 0
  sql "$(cpu_schema hypercopy_bench.hypertable);
    select from create_hypertable('hypercopy_bench.hypertable', 'time', chunk_time_interval => interval '1 hour')"
}

# load TABLE LOADER: one measured run.
load() {
  local table=$1 loader=$2
  case $loader in
    psql*) measured "$psql" -X -d "$dsn" -c "\\copy hypercopy_bench.$table from '$csv' csv" ;;
    hypercopy*) measured "$hypercopy" load -d "$dsn" -t "hypercopy_bench.$table" -j "$jobs" --wire "${loader##* }" \
      --progress none "$csv" ;;
    timescaledb*) measured "$peer" -connection "$dsn" -schema hypercopy_bench -table "$table" -file "$csv" \
      -workers "$jobs" -batch-size "${loader##* }" ;;
  esac
}

# Count and content, whatever the order of the rows.
contents() {
  sql "select count(*), coalesce(sum(hashtextextended(t::text, 0)), 0) from hypercopy_bench.$1 t" | tail -n 1
}

empty_table() { sql "truncate hypercopy_bench.$1" && sql checkpoint; }

# A run during which others took more than a tenth of the machine is repeated, whatever its time; when all attempts
# were disturbed, the last one counts, and the report shows it.
run_once() {
  local table=$1 loader=$2 round=$3 attempt found
  for ((attempt = 1; attempt <= attempts; attempt++)); do
    empty_table "$table"
    wait_for_quiet 60
    load "$table" "$loader"
    say "round $round, $table, $loader: $wall s, client CPU $client_user + $client_system s," \
      "server CPU $server_seconds s, others $foreign_percent %"
    found=$(contents "$table")
    [[ $found == "$expected" ]] || die "$loader loaded $found (rows|checksum) into $table, expected $expected"
    [[ $foreign_percent -gt 10 ]] || break
  done
  printf '%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n' "$table" "$loader" "$wall" "$client_user" "$client_system" \
    "$client_rss_kb" "$server_seconds" "$foreign_percent" >>"$runs"
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

# column TABLE LOADER AWK_EXPRESSION: "median min max" of it over the rounds.
column() {
  awk -F '\t' -v table="$1" -v loader="${2//\\/\\\\}" "\$1 == table && \$2 == loader { print $3 }" "$runs" | sort -g |
    awk '{ value[NR] = $1 } END { h = int((NR + 1) / 2); m = NR % 2 ? value[h] : (value[h] + value[h + 1]) / 2
      printf "%.3f %.3f %.3f", m, value[1], value[NR] }'
}

result_rows() {
  local table loader median least most psql_median client psql_client server rss others
  for table in "${tables[@]}"; do
    read -r psql_median _ _ <<<"$(column "$table" "${loaders[0]}" '$3')"
    read -r psql_client _ _ <<<"$(column "$table" "${loaders[0]}" '$4 + $5')"
    for loader in "${loaders[@]}"; do
      read -r median least most <<<"$(column "$table" "$loader" '$3')"
      read -r client _ _ <<<"$(column "$table" "$loader" '$4 + $5')"
      read -r rss _ _ <<<"$(column "$table" "$loader" '$6 / 1000')"
      read -r server _ _ <<<"$(column "$table" "$loader" '$7')"
      read -r _ _ others <<<"$(column "$table" "$loader" '$8')"
      awk -v table="$table" -v loader="${loader//\\/\\\\}" -v m="$median" -v least="$least" -v most="$most" \
        -v psql="$psql_median" -v client="$client" -v psql_client="$psql_client" -v server="$server" -v rss="$rss" -v others="$others" 'BEGIN {
          printf "| %s | `%s` | %.2f (%.2f..%.2f) | %.2f | %.2f (%.2f) | %.0f | %.2f | %.0f |\n", table, loader, m,
            least, most, m / psql, client, client / psql_client, rss, server, others }'
    done
  done
}

# target NAME VALUE LIMIT
target() {
  awk -v name="$1" -v value="$2" -v limit="$3" 'BEGIN {
    printf "| %s | at most %.2f | %.2f | %s |\n", name, limit, value, value <= limit ? "met" : "missed" }'
}

# What the project promises for the default size and two workers on two cores.
targets() {
  local table limit mine theirs client
  local -A limits=([plain]=0.70 [hypertable]=0.58)
  [[ " ${tables[*]} " == *" hypertable "* ]] || limits[partitioned]=0.58
  echo "| target | wanted | measured | |"
  echo "|---|---|---|---|"
  for table in "${tables[@]}"; do
    limit=${limits[$table]-}
    read -r mine _ _ <<<"$(column "$table" "${loaders[1]}" '$3')"
    read -r theirs _ _ <<<"$(column "$table" "${loaders[0]}" '$3')"
    read -r client _ _ <<<"$(column "$table" "${loaders[1]}" '$4 + $5')"
    [[ -z $limit ]] ||
      target "$table, CSV as it is: wall time, of that of \`psql \\\\copy\`" "$(awk -v a="$mine" -v b="$theirs" 'BEGIN { print a / b }')" "$limit"
    read -r mine _ _ <<<"$(column "$table" "${loaders[2]}" '$3')"
    [[ -z $limit ]] ||
      target "$table: wall time, of that of \`psql \\\\copy\`" "$(awk -v a="$mine" -v b="$theirs" 'BEGIN { print a / b }')" "$limit"
    target "$table, CSV as it is: client CPU (user + system), s" "$client" 1.0
  done
}

report() {
  cat <<TEXT
# $(date +%F): loading CSV, end to end

$(describe_machine)
| input | $rows rows of \`cpu\`, $bytes bytes, in the page cache |
| runs | $rounds of each, in turns; TRUNCATE and CHECKPOINT before each |
| command | \`$command\` |

| table | loader | wall s: median (min..max) | of psql | client CPU s (of psql) | client peak RSS MB | server CPU s | others, % at most |
|---|---|---|---|---|---|---|---|
$(result_rows)

All runs left the same rows: \`count|sum(hashtextextended(t::text, 0))\` = \`$expected\`. Client CPU is user + system of
the loader's process, server CPU that of all server processes; numbers are medians over the rounds, but for
"others": the largest share of the machine's CPU time that other programs took during one of these runs.

## Targets

$(targets)

Handicaps: client and server share the cores, so a client's CPU time is taken from the server. Data files and WAL lie
on one disk. One data set; rows in time order. Chunks of the hypertable are made during each load, partitions before.
TEXT
}

postmaster=
find_postmaster
say "generating $rows rows of cpu"
"$hypercopy" generate cpu --rows "$rows" --seed 1 -o "$csv"
bytes=$(stat -c %s "$csv")
make_tables
read -ra tables <<<"${HYPERCOPY_BENCH_TABLES:-plain partitioned $(has_timescaledb && echo hypertable)}"
has_timescaledb || say "no hypertable: the server has no TimescaleDB"
command="HYPERCOPY_BENCH_ROWS=$rows HYPERCOPY_BENCH_ROUNDS=$rounds HYPERCOPY_BENCH_JOBS=$jobs ./dev bench --end-to-end"

load plain "${loaders[0]}"  # not counted: what psql loads is what is right, and the first run warms up
expected=$(contents plain)
[[ ${expected%%|*} == "$rows" ]] || die "psql loaded ${expected%%|*} rows of $rows"

for ((round = 1; round <= rounds; round++)); do run_round "$round"; done
sql "drop schema hypercopy_bench cascade"
mkdir -p "$root/bench/results"
report | tee "$root/bench/results/$(date +%F)-load-csv.md"
