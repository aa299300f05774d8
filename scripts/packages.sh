# Which Debian packages each part needs. Sourced by ./dev, not run.
# shellcheck shell=bash disable=SC2034,SC2154

package_groups=(build server bench clang lint npm)
packages_build=(g++ cmake ninja-build pkg-config libpq-dev libconcurrentqueue-dev libsimdjson-dev
  libcli11-dev libfmt-dev libspdlog-dev libexpected-dev nlohmann-json3-dev libxxhash-dev libgtest-dev libbenchmark-dev)
packages_server=(postgresql-15 postgresql-client-15)
# pgloader is one of the loaders compared, gnuplot draws the charts.
packages_bench=(time pgloader gnuplot-nox)
# llvm-16 has the symbolizer: without it sanitizer reports are bare addresses.
packages_clang=(clang-16 libclang-rt-16-dev llvm-16)
packages_lint=(clang-tidy-16 clang-format-16 shellcheck)
packages_npm=(npm ca-certificates)

known_package_group() { [[ " ${package_groups[*]} " == *" $1 "* ]]; }

is_installed() {
  [[ $(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null) == installed ]]
}

# need_packages GROUP...: installs what is missing, and says nothing where nothing is.
need_packages() {
  local group package missing=()
  for group in "$@"; do
    # npm may well come from elsewhere than Debian.
    if [[ $group == npm ]] && command -v npm >/dev/null; then continue; fi
    local -n packages="packages_$group"
    for package in "${packages[@]}"; do
      is_installed "$package" || missing+=("$package")
    done
  done
  [[ ${#missing[@]} -gt 0 ]] || return 0
  command -v apt-get >/dev/null ||
    die "this is not a Debian system; it lacks the counterparts of: ${missing[*]}"
  [[ $EUID -eq 0 ]] || command -v sudo >/dev/null ||
    die "missing packages, and neither root nor sudo: apt-get install ${missing[*]}"
  say "installing ${missing[*]}"
  as_root bash "$root/scripts/install_packages.sh" "${missing[@]}" ||
    die "could not install: ${missing[*]}"
}
