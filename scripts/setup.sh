#!/usr/bin/env bash
# Makes .venv with everything that recon needs, at the versions of constraints.txt. Running it again is quick and safe.
#
#   PYTHON=...       interpreter to use (3.11 or newer); found by itself otherwise
#   TORCH_INDEX=...  package index to take torch from
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

venv=.venv
torch_cpu_index=https://download.pytorch.org/whl/cpu

say() { printf '%s\n' "$*" >&2; }
stop() { say "error: $1"; [ $# -lt 2 ] || say "  try: $2"; exit 1; }

# --- Debian packages: installed where we may, otherwise the line to type -----------------------------------------------------------------

as_root=()
may_install() {
  command -v apt-get >/dev/null || return 1
  [ "$(id -u)" != 0 ] || return 0
  as_root=(sudo -n)
  command -v sudo >/dev/null && sudo -n true 2>/dev/null
}

install_line() { printf 'sudo apt-get update && sudo apt-get install -y %s' "$*"; }

# Returns 1, having said what to type, when the packages are not there afterwards.
debian_install() {
  if may_install; then
    say "Installing Debian packages: $*"
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive sh -c \
      'apt-get update -qq && apt-get install -y -qq --no-install-recommends "$@"' sh "$@" >&2 && return 0
  fi
  say "These Debian packages are missing: $*"
  say "  try: $(install_line "$@")"
  return 1
}

# --- Python -------------------------------------------------------------------------------------------------------------------------------

is_recent() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

find_python() {
  local name
  for name in ${PYTHON:-python3.11 python3.12 python3.13 python3 python3.14}; do
    if is_recent "$name"; then command -v "$name"; return 0; fi
  done
  return 1
}

make_venv() {
  local python
  if [ -x "$venv/bin/python" ] && is_recent "$venv/bin/python" && "$venv/bin/python" -m pip --version >/dev/null 2>&1; then return 0; fi
  if ! python=$(find_python); then
    [ -z "${PYTHON:-}" ] || stop "PYTHON=$PYTHON is not Python 3.11 or newer"
    debian_install python3 python3-venv || exit 1
    python=$(find_python) || stop "Debian's python3 is older than 3.11" "install Python 3.11 or newer and run: PYTHON=/path/to/python3.11 make setup"
  fi
  if ! "$python" -c 'import ensurepip, venv' >/dev/null 2>&1; then
    debian_install "$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')" || exit 1
  fi
  say "Making $venv with $("$python" --version) ($python)"
  "$python" -m venv --clear "$venv"
}

# --- Python packages ----------------------------------------------------------------------------------------------------------------------

pip_install() {
  local quiet=(-q)
  [ ! -t 2 ] || quiet=()
  "$venv/bin/python" -m pip install "${quiet[@]}" --disable-pip-version-check --no-input -c constraints.txt "$@" >&2
}

# On Linux the package index serves torch with gigabytes of CUDA. Without an NVIDIA GPU the CPU build is enough; where its index cannot be
# reached, or a CPU build is already within pip's reach, the plain way is taken.
install_torch() {
  local pin index=${TORCH_INDEX:-}
  pin=$(grep -m1 '^torch==' constraints.txt)
  if [ -z "$index" ] && [ "$(uname -sm)" = "Linux x86_64" ] && ! command -v nvidia-smi >/dev/null; then
    "$venv/bin/python" -m pip index versions torch 2>/dev/null | grep -qF "${pin#torch==}+cpu" || index=$torch_cpu_index
  fi
  if [ -n "$index" ] && pip_install --retries 1 --timeout 15 --no-deps --index-url "$index" "$pin"; then return 0; fi
  pip_install "$pin"
}

install_packages() {
  say "Installing Python packages; the first time this downloads about 1 GB"
  pip_install hatchling editables
  "$venv/bin/python" -c 'import torch' >/dev/null 2>&1 || install_torch
  pip_install --no-build-isolation -e '.[dev]'
}

# --- System libraries ---------------------------------------------------------------------------------------------------------------------

# What libOpen3D.so asks the system for (readelf -d), and the Debian package of each.
system_libraries="libEGL.so.1=libegl1 libGL.so.1=libgl1 libX11.so.6=libx11-6 libudev.so.1=libudev1 libusb-1.0.so.0=libusb-1.0-0
  libidn2.so.0=libidn2-0 libgomp.so.1=libgomp1"

missing_packages() {
  local entry
  for entry in $system_libraries; do
    "$venv/bin/python" -c 'import ctypes, sys; ctypes.CDLL(sys.argv[1])' "${entry%%=*}" 2>/dev/null || printf '%s ' "${entry#*=}"
  done
}

install_system_libraries() {
  local packages
  read -r -a packages <<<"$(missing_packages)"
  [ "${#packages[@]}" = 0 ] || debian_install "${packages[@]}" || true
  "$venv/bin/python" -c 'import open3d' >/dev/null || stop "Open3D cannot be imported" "the line above, if there is one, then make setup again"
}

main() {
  make_venv
  install_packages
  install_system_libraries
  touch "$venv/.ready"
  say "Ready: $venv/bin/recon"
}

# Sourced (by the tests), it only defines its functions.
if [ "${BASH_SOURCE[0]}" = "$0" ]; then main; fi
