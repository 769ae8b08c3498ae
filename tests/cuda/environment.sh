# shellcheck shell=bash
# What check and bench share; they source it. Works in a checkout after ./dev build and in an
# unpacked bundle.
#
# Sets ROOT, BIN (where the programs are) and SYSTEM_LIBRARY_PATH (LD_LIBRARY_PATH as it was).

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
BIN=$ROOT/bin
[ -x "$BIN/sluice" ] || BIN=$ROOT/build/release/bin
# shellcheck disable=SC2034  # bench uses it
SYSTEM_LIBRARY_PATH=${LD_LIBRARY_PATH:-}

say() { printf '== %s\n' "$*" >&2; }

# Folders where CUDA's libraries may lie besides those that the system looks in: Python packages
# (PyTorch brings them along) and NVIDIA's own installers.
cuda_library_folders() {
  python3 -c 'import glob, sys
for site in sys.path:
    print(*sorted(glob.glob(site + "/nvidia/*/lib")), sep="\n")' 2>/dev/null || true
  printf '%s\n' /usr/local/cuda/lib64 /usr/local/cuda/lib /usr/local/cuda-*/lib64 \
    /usr/local/cudnn*/lib*
}

# Puts them into LD_LIBRARY_PATH where the plug-in, $1, lacks a library without.
find_cuda_libraries() {
  local folder
  ldd "$1" | grep 'not found' >/dev/null || return 0
  while read -r folder; do
    # Nothing but NVIDIA's: a folder with other libraries could replace those of the programs.
    compgen -G "$folder/lib*.so*" >/dev/null || continue
    [ ! -e "$folder/libstdc++.so.6" ] || continue
    LD_LIBRARY_PATH=${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$folder
  done < <(cuda_library_folders)
  export LD_LIBRARY_PATH
}

has_card() {
  compgen -G '/dev/nvidia[0-9]*' >/dev/null || nvidia-smi -L 2>/dev/null | grep '^GPU' >/dev/null
}

# Prints what this machine has. Ends the script with one line where nothing can be run: status 77,
# skipped, without a GPU, 1 with one that Sluice cannot use.
require_gpu() {
  local plugin=${SLUICE_CUDA_PLUGIN:-} devices reason
  if [ ! -x "$BIN/sluice" ]; then
    say "failed: there is no $BIN/sluice; build it first: ./dev build"
    exit 1
  fi
  [ -n "$plugin" ] || plugin=$(dirname "$BIN")/lib/libsluice_cuda.so
  [ ! -e "$plugin" ] || find_cuda_libraries "$plugin"
  devices=$("$BIN/sluice" devices)
  if ! grep '^cuda:' <<<"$devices" | grep -qv 'cannot be used'; then
    reason=$(sed -n 's/^cuda[:0-9]* *\(none\|cannot be used\): //p' <<<"$devices" | head -n 1)
    if [ -z "$plugin" ] || [ ! -e "$plugin" ]; then
      reason="there is no $plugin; build Sluice where nvcc and cuDNN are"
    fi
    if has_card; then
      say "failed: this machine has a GPU, but $reason"
      exit 1
    fi
    say "skipped: no GPU can be used here: $reason"
    exit 77
  fi
  say "$("$BIN/sluice" --version) on $(uname -n), $(nproc) cores, $(uname -sr)"
  nvidia-smi --query-gpu=index,name,driver_version,memory.total --format=csv,noheader \
    2>/dev/null || true
  printf '%s\n' "$devices"
}
