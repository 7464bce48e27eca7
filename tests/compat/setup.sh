#!/usr/bin/env bash
# Installs what `make compat` needs beside cargo, and nothing where it is already there.
set -euo pipefail

if ! command -v kcat >/dev/null; then
  sudo=""
  [[ $(id -u) == 0 ]] || sudo="sudo"
  # The list of packages may never have been fetched on a new machine.
  $sudo apt-get update -qq
  $sudo apt-get install -y -qq --no-install-recommends kcat >/dev/null
fi
kcat -V | head -1
