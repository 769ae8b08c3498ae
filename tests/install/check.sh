#!/usr/bin/env bash
# Installs a build into a fresh folder and uses it as other projects would: by CMake's package and
# by pkg-config, shared and static. Then the sources as a part of another project, without
# compiling all of them.
#   check.sh SOURCE_DIR BUILD_DIR
set -euo pipefail
source_dir=$1
build_dir=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
prefix=$work/prefix

say() { printf '== %s\n' "$*"; }
# NAME ARGUMENT...: configures tests/install/program in its own build folder NAME.
configure() {
  local name=$1
  shift
  cmake -G Ninja -S "$work/program" -B "$work/$name" -DCMAKE_PREFIX_PATH="$prefix" \
    -DCMAKE_BUILD_TYPE=Release "$@" >/dev/null
}
# No grep -q: it ends at the first match, and who still writes to it dies of that (pipefail).
answers() { "$1" | grep -x 'the probabilities add up to 1.000' >/dev/null; }
# COMMAND ...: fails unless the command does.
not() { if "$@"; then say "did not fail: $*"; exit 1; fi; }
loads_library() { ldd "$1" | grep "$prefix/.*libsluice.so" >/dev/null; }

cmake --install "$build_dir" --prefix "$work/first" >/dev/null
mv "$work/first" "$prefix" # nothing knows where it was installed
"$prefix/bin/sluice" --version
grep -q 'train' "$prefix/share/man/man1/sluice.1"
[ "$(head -n 1 "$prefix/share/zsh/site-functions/_sluice")" = '#compdef sluice' ]
grep -q 'Apache License' "$prefix/share/doc/sluice/LICENSE"
completes() {
  # shellcheck disable=SC1090
  source "$prefix/share/bash-completion/completions/sluice"
  COMP_WORDS=(sluice train --epo) COMP_CWORD=2
  _sluice
  [ "${COMPREPLY[0]}" = --epochs ]
}
completes
# Nothing of the tree is in reach.
cp -r "$source_dir/examples" "$source_dir/tests/install/program" "$work"

say "CMake's package, shared: the examples"
cmake -G Ninja -S "$work/examples/installed" -B "$work/build" -DCMAKE_PREFIX_PATH="$prefix" \
  -DCMAKE_BUILD_TYPE=Release >/dev/null
cmake --build "$work/build"
loads_library "$work/build/custom_layer"
"$work/build/custom_layer" | tee "$work/output"
grep -q 'Accuracy: 0\.[6-9].* after 2[0-9][0-9] updates' "$work/output"
"$work/build/custom_trainer" | tee "$work/output"
grep -q "Accuracy: 0\.[6-9].* after 2[0-9][0-9] updates" "$work/output"
"$work/build/two_outputs" | tee "$work/output"
grep -q 'Accuracy of the quarter: 0\.9.*, error of the brightness: 0\.[0-3]' "$work/output"

say "CMake's package, static"
configure static -DKIND=static
cmake --build "$work/static"
answers "$work/static/program"
not loads_library "$work/static/program"
not configure neither -DKIND=neither 2>"$work/output"
grep -q 'no such library here: neither' "$work/output"

say "pkg-config, shared and static"
PKG_CONFIG_PATH=$(dirname "$(find "$prefix" -name sluice.pc)")
export PKG_CONFIG_PATH
libdir=$(pkg-config --variable=libdir sluice)
[ "$(pkg-config --modversion sluice)" = "$("$prefix/bin/sluice" --version | cut -d' ' -f2)" ]
# shellcheck disable=SC2046  # flags are words
c++ -std=c++20 -c "$work/program/main.cc" -o "$work/main.o" $(pkg-config --cflags sluice)
# shellcheck disable=SC2046
c++ "$work/main.o" -o "$work/shared_program" $(pkg-config --libs sluice) -Wl,-rpath,"$libdir"
answers "$work/shared_program"
loads_library "$work/shared_program"
# As an older C++ each header says what it needs, and the compiler stops there.
(cd "$prefix/include" && find sluice -name '*.h' ! -name version.h) >"$work/headers"
while read -r header; do
  echo "#include <$header>" >"$work/older.cc"
  # shellcheck disable=SC2046
  not c++ -std=c++17 -fsyntax-only "$work/older.cc" $(pkg-config --cflags sluice) 2>"$work/output"
  grep -q "error: #error \"Sluice's headers need C++20" "$work/output"
  [ "$(grep -c ' error: ' "$work/output")" = 2 ] || { cat "$work/output"; exit 1; }
done <"$work/headers"
# shellcheck disable=SC2046
c++ "$work/main.o" -o "$work/static_program" \
  $(pkg-config --static --libs sluice | sed 's/-lsluice/-l:libsluice.a/')
answers "$work/static_program"
not loads_library "$work/static_program"

say "a part of another project"
configure source -DSOURCE="$source_dir" -DCMAKE_BUILD_TYPE=
ninja -C "$work/source" -t commands sluice_core >"$work/commands"
grep -q -- ' -O[23] .*core/rng.cc' "$work/commands" # though nobody has named a build type
ninja -C "$work/source" -t targets all >"$work/targets"
not grep -E '_test|_bench|example_|bin/sluice' "$work/targets"
ninja -C "$work/source" -n program >/dev/null # everything that it needs is there
ninja -C "$work/source" CMakeFiles/program.dir/main.cc.o sluice_core >"$work/output" ||
  { cat "$work/output"; exit 1; }
cmake --install "$work/source" --prefix "$work/nothing" >/dev/null
[ ! -e "$work/nothing" ] || { find "$work/nothing"; exit 1; }
[ ! -e "$work/source/bin" ] # output folders are the other project's affair
