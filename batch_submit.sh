#!/usr/bin/env bash
# The shell door of batch-submit: find this folder (through symlinks), pick the Python, hand everything on. No logic here.
set -euo pipefail

# No subshell where none is needed: each one is a process more.
source_path="${BASH_SOURCE[0]}"
while [ -L "$source_path" ]; do
    folder="$(cd -P "$(dirname "$source_path")" && pwd)"
    source_path="$(readlink "$source_path")"
    case "$source_path" in
        /*) ;;
        *) source_path="$folder/$source_path" ;;
    esac
done
case "$source_path" in
    /*) home="${source_path%/*}" ;;
    */*) home="$PWD/${source_path%/*}" ;;
    *) home="$PWD" ;;
esac

if [ -n "${BATCH_SUBMIT_PYTHON:-}" ]; then
    python="$BATCH_SUBMIT_PYTHON"
elif [ -x "$home/.venv/bin/python" ]; then
    python="$home/.venv/bin/python"
else
    python="python3"
fi
if ! command -v "$python" >/dev/null 2>&1; then
    echo "batch_submit.sh: no Python interpreter at '$python'" >&2
    echo "  next: install Python 3.10 or newer, or set BATCH_SUBMIT_PYTHON to one" >&2
    exit 3
fi
exec "$python" "$home/deploy/hadoop/batch_submit/__main__.py" "$@"
