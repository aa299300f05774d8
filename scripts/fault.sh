# ./dev fault: what breaks in the fault tests breaks often. Sourced, not run.
# shellcheck shell=bash disable=SC2154

command_fault() {
  local options=()
  parse_options "$@"
  [[ -z $without_server ]] || bad_usage "the fault tests need a server"
  [[ -z $server_version ]] || options=(--server "$server_version")
  export HYPERCOPY_TEST_FAULTS=long
  command_test "${options[@]}" --preset "$preset" -- -L fault "${rest[@]}"
}
