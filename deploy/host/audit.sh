#!/usr/bin/env bash
# Known vulnerabilities of the installed packages, by pip-audit. That asks the package index for each release, and some
# mirrors (and a host without a network) do not answer such questions: then it says so, and fails nothing.
set -euo pipefail
python="$1"
index="https://pypi.org/pypi"

# One question first: a release that is there, with the field that pip-audit reads.
version="$("$python" -c 'import importlib.metadata as m; print(m.version("pip"))')"
if ! "$python" - "$index/pip/$version/json" 2>/dev/null <<'PYTHON'; then
import json
import sys
import urllib.request

with urllib.request.urlopen(sys.argv[1], timeout=10) as reply:
    sys.exit("vulnerabilities" not in json.load(reply))
PYTHON
    echo "pip-audit: NOT CHECKED: $index/pip/$version/json does not answer, so nobody tells of vulnerable packages" >&2
    exit 0
fi
exec "$python" -m pip_audit --local --skip-editable --progress-spinner off
