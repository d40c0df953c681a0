#!/bin/sh
# Builds the load generator with the system's C++ compiler, unless what is there is newer than the sources.
# build-loadgen.sh [output]: build/native-bench/loadgen by default. Exit code 2: this system cannot build it.
set -eu
cd "$(dirname "$0")/.."
sources=native-bench/loadgen
output=${1:-build/native-bench/loadgen}

if [ "$(uname -s)" != Linux ]; then
  echo "build-loadgen: the load generator needs Linux (epoll, /proc)" >&2
  exit 2
fi
mkdir -p "$(dirname "$output")"
# Who comes second waits, then finds it done.
if command -v flock >/dev/null 2>&1; then
  exec 9>"$output.lock"
  flock 9
fi
if [ -x "$output" ] && [ -z "$(find "$sources" native-bench/build-loadgen.sh -type f -newer "$output" ! -name '*.md' | head -n 1)" ]; then
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
  echo "build-loadgen: no C++ compiler (${CXX:-g++ or clang++}); install one that knows C++20, such as the package g++" >&2
  exit 2
fi

objects=$(mktemp -d)
trap 'rm -rf "$objects"' EXIT
jobs=$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1)
printf '%s\n' "$sources"/*.cc | xargs -P "$jobs" -I '{}' sh -c \
  '"$1" -c -O2 -std=c++20 -Wall -Wextra -Werror -pthread "$2" -o "$3/$(basename "$2").o"' sh "$compiler" '{}' "$objects"
"$compiler" -pthread "$objects"/*.o -o "$output.$$"
# Renamed at the end: nobody meets half a file, and who runs the old one keeps it.
mv "$output.$$" "$output"
