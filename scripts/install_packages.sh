#!/bin/bash
# install_packages.sh PACKAGE...: apt-get install as root, without a trace on the machine's own PostgreSQL:
# no cluster "main" is created for a new server package, and no service is started.
set -euo pipefail

cluster_settings=/etc/postgresql-common
drop_in=$cluster_settings/createcluster.d/zz-hypercopy-dev.conf
policy=/usr/sbin/policy-rc.d
made_policy=

# What was there before stays; what was made here goes, folders only when they are empty.
restore() {
  rm -f "$drop_in"
  [[ -z $made_policy ]] || rm -f "$policy"
  rmdir "${drop_in%/*}" "$cluster_settings" 2>/dev/null || true
}
trap restore EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

mkdir -p "${drop_in%/*}"
echo "create_main_cluster = false" >"$drop_in"
# An administrator's createcluster.conf may not include the folder.
if command -v pg_conftool >/dev/null && [[ -e $cluster_settings/createcluster.conf ]] &&
  [[ $(pg_conftool "$cluster_settings/createcluster.conf" show -bs create_main_cluster || true) != off ]]; then
  echo "$cluster_settings/createcluster.conf does not include createcluster.d: set create_main_cluster = false there" >&2
  exit 1
fi
# The administrator's own policy stands; without one, packages would start their services.
if [[ ! -e $policy ]]; then
  made_policy=yes
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
fi

export DEBIAN_FRONTEND=noninteractive
install() {
  apt-get install -y -q --no-install-recommends -o DPkg::Lock::Timeout=120 "$@" </dev/null
}

# The package lists are fetched only when they do not know a package, or are too old to download from.
if apt-cache show "$@" >/dev/null 2>&1 && install "$@"; then exit 0; fi
apt-get update -q
install "$@"
