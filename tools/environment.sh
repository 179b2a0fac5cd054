# Sourced by tools/run and tools/test: makes the virtual environment .venv of this checkout.
# Nothing is done, and no network needed, while what is installed still fits pyproject.toml.

say() { printf '%s\n' "$*" >&2; }

fail() {
    say "error: $*"
    exit 1
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
        sudo -n "$@"
    else
        return 1
    fi
}

# Install Debian packages if this user may; otherwise say what to type.
install_debian() {
    if ! command -v apt-get >/dev/null 2>&1; then
        say "missing: $*. There is no apt-get here; install what provides them by hand."
        return 1
    fi
    say "installing Debian packages: $*"
    if ! { as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq update &&
        as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "$@"; } >&2; then
        say "could not install them; as root, run: apt-get update && apt-get install $*"
        return 1
    fi
}

find_python() {
    for candidate in python3 python3.13 python3.12 python3.11; do
        if command -v "$candidate" >/dev/null 2>&1 &&
            "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$candidate"
            return 0
        fi
    done
    return 1
}

make_venv() {
    python=$(find_python) || fail "Python 3.11 or newer is missing; on Debian 12: apt-get install python3 python3-venv"
    say "making the virtual environment $root/.venv with $("$python" --version)"
    rm -rf "$root/.venv"
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        install_debian python3-venv || exit 1
    fi
    "$python" -m venv "$root/.venv" || fail "the virtual environment could not be made in $root/.venv"
}

# prepare_environment run|test: core dependencies, or those for development too.
prepare_environment() {
    [ -x "$root/.venv/bin/python" ] && "$root/.venv/bin/python" -c '' 2>/dev/null || make_venv
    wanted=$("$root/.venv/bin/python" -c 'import hashlib, pathlib, sys
print(hashlib.sha256(pathlib.Path(sys.argv[1]).read_bytes() + sys.argv[1].encode() + sys.version.encode()).hexdigest())' "$root/pyproject.toml")
    [ "$(cat "$root/.venv/.installed-test" 2>/dev/null)" = "$wanted" ] && return 0
    [ "$1" = run ] && [ "$(cat "$root/.venv/.installed-run" 2>/dev/null)" = "$wanted" ] && return 0
    say "installing dependencies (the first time takes a while)"
    extra=
    [ "$1" = test ] && extra='[dev]'
    "$root/.venv/bin/python" -m pip install --quiet --disable-pip-version-check --editable "$root$extra" >&2 ||
        fail "the dependencies could not be installed; pip's message above says why (is PyPI reachable?)"
    if [ "$1" = test ]; then
        fill_wheelhouse || fail "the wheels for fresh environments could not be fetched (is PyPI reachable?)"
    fi
    printf '%s\n' "$wanted" >"$root/.venv/.installed-$1"
}

# Tests install the gateway into fresh environments; they take its dependencies from here, without a network.
fill_wheelhouse() {
    requirements=$("$root/.venv/bin/python" -c 'import sys, tomllib
print("\n".join(tomllib.load(open(sys.argv[1], "rb"))["project"]["dependencies"]))' "$root/pyproject.toml") || return 1
    printf '%s\n' "$requirements" >"$root/.venv/requirements.txt"
    "$root/.venv/bin/python" -m pip wheel --quiet --disable-pip-version-check \
        --wheel-dir "$root/.venv/wheelhouse" --requirement "$root/.venv/requirements.txt" >&2
}
