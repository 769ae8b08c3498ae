#!/usr/bin/env bash
# Packs a build into one archive that runs on any Linux of this processor whose glibc is not older:
# programs, tests, benchmarks, and every library that they need but glibc's and NVIDIA's.
#
#   bundle.sh SOURCE_DIR BUILD_DIR OUTPUT_DIR
#
# Unpacks what it made and fails where anything is missing, comes from elsewhere, does not run, or
# is larger than 50 MB.
set -euo pipefail
source_dir=$(realpath "$1")
build_dir=$(realpath "$2")
output_dir=$(realpath "$3")
readonly LIMIT=50000000

# Of the system that the bundle runs on: glibc, the driver, CUDA, cuDNN.
GLIBC='^(ld-linux.*|lib(c|m|mvec|pthread|dl|rt|resolv|util|anl|nss_.*|thread_db'
GLIBC+='|BrokenLocale))\.so'
readonly GLIBC
readonly NVIDIA='^lib(cuda|cudart|cudnn.*|cublas|cublasLt|nv.*)\.so'

say() { printf '== %s\n' "$*" >&2; }

fail() {
  say "bundle: $*"
  exit 1
}

# FILE...: "NAME PATH" for each library that the loader finds for them, "NAME missing" for others.
libraries_of() {
  env -u LD_LIBRARY_PATH ldd "$@" | awk '
    $2 == "=>" && $3 ~ /^\// { print $1, $3 }
    $2 == "=>" && $3 == "not" { print $1, "missing" }' | sort -u
}

# Programs and libraries below FOLDER.
binaries_in() {
  find "$1/bin" "$1/lib" -type f | while read -r file; do
    if head -c 4 "$file" | grep -q ELF; then echo "$file"; fi
  done
}

copy_build() {
  local file
  # Without the static library, which is a component.
  cmake --install "$build_dir" --prefix "$root" --strip --component Unspecified >/dev/null
  for file in "$build_dir"/bin/*_test "$build_dir"/bin/sluice_*bench* "$build_dir"/bin/example_*; do
    install -m 755 -s "$file" "$root/bin"
  done
}

copy_sources() {
  cp -r "$source_dir/README.md" "$source_dir/docs" "$source_dir/examples" "$root"
  mkdir -p "$root/tests/cuda"
  find "$source_dir/tests/cuda" -maxdepth 1 -type f ! -name CMakeLists.txt \
    -exec cp {} "$root/tests/cuda" \;
}

# Debian's libraries, with the licence notices of their packages.
copy_libraries() {
  local files name path package
  mapfile -t files < <(binaries_in "$root")
  mkdir -p "$root/licenses"
  while read -r name path; do
    [[ ! $name =~ $GLIBC && ! $name =~ $NVIDIA && $path != "$root"/* ]] || continue
    [ "$path" != missing ] || fail "no library $name on this machine"
    case $path in "$build_dir"/*) continue ;; esac
    install -m 644 "$path" "$root/lib/$name"
    package=$(dpkg -S "*/$(basename "$(realpath "$path")")" 2>/dev/null |
      head -n 1 | cut -d: -f1) || true
    if [ -n "$package" ] && [ -e "/usr/share/doc/$package/copyright" ]; then
      cp -L "/usr/share/doc/$package/copyright" "$root/licenses/$package"
    else
      say "no licence notice for $name"
    fi
  done < <(libraries_of "${files[@]}")
}

make_relocatable() {
  local file
  binaries_in "$root" | while read -r file; do
    case $file in
      "$root"/bin/*) patchelf --set-rpath "\$ORIGIN/../lib" "$file" ;;
      *) patchelf --set-rpath "\$ORIGIN" "$file" ;;
    esac
  done
}

# What the plug-in takes from the system: "libcublasLt.so.13, libcudnn.so.9".
nvidia_libraries() {
  objdump -p "$root/lib/libsluice_cuda.so" | awk '$1 == "NEEDED" { print $2 }' | grep -E "$NVIDIA" |
    sort | paste -sd, | sed 's/,/, /g'
}

write_note() {
  local glibc commit gpu
  # shellcheck disable=SC2046  # no name here has spaces
  glibc=$(objdump -T $(binaries_in "$root") | grep -o 'GLIBC_[0-9.]*' | sort -uV | tail -n 1)
  commit=$(git -C "$source_dir" describe --always --dirty 2>/dev/null || echo unknown)
  gpu="It is without the CUDA plug-in: nvcc or cuDNN were missing where it was built."
  if [ -e "$root/lib/libsluice_cuda.so" ]; then
    gpu="On a GPU it also takes NVIDIA's driver and, from the system or from PyTorch's Python \
packages, $(nvidia_libraries)."
  fi
  cat >"$root/BUNDLE.md" <<NOTE
# Sluice $version, as a bundle

Built from commit $commit. Runs from any folder of any Linux on $(uname -m) with glibc
${glibc#GLIBC_} or newer.
$gpu

    bin/sluice devices      # what this machine can train on
    bin/sluice train        # MNIST
    tests/cuda/check        # the CUDA backend's tests and jobs, on a GPU of this machine
    tests/cuda/bench        # its benchmarks, beside PyTorch where that is installed

The other tests, bin/*_test, run here too, except those that read the source tree or the build
folder: layering_test, integration_test, cuda_emulated_test, and some cases of nn_test and
backend_test.
README.md describes everything else; licenses/ has the notices of the libraries in lib/.
NOTE
}

pack() {
  local size
  tar --sort=name --owner=0 --group=0 --numeric-owner -C "$work" -cf - "$name" |
    zstd -q -T0 -19 --long=27 -f -o "$archive"
  size=$(stat -c %s "$archive")
  [ "$size" -le "$LIMIT" ] || fail "$archive has $size bytes, more than the $LIMIT that it may have"
}

# What somebody else will find.
check_archive() {
  local unpacked=$work/elsewhere/$name file library path
  mkdir "$work/elsewhere"
  zstd -q -d -c "$archive" | tar -C "$work/elsewhere" -xf -
  mv "$root" "$root.gone" # so that nothing can come from there
  while read -r file; do
    while read -r library path; do
      [[ ! $library =~ $GLIBC && ! $library =~ $NVIDIA ]] || continue
      [ "$path" != missing ] || fail "$file in the bundle lacks $library"
      [[ $(realpath "$path") == "$unpacked"/* ]] ||
        fail "$file in the bundle takes $library from $path"
    done < <(libraries_of "$file")
  done < <(binaries_in "$unpacked")
  [ "$("$unpacked/bin/sluice" --version)" = "sluice $version" ] || fail "bin/sluice does not run"
  "$unpacked/bin/sluice" devices >&2
  "$unpacked/bin/example_custom_layer" >&2 || fail "bin/example_custom_layer does not train"
}

version=$("$build_dir/bin/sluice" --version)
version=${version#sluice }
name=sluice-$version-linux-$(uname -m)
archive=$output_dir/$name.tar.zst
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/$name

copy_build
copy_sources
copy_libraries
make_relocatable
write_note
pack
check_archive
programs=$(binaries_in "$work/elsewhere/$name" | wc -l)
say "$archive: $(stat -c %s "$archive") bytes, $programs programs and libraries"
