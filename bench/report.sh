# The report of compare.sh: a table per target table, the targets, a chart. Sourced, not run; expects harness.sh and
# loaders.sh, and tables, loaders, left_out, expected.
# shellcheck shell=bash disable=SC2016,SC2154
# SC2016: $1, $2, ... in single quotes are awk's columns

# wall TABLE LOADER: the median; rate: rows per second by it. Nothing where it did not run.
wall() { column "$1" "$2" '$4' | cut -d ' ' -f 1; }
rate() { column "$1" "$2" '$10 / $4' | cut -d ' ' -f 1; }
client_cpu() { column "$1" "$2" '$5 + $6' | cut -d ' ' -f 1; }

# times TABLE LOADER OTHER: how many times OTHER's rows per second; nothing where one of them did not run.
times() {
  local mine theirs
  mine=$(rate "$1" "$2") theirs=$(rate "$1" "$3")
  [[ -z $mine || -z $theirs ]] || calculate "$mine / $theirs"
}

# by_speed TABLE: the loaders, the fastest first.
by_speed() {
  local name
  for name in "${loaders[@]}"; do printf '%s %s\n' "$(rate "$1" "$name")" "$name"; done |
    awk 'NF == 2' | sort -rg | cut -d ' ' -f 2
}

# result_row TABLE LOADER
result_row() {
  local median least most count server rss others psql
  read -r median least most count <<<"$(column "$1" "$2" '$4')"
  read -r rss _ <<<"$(column "$1" "$2" '$7 / 1000')"
  read -r server _ <<<"$(column "$1" "$2" '$8')"
  read -r _ _ others _ <<<"$(column "$1" "$2" '$9')"
  psql=$(times "$1" "$2" psql)
  printf '| `%s`%s | %d | %.2f (%.2f..%.2f) | %.0f | %s | %.2f | %.2f | %.0f | %.0f |\n' "${label[$2]}" \
    "$([[ $2 != pgloader ]] || echo ", $slow_rows rows")" "$count" "$median" "$least" "$most" "$(rate "$1" "$2")" \
    "$([[ -z $psql ]] && echo - || printf '%.2f' "$psql")" "$(client_cpu "$1" "$2")" "$server" "$rss" "$others"
}

# The same parts with the time that cutting them took.
split_row() {
  local split load
  split=$(wall split split_psql) load=$(wall "$1" split_psql)
  [[ -n $split && -n $load ]] || return 0
  awk -v split_s="$split" -v load="$load" -v rows="$rows" -v psql="$(wall "$1" psql)" 'BEGIN {
    printf "| the same with the split (%.2f s) before it | | %.2f | %.0f | %s | | | | |\n", split_s, load + split_s,
      rows / (load + split_s), psql == "" ? "-" : sprintf("%.2f", psql / (load + split_s)) }'
}

result_table() {
  local name
  echo "| loader | runs | wall s: median (min..max) | rows/s | x psql | client CPU s | server CPU s | client peak RSS MB | others, % at most |"
  echo "|---|---|---|---|---|---|---|---|---|"
  while read -r name; do
    result_row "$1" "$name"
    if [[ $name == split_psql ]]; then split_row "$1"; fi
  done < <(by_speed "$1")
}

# target NAME most|least LIMIT VALUE: a line, where the value is known.
target() {
  [[ -n $4 ]] || return 0
  awk -v name="$1" -v sense="$2" -v limit="$3" -v value="$4" 'BEGIN {
    met = sense == "most" ? value <= limit : value >= limit
    printf "| %s | at %s %.2f | %.2f | %s |\n", name, sense, limit, value, met ? "met" : "missed" }'
}

# What the project promises for 3 million rows, two workers and two cores shared with the server.
# targets_of TABLE: CSV as it is, of psql's wall time; rows/s of psql's; rows/s of the peer's.
targets_of() {
  local table=$1 csv_limit=$2 psql_least=$3 peer_least=$4 inverse floor
  target "$table: rows/s of \`hypercopy load\`, times \`psql \\\\copy\`" least "$psql_least" \
    "$(times "$table" hypercopy psql)"
  target "$table: rows/s of \`hypercopy load\`, times timescaledb-parallel-copy" least "$peer_least" \
    "$(times "$table" hypercopy peer)"
  floor=$(times "$table" floor hypercopy)
  target "$table: wall time of \`hypercopy load\`, of the bare loop's" most 1.15 "$floor"
  target "$table: client CPU of \`hypercopy load\`, s" most 2.0 "$(client_cpu "$table" hypercopy)"
  inverse=$(times "$table" psql hypercopy_csv)
  target "$table: wall time of \`hypercopy load --wire csv\`, of \`psql \\\\copy\`" most "$csv_limit" "$inverse"
  target "$table: client CPU of \`hypercopy load --wire csv\`, s" most 1.0 "$(client_cpu "$table" hypercopy_csv)"
}

# The partitioned table stands in for the hypertable where the server has none.
targets() {
  local table
  echo "| target | wanted | measured | |"
  echo "|---|---|---|---|"
  for table in "${tables[@]}"; do
    case $table in
      plain) targets_of plain 0.70 3.0 2.0 ;;
      hypertable) targets_of hypertable 0.58 2.8 1.8 ;;
      partitioned)
        [[ " ${tables[*]} " == *" hypertable "* ]] || targets_of partitioned 0.58 2.8 1.8 ;;
    esac
  done
}

# chart_data TABLE: a line per bar, TAB between: label, rows/s, times psql, whether it is hypercopy (2), another
# loader (1), or what is no loader of a client's CSV (0). gnuplot halves backslashes twice.
chart_data() {
  local name kind
  while read -r name; do
    case $name in hypercopy*) kind=2 ;; floor | server*) kind=0 ;; *) kind=1 ;; esac
    printf '%s\t%s\t%s\t%s\n' "${label[$name]//\\/\\\\\\\\}" "$(rate "$1" "$name")" "$(times "$1" "$name" psql)" "$kind"
  done < <(by_speed "$1")
}

# draw_chart FILE
draw_chart() {
  local table panels=()
  for table in "${tables[@]}"; do
    chart_data "$table" >"$work/$table.panel"
    panels+=("$work/$table.panel" "$(table_title "$table")")
  done
  chart compare.gnuplot "$1" \
    "$(thousands "$rows") rows, $jobs workers; grey: what loads no CSV from a client" "${panels[@]}"
}

table_title() {
  case $1 in
    plain) echo "plain table" ;;
    partitioned) echo "table partitioned by the hour" ;;
    hypertable) echo "hypertable with its default time index" ;;
  esac
}

thousands() { sed -E ':a; s/([0-9])([0-9]{3})($|,)/\1,\2\3/; ta' <<<"$1"; }

result_sections() {
  local table title
  for table in "${tables[@]}"; do
    title=$(table_title "$table")
    printf '## %s\n\n' "${title^}"
    result_table "$table"
    echo
  done
}

left_out_lines() { [[ ${#left_out[@]} -eq 0 ]] || printf '\n\nLeft out: %s.' "${left_out[@]}"; }

report() {
  local chart_name
  chart_name=$(date +%F)-compare.svg
  cat <<TEXT
# $(date +%F): loaders compared

$(describe_machine)
| input | $rows rows of \`cpu\`, $(stat -c %s "$csv") bytes, in the page cache |
| runs | $rounds of each, in turns, the first one another in each round; TRUNCATE and CHECKPOINT before each |
| pgloader | $(pgloader --version 2>/dev/null | head -n 1 || true) |
| command | \`$(command_line --compare)\` |

$([[ ! -f $root/bench/results/$chart_name ]] || echo "![rows per second of each loader]($chart_name)")

$(result_sections)$(left_out_lines)

All runs left the same rows: after each, \`count|sum($row_hash)\` was \`$expected\`$([[ " ${loaders[*]} " != *" pgloader "* ]] ||
  echo " (pgloader, which loads the first $slow_rows rows in $slow_rounds round(s) because it is slow: \`$slow_expected\`)").
Rows per second, CPU and memory are medians over the runs; "others" is the largest share of the machine's CPU time that
other programs took during one of them. Client CPU is user + system of the loader's processes, server CPU that of all server
processes. Peak RSS is that of the largest process, where a loader has several.

- \`psql \\copy\` and the server's own COPY FROM file use one process of the server.
- The split file: cut before the clock starts; what cutting took is in the row below it.
- timescaledb-parallel-copy has its own default batch size (5,000 rows) unless it is named; pgloader its own defaults.
- The server's own COPY FROM file and the bare loop are floors: no client reads, sends or parses CSV there. The bare loop
  sends one file per transaction, written beforehand by COPY TO, of as many rows as 4 MB of CSV have.

## Targets

They are for 3,000,000 rows and two workers, on two cores that client and server share.

$(targets)

Handicaps: client and server share the cores, so a client's CPU time is taken from the server. Data files and WAL lie
on one disk. One data set; rows in time order. Chunks of a hypertable are made during each load, partitions before.
TEXT
}
