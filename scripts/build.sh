# Building, and running what was built. Sourced by ./dev, not run.
# shellcheck shell=bash disable=SC2154

presets=(release debug clang asan tsan)
known_preset() { [[ -n $1 && " ${presets[*]} " == *" $1 "* ]]; }

# What of the tree is built: everything, unless a command needs less.
build_parts=(-DHYPERCOPY_BUILD_SERVER_TESTS=ON -DHYPERCOPY_BUILD_BENCH=ON)

configure() {
  need_packages build
  case $1 in clang | asan | tsan) need_packages clang ;; esac
  # cmake wants to be called where the presets are.
  (cd "$root" && cmake --preset "$1" "${build_parts[@]}" --log-level=WARNING)
}

# build PRESET [CMAKE_BUILD_ARGUMENT...]
build() {
  configure "$1"
  run cmake --build "$root/build/$1" "${@:2}"
}

# Sanitizers: readable traces; UBSan's with a trace at all. The user's own settings come last and win.
export_sanitizer_options() {
  local symbolizer=/usr/lib/llvm-16/bin/llvm-symbolizer
  if [[ -x $symbolizer ]]; then
    export ASAN_SYMBOLIZER_PATH=$symbolizer TSAN_SYMBOLIZER_PATH=$symbolizer UBSAN_SYMBOLIZER_PATH=$symbolizer
  fi
  export UBSAN_OPTIONS=print_stacktrace=1${UBSAN_OPTIONS:+:$UBSAN_OPTIONS}
  export TSAN_OPTIONS=second_deadlock_stack=1${TSAN_OPTIONS:+:$TSAN_OPTIONS}
}

# run_ctest PRESET [CTEST_ARGUMENT...]: its summary is the last thing written.
run_ctest() {
  local command=(ctest --test-dir "$root/build/$1" --output-on-failure --no-tests=error -j2)
  export_sanitizer_options
  # clang 16's TSan does not know the memory layouts that more random address bits give.
  if [[ $1 == tsan ]] && setarch -R true 2>/dev/null; then command=(setarch -R "${command[@]}"); fi
  run with_skip_reasons "$root/build/$1" "${command[@]}" "${@:2}"
}

# with_skip_reasons FOLDER CTEST...: ctest only names the tests that were skipped; why they were is in its log.
# That is said in front of its summary.
with_skip_reasons() {
  local line
  set -o pipefail
  "${@:2}" | while IFS= read -r line; do
    [[ $line != *" tests passed, "*" failed out of "* ]] || skip_reasons "$1"
    printf '%s\n' "$line"
  done
}

# GoogleTest writes "FILE:LINE: Skipped", then the reason. ctest renames its log when it ends.
skip_reasons() {
  cat "$1"/Testing/Temporary/LastTest.log{.tmp,} 2>/dev/null | awk '
    /: Skipped$/ { inside = 1; next }
    NF == 0 || /^\[/ { inside = 0 }
    inside { count[$0]++ }
    /^End testing/ { exit }
    END { for (reason in count) printf "skipped, %d times: %s\n", count[reason], reason }' || true
}

fuzz() {
  local seconds=$1 target targets
  export_sanitizer_options
  fuzz_dir=$(mktemp -d "${TMPDIR:-/tmp}/hypercopy-fuzz-XXXXXX")
  at_exit=(remove_fuzz_dir "${at_exit[@]}")
  mkdir -p "$root/build/asan/fuzz-findings"
  mapfile -t targets < <(find "$root/build/asan" -type f -executable \
    \( -name 'fuzz_*' -o -name '*_fuzz' \) | sort)
  [[ ${#targets[@]} -gt 0 ]] || die "no fuzz target was built in build/asan"
  for target in "${targets[@]}"; do
    say "${target##*/} for $seconds s"
    mkdir -p "$fuzz_dir/${target##*/}"
    run "$target" -max_total_time="$seconds" -timeout=10 -verbosity=0 -print_final_stats=1 \
      -artifact_prefix="$root/build/asan/fuzz-findings/${target##*/}-" "$fuzz_dir/${target##*/}"
  done
}
remove_fuzz_dir() { rm -rf "$fuzz_dir"; }

# The installed package, used by a project that knows nothing else of this tree.
package_check() {
  local consumer
  package_dir=$(mktemp -d "${TMPDIR:-/tmp}/hypercopy-package-XXXXXX")
  at_exit=(remove_package_dir "${at_exit[@]}")
  consumer=$package_dir/consumer
  run cmake --install "$root/build/release" --prefix "$package_dir/installed" >/dev/null
  run cmake -S "$root/tests/package" -B "$consumer" -G Ninja -DCMAKE_BUILD_TYPE=Release \
    -DCMAKE_CXX_COMPILER=g++ -DCMAKE_PREFIX_PATH="$package_dir/installed" --log-level=WARNING
  run cmake --build "$consumer"
  run "$consumer/consumer"
  run "$package_dir/installed/bin/hypercopy" --version
  [[ $(readlink "$package_dir/installed/bin/timescaledb-parallel-copy") == hypercopy ]] ||
    die "the drop-in's link was not installed"
  say "package: installed, found and used"
}
remove_package_dir() { rm -rf "$package_dir"; }
