#!/usr/bin/env bash
# Builds and tests.
#
#   ./test.sh             release build, every test but those labelled oracle
#   ./test.sh --fast      release build, the fast tier only
#   ./test.sh --sanitize  the fast tier under AddressSanitizer and UndefinedBehaviorSanitizer,
#                         then the loader, queue and lock tests under ThreadSanitizer
#   ./test.sh --oracle    the tests against the reference programs; SORI_ORACLE_PYTHON names a Python that has torch,
#                         transformers, peft and ctranslate2
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

mode=${1:-all}
case "$mode" in
  all | --fast | --sanitize | --oracle) ;;
  *)
    sed -n '2,9s/^# \{0,1\}//p' "$0" >&2
    exit 2
    ;;
esac
scripts/bootstrap.sh

build() {  # build PRESET [TARGET...]
  local preset=$1
  shift
  cmake --preset "$preset" --log-level=NOTICE
  cmake --build --preset "$preset" ${1:+--target "$@"}
}

# Two tests run side by side on few cores: a thread that waits must not spin.
export OMP_WAIT_POLICY=passive

run_tests() {  # run_tests PRESET CTEST_OPTION...
  local preset=$1
  shift
  ctest --test-dir "build/$preset" -j"$(nproc)" --output-on-failure --no-tests=error "$@"
}

if [[ $mode == --sanitize ]]; then
  build dev
  run_tests dev -L fast

  # Only the binaries that hold such tests are built a third time.
  concurrent='Loader|Queue|Lock'
  mapfile -t targets < <(grep -rlE "^(TEST|TEST_F|TEST_P)\(\w*($concurrent)" tests --include='*_test.cpp' |
    sed -E 's#^tests/([^/]+)/.*#\1_tests#' | sort -u)
  if [[ ${#targets[@]} -gt 0 ]]; then
    build tsan "${targets[@]}"
    # ThreadSanitizer of GCC 12 cannot map its shadow under strong address randomisation.
    setarch "$(uname -m)" -R true 2>/dev/null && fixed=(setarch "$(uname -m)" -R) || fixed=()
    "${fixed[@]}" ctest --test-dir build/tsan --output-on-failure -R "$concurrent" -L fast --no-tests=error
  fi
  exit 0
fi

build release
if [[ $mode == --fast ]]; then
  run_tests release -L fast
else
  # Real Whisper base, imported afresh beside its download: what the tests read is what this build wrote.
  SORI_TEST_SOURCE=$(tools/fetch_model.py)
  export SORI_TEST_SOURCE SORI_TEST_MODEL=${SORI_TEST_SOURCE%-ct2}
  build/release/src/sori import --overwrite "$SORI_TEST_SOURCE" "$SORI_TEST_MODEL"
  [[ $mode == --oracle ]] && chosen=(-L oracle) || chosen=(-LE oracle)
  run_tests release "${chosen[@]}"
fi
