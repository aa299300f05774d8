# ./dev lint: everything that can be said about the sources without running tests. Sourced, not run.
# shellcheck shell=bash disable=SC2154

lint_failures=()

command_lint() {
  need_packages build lint
  lint_step "clang-format" lint_format
  lint_step "shellcheck" lint_shell
  lint_step "white space" lint_white_space
  lint_step "README against --help" lint_help
  lint_step "clang-tidy" lint_tidy
  [[ ${#lint_failures[@]} -eq 0 ]] || die "lint found something: ${lint_failures[*]}"
  say "lint: nothing found"
}

# One finding does not hide the next step's.
lint_step() {
  say "lint: $1"
  "$2" || lint_failures+=("[$1]")
}

lint_format() {
  project_git ls-files -z -- '*.cpp' '*.hpp' |
    (cd "$root" && xargs -0 --no-run-if-empty clang-format-16 --dry-run -Werror)
}

lint_shell() {
  local file scripts=()
  while IFS= read -r -d '' file; do
    [[ -f $root/$file ]] || continue
    if [[ $file == *.sh ]] || head -n 1 "$root/$file" | grep -aqE '^#!.*\b(ba)?sh\b'; then scripts+=("$file"); fi
  done < <(project_git ls-files -z)
  (cd "$root" && shellcheck --external-sources "${scripts[@]}")
}

# Data sets are what they are.
lint_white_space() {
  if project_git grep -nIE '[[:blank:]]+$' -- . ':!datasets' ':!*.csv' ':!*.tsv' ':!LICENSE'; then
    return 1
  fi
}

# README quotes the help of a command between <!-- help:COMMAND --> and <!-- /help -->, as one code block.
lint_help() {
  local name names status=0
  mapfile -t names < <(sed -nE 's/^<!-- help:([a-z]+) -->$/\1/p' "$root/README.md" 2>/dev/null)
  [[ ${#names[@]} -gt 0 ]] || { say "README has no help block"; return; }
  build release --target hypercopy_program || return
  for name in "${names[@]}"; do
    diff -u --label "README.md, help:$name" --label "hypercopy $name --help" \
      <(help_block "$name") <("$root/build/release/hypercopy" "$name" --help </dev/null) || status=1
  done
  return "$status"
}

help_block() {
  awk -v begin="<!-- help:$1 -->" '
    $0 == begin { inside = 1; next }
    $0 == "<!-- /help -->" { inside = 0 }
    inside && /^```/ { code = !code; next }
    inside && code' "$root/README.md"
}

lint_tidy() {
  configure release || return
  # g++ wrote the compile commands; clang does not know all of its warnings.
  run run-clang-tidy-16 -quiet -p "$root/build/release" -j "$(nproc)" \
    -extra-arg=-Wno-unknown-warning-option "^$root/src/"
}
