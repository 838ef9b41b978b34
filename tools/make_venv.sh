#!/bin/sh
# Make a virtual environment, unless it is there and works.
#
#     sh tools/make_venv.sh .venv               with the first Python >= 3.11 that it finds
#     sh tools/make_venv.sh .venv python3.12    with this one
set -eu

venv=$1
wanted=${2:-}

runs() { "$@" >/dev/null 2>&1; }
is_new_enough() { runs "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; }
fail() {
    echo "make: $1" >&2
    exit 1
}

if runs "$venv/bin/python" -c ''; then
    is_new_enough "$venv/bin/python" ||
        fail "$venv holds $("$venv/bin/python" --version); Python 3.11 or later is needed. Remove it (rm -rf $venv) and run make again."
else
    if [ -n "$wanted" ]; then set -- "$wanted"; else set -- python3 python3.13 python3.12 python3.11 python; fi
    found=
    for candidate in "$@"; do
        if is_new_enough "$candidate"; then
            found=$candidate
            break
        fi
    done
    [ -n "$found" ] ||
        fail "no Python 3.11 or later found (tried: $*). Install one, or name it: make install PYTHON=/path/to/python3.11"
    echo "Making $venv with $("$found" --version) ..."
    "$found" -m venv --clear --without-pip "$venv"
fi

# pip comes second and by itself, so that an environment left without it (Ctrl-C, other tools) gets it now.
runs "$venv/bin/python" -m pip --version ||
    runs "$venv/bin/python" -m ensurepip --upgrade --default-pip ||
    fail "this Python cannot give $venv a pip; on Debian and Ubuntu install its package python3-venv, then run make again."
