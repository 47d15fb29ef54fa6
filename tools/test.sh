#!/usr/bin/env bash
# Runs all checks and all tests; sets up .venv first where it is missing. Extra arguments go to
# pytest. The exit status is not 0 if anything failed; pytest's summary is the last line.
set -uo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/_setup.sh"

setup_environment || exit 1
export PATH="$TOMOLINE_ROOT/.venv/bin:$PATH" NO_MKDOCS_2_WARNING=1 DISABLE_MKDOCS_2_WARNING=true

failed=()
check() {
    local name="$1"
    shift
    say "$name"
    "$@" || { failed+=("$name"); echo "FAILED: $name"; }
}

site="$(mktemp -d)"
trap 'rm -rf "$site"' EXIT

check "lint (ruff check)" ruff check .
check "format (ruff format)" ruff format --check .
check "types (mypy)" mypy
check "layers (import-linter)" lint-imports
check "documentation (mkdocs)" mkdocs build --strict --quiet --site-dir "$site"

say "tests (pytest)"
[ ${#failed[@]} = 0 ] || printf 'FAILED before the tests: %s\n' "${failed[@]}"
python -m pytest -n 2 "$@"
status=$?
[ ${#failed[@]} = 0 ] || exit 1
exit "$status"
