#!/usr/bin/env bash
# Installs a build into a fresh folder and builds a program against it from outside the tree.
#   check.sh SOURCE_DIR BUILD_DIR
set -euo pipefail
source_dir=$1
build_dir=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cmake --install "$build_dir" --prefix "$work/prefix" >/dev/null
"$work/prefix/bin/sluice" --version
cp -r "$source_dir/examples" "$work/examples" # nothing of the tree is in reach
cmake -G Ninja -S "$work/examples/installed" -B "$work/build" -DCMAKE_PREFIX_PATH="$work/prefix" \
  -DCMAKE_BUILD_TYPE=Release >/dev/null
cmake --build "$work/build"
ldd "$work/build/custom_layer" | grep -q "$work/prefix/.*libsluice.so"
"$work/build/custom_layer" | tee "$work/output"
grep -q 'Accuracy: 0\.[6-9].* after 2[0-9][0-9] updates' "$work/output"
