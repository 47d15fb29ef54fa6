# Sourced by the other scripts: goes to the clone's root and sets up .venv there.
# No root rights, nothing outside the clone; safe to run again after an interruption.

TOMOLINE_ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
cd "$TOMOLINE_ROOT" || exit 1

say() { printf '\n== %s\n' "$*"; }
fail() { printf '\nerror: %s\n' "$*" >&2; exit 1; }

# The first Python at hand that the lock file covers; PYTHON=... chooses another.
find_python() {
    local candidate
    for candidate in ${PYTHON:-} python3.11 python3.12 python3.13 python3; do
        if command -v "$candidate" >/dev/null 2>&1 && "$candidate" -c \
            'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then
            command -v "$candidate"
            return 0
        fi
    done
    return 1
}

# What the environment was made from: when this changes, it is brought up to date.
setup_stamp() {
    cat requirements/lock.txt pyproject.toml | sha256sum | cut -d ' ' -f 1
}

# The network may fail for a moment; what pip has already fetched is in its cache.
with_retries() {
    local attempt
    for attempt in 1 2 3; do
        "$@" && return 0
        [ "$attempt" = 3 ] || { echo "that failed; trying again in 5 seconds"; sleep 5; }
    done
    return 1
}

setup_environment() {
    local stamp_file=.venv/.tomoline-installed python
    if [ -x .venv/bin/python ] && [ "$(cat "$stamp_file" 2>/dev/null)" = "$(setup_stamp)" ]; then
        return 0
    fi
    if ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
        python="$(find_python)" || fail "Python 3.11, 3.12 or 3.13 is needed." \
            "Install it (Debian: python3 python3-venv), or name it: PYTHON=/path/to/python3.11"
        say "Making a Python environment in .venv with $python"
        rm -rf .venv
        "$python" -m venv .venv || fail "python could not make a virtual environment." \
            "On Debian its part for that is the package python3-venv."
    fi
    say "Installing the packages that requirements/lock.txt names (2.1 GB on disk, a few minutes, once)"
    with_retries .venv/bin/python -m pip install --progress-bar off --quiet \
        --require-hashes -r requirements/lock.txt \
        || fail "packages could not be installed. Is the network there? Then run the same command again."
    .venv/bin/python -m pip install --progress-bar off --quiet \
        --no-deps --no-build-isolation --no-index -e . \
        || fail "tomoline itself could not be installed."
    .venv/bin/python -m compileall -q src  # so that the first commands start as fast as later ones
    setup_stamp >"$stamp_file"
}
