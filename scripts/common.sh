# Shared by ./dev: messages, leaving cleanly, running long commands. Sourced, not run.
# shellcheck shell=bash disable=SC2154

say() { printf '==> %s\n' "$*" >&2; }
die() { printf './dev: %s\n' "$*" >&2; exit 1; }
# Something outside of this machine is missing: EX_UNAVAILABLE of sysexits.h, so that .ci/run can tell.
unavailable() { printf './dev: %s\n' "$*" >&2; exit 69; }
bad_usage() { printf './dev: %s\n\n' "$*" >&2; usage >&2; exit 2; }

# Functions to call when the script ends, however it ends; the newest first.
at_exit=()
child=

leave() {
  local status=$? action
  trap '' INT TERM HUP
  if [[ -n $child ]]; then stop_child; fi
  for action in "${at_exit[@]}"; do "$action" || true; done
  exit "$status"
}
trap leave EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

# The child has a process group of its own: first asked as by Ctrl-C, after five seconds made to go.
stop_child() {
  local i
  kill -INT -- "-$child" 2>/dev/null || return 0
  for ((i = 0; i < 50; i++)); do
    kill -0 -- "-$child" 2>/dev/null || return 0
    sleep 0.1
  done
  kill -KILL -- "-$child" 2>/dev/null || true
}

# Runs a command so that a signal to this script takes effect at once, and reaches the command's own children.
# Bash runs a trap only after a foreground command has ended, but interrupts `wait`. Job control (-m) gives the
# child its own group and keeps SIGINT from being ignored in it.
run() {
  local status=0
  set -m
  "$@" </dev/null &
  child=$!
  set +m
  wait "$child" || status=$?
  child=
  return "$status"
}

as_root() {
  if [[ $EUID -eq 0 ]]; then "$@"; else sudo "$@"; fi
}

# A checkout that belongs to another user (usual in containers) is fine for reading.
project_git() { git -c safe.directory="$root" -C "$root" "$@"; }
