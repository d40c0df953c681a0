#!/bin/sh
# Builds the load generator with the system's C++ compiler: build/native-bench/loadgen, unless it is newer than its sources.
set -eu
cd "$(dirname "$0")/.."
sources=native-bench/loadgen
output=build/native-bench/loadgen

if [ -x "$output" ] && [ -z "$(find "$sources" native-bench/build-loadgen.sh -newer "$output" -name '*.[chs]*' | head -n 1)" ]; then
  exit 0
fi

compiler=${CXX:-}
if [ -z "$compiler" ]; then
  for candidate in g++ clang++; do
    if command -v "$candidate" >/dev/null 2>&1; then
      compiler=$candidate
      break
    fi
  done
fi
if [ -z "$compiler" ] || ! command -v "$compiler" >/dev/null 2>&1; then
  echo "build-loadgen: no C++ compiler (${CXX:-g++ or clang++}). Install one that knows C++20 (Debian: apt-get install g++)." >&2
  exit 2
fi

objects=$(mktemp -d)
trap 'rm -rf "$objects"' EXIT
mkdir -p build/native-bench
jobs=$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1)
ls "$sources"/*.cc | xargs -P "$jobs" -I '{}' sh -c \
  '"$1" -c -O2 -std=c++20 -Wall -Wextra -Werror -pthread "$2" -o "$3/$(basename "$2").o"' sh "$compiler" '{}' "$objects"
# Renamed at the end: who runs the old one, or builds at the same time, never meets half a file.
"$compiler" -pthread "$objects"/*.o -o "$output.$$"
mv "$output.$$" "$output"
