#!/usr/bin/env bash
# Installs the packages of scripts/packages.txt that are missing. Nothing missing: no network, no root, nothing printed.
set -euo pipefail

list=$(dirname "${BASH_SOURCE[0]}")/packages.txt
mapfile -t wanted < <(sed -e 's/#.*//' -e 's/[[:space:]]//g' -e '/^$/d' "$list")

if ! command -v dpkg-query >/dev/null; then
  echo "bootstrap: this is not a Debian system; install by hand what $list names" >&2
  exit 4
fi

missing=()
for package in "${wanted[@]}"; do
  state=$(dpkg-query --show --showformat='${db:Status-Status}\n' "$package" 2>/dev/null || true)
  # A package of several architectures gives one line each.
  grep -qx installed <<<"$state" || missing+=("$package")
done
[[ ${#missing[@]} -eq 0 ]] && exit 0

as_root=()
if [[ $(id -u) -ne 0 ]]; then
  if ! command -v sudo >/dev/null; then
    echo "bootstrap: run as root, or install sudo; missing: ${missing[*]}" >&2
    exit 4
  fi
  as_root=(sudo)
fi
echo "bootstrap: installing ${missing[*]}" >&2
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -q >&2
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}" >&2
