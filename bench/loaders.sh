# The loaders that compare.sh runs. Sourced, not run; expects harness.sh, and csv, jobs, rows, rounds, slow_rows.
# A loader NAME has label[NAME] and load_NAME TABLE (one measured run into hypercopy_bench.TABLE), and may have
#   find_NAME     says whether it can run here, with the reason in `why` when not
#   prepare_NAME  what must be there before the clock starts; called once, when table `plain` has all rows
# shellcheck shell=bash disable=SC2034,SC2154,SC2317

peer_version=0.13.0
peer_module=github.com/timescale/timescaledb-parallel-copy/cmd/timescaledb-parallel-copy
floor_binary=$root/build/release/bench/floor_binary
# hypercopy's batches, so that the bare loop has transactions of the same size.
batch_bytes=$((4 * 1024 * 1024))

all_loaders=(psql split_psql peer peer_20000 pgloader server_csv server_binary floor hypercopy hypercopy_csv)
default_loaders=(psql split_psql peer pgloader server_csv server_binary floor hypercopy hypercopy_csv)
declare -A label=(
  [psql]="psql \\copy"
  [split_psql]="$jobs x psql \\copy of a split file"
  [peer]="timescaledb-parallel-copy -workers $jobs"
  [peer_20000]="timescaledb-parallel-copy -workers $jobs -batch-size 20000"
  [pgloader]="pgloader"
  [server_csv]="server's own COPY FROM file, CSV"
  [server_binary]="server's own COPY FROM file, binary"
  [floor]="bare loop, $jobs connections, rows already binary"
  [hypercopy]="hypercopy load -j $jobs"
  [hypercopy_csv]="hypercopy load -j $jobs --wire csv"
)

has_function() { declare -F "$1" >/dev/null; }

# psql: the yardstick.
load_psql() { measured "$psql" -X -d "$dsn" -c "\\copy hypercopy_bench.$1 from '$csv' csv"; }

# As many psql as workers, each with its part. The split is measured apart, as runs of "split". It fits this file, which
# has no newlines in quotes.
prepare_split_psql() {
  local round
  for ((round = 1; round <= rounds; round++)); do
    measured split -n "l/$jobs" "$csv" "$work/part."
    has_run split split_psql "$round" || record split split_psql "$round" "$rows"
  done
  printf '%s\0' "$work"/part.* >"$work/parts"
}
load_split_psql() {
  measured xargs -0 -a "$work/parts" -P "$jobs" -I '{}' \
    "$psql" -X -v ON_ERROR_STOP=1 -d "$dsn" -c "\\copy hypercopy_bench.$1 from '{}' csv"
}

# timescaledb-parallel-copy, with its own default batch size (5,000 rows), and with larger ones.
find_peer() {
  peer=${HYPERCOPY_PEER:-$(command -v timescaledb-parallel-copy || true)}
  # An installed hypercopy has a link of that name.
  [[ -z $peer || $("$peer" -version 2>&1) != *hypercopy* ]] || peer=
  [[ -n $peer ]] || install_peer || return
  [[ $("$peer" -version 2>&1) == *"v$peer_version"* ]] || {
    why="$peer is not version $peer_version"
    return 1
  }
}
install_peer() {
  command -v go >/dev/null || {
    why="timescaledb-parallel-copy is not in PATH, HYPERCOPY_PEER is not set, and there is no Go to install it"
    return 1
  }
  say "installing timescaledb-parallel-copy v$peer_version by go install"
  GOBIN=$work timeout 300 go install "$peer_module@v$peer_version" >"$work/output" 2>&1 </dev/null || {
    why="go install $peer_module@v$peer_version failed: $(tail -n 1 "$work/output" | tr -s '[:blank:]' ' ')"
    return 1
  }
  peer=$work/timescaledb-parallel-copy
}
find_peer_20000() { find_peer; }
load_peer() {
  measured "$peer" -connection "$dsn" -schema hypercopy_bench -table "$1" -file "$csv" -workers "$jobs" "${@:2}"
}
load_peer_20000() { load_peer "$1" -batch-size 20000; }

# pgloader with its own defaults. It is slow: few rows, few rounds (see compare.sh).
find_pgloader() {
  command -v pgloader >/dev/null && return
  why="pgloader is not installed (Debian package: pgloader)"
  return 1
}
prepare_pgloader() {
  head -n "$slow_rows" "$csv" >"$work/slow.csv"
  sql "truncate hypercopy_bench.plain"
  "$psql" -X -q -v ON_ERROR_STOP=1 -d "$dsn" -c "\\copy hypercopy_bench.plain from '$work/slow.csv' csv"
  slow_expected=$(contents plain)
  # It takes no connection string as libpq does, but the variables.
  read -r pg_host pg_port pg_user pg_database < <("$psql" -X -q -d "$dsn" -f - <<<'\echo :HOST :PORT :USER :DBNAME')
}
load_pgloader() {
  cat >"$work/pgloader.load" <<TEXT
LOAD CSV FROM '$work/slow.csv' INTO postgresql:///$pg_database TARGET TABLE hypercopy_bench.$1
  WITH fields terminated by ',', fields optionally enclosed by '"';
TEXT
  measured env PGHOST="$pg_host" PGPORT="$pg_port" PGUSER="$pg_user" PGDATABASE="$pg_database" \
    pgloader --root-dir "$work/pgloader" "$work/pgloader.load"
}

# COPY FROM file: no client at all, one process of the server.
find_server_csv() {
  echo $RANDOM$RANDOM$RANDOM >"$work/token"
  [[ $(sql "select pg_read_file('$work/token')" 2>/dev/null) == "$(<"$work/token")" ]] && return
  why="the server cannot read files of $work (another machine, a user without the right, or folders closed to it)"
  return 1
}
load_server_csv() { measured "$psql" -X -d "$dsn" -c "copy hypercopy_bench.$1 from '$csv' csv"; }
find_server_binary() { find_server_csv; }
prepare_server_binary() { sql "\\copy hypercopy_bench.plain to '$work/cpu.binary' (format binary)"; }
load_server_binary() {
  measured "$psql" -X -d "$dsn" -c "copy hypercopy_bench.$1 from '$work/cpu.binary' (format binary)"
}

# The bare loop: floor_binary.cpp. One file per batch, cut by the pages of table `plain`.
find_floor() {
  [[ -x $floor_binary ]] && return
  why="there is no $floor_binary; ./dev build makes it"
  return 1
}
prepare_floor() {
  local pages batches first step batch=0
  pages=$(sql "select pg_relation_size('hypercopy_bench.plain') / current_setting('block_size')::int")
  batches=$((($(stat -c %s "$csv") + batch_bytes - 1) / batch_bytes))
  step=$(((pages + batches - 1) / batches))
  mkdir "$work/batches"
  for ((first = 0; first < pages; first += step, ++batch)); do
    printf "\\\\copy (select * from hypercopy_bench.plain where ctid >= '(%d,0)' and ctid < '(%d,0)') to '%s/%05d' (format binary)\n" \
      "$first" $((first + step)) "$work/batches" "$batch"
  done | "$psql" -X -q -v ON_ERROR_STOP=1 -d "$dsn" -f -
}
load_floor() { measured "$floor_binary" "$dsn" "hypercopy_bench.$1" "$jobs" "$work"/batches/*; }

# As it loads unless told otherwise, and with the input sent as it is.
load_hypercopy() {
  measured "$hypercopy" load -d "$dsn" -t "hypercopy_bench.$1" -j "$jobs" --wire "${2-auto}" --progress none "$csv"
}
load_hypercopy_csv() { load_hypercopy "$1" csv; }
