#!/bin/sh
# Installs Chromium from the system's packages (Debian, Ubuntu), for the tests that open our pages in a real browser.
# Those tests skip by name where there is none, so a machine without it can still run all others.
set -u

for name in chromium chromium-browser google-chrome google-chrome-stable; do
    if command -v "$name" >/dev/null 2>&1; then
        echo "browser: $(command -v "$name")"
        exit 0
    fi
done
if ! command -v apt-get >/dev/null 2>&1; then
    echo "browser: no Chromium here and no apt-get to install it with; install Chromium by hand" >&2
    exit 1
fi
as_root=""
if [ "$(id -u)" -ne 0 ]; then
    as_root="sudo"
fi
echo "Installing Chromium from the system's packages ..."
$as_root apt-get update -qq && $as_root apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core >/dev/null
