#!/usr/bin/env bash
# Known vulnerabilities of the installed packages, by pip-audit: audit.sh PYTHON. It asks the package index for each
# release, else OSV (osv.dev); findings fail. Some mirrors, and a host without a network, answer neither. Then nothing
# was checked, and no list of yesterday takes its place: that is said loudly, and fails with REQUIRE_AUDIT=1.
set -euo pipefail
python="$1"
index="${AUDIT_INDEX:-https://pypi.org/pypi}"
osv="${AUDIT_OSV:-https://api.osv.dev/v1/query}"
audit=("$python" -m pip_audit --local --skip-editable --progress-spinner off)

# One question first, about a release that is there: answers it with the field that pip-audit reads?
answers() {
    "$python" - "$@" 2>/dev/null <<'PYTHON'
import json
import sys
import urllib.request

url, field, question = sys.argv[1], sys.argv[2], sys.argv[3:]
data = question[0].encode() if question else None
with urllib.request.urlopen(urllib.request.Request(url, data), timeout=10) as reply:
    answer = json.load(reply)
sys.exit(not isinstance(answer, dict) or bool(field) and field not in answer)
PYTHON
}

version="$("$python" -c 'import importlib.metadata as m; print(m.version("pip"))')"
if answers "$index/pip/$version/json" vulnerabilities; then
    exec "${audit[@]}"
fi
if answers "$osv" "" "{\"package\": {\"name\": \"pip\", \"ecosystem\": \"PyPI\"}, \"version\": \"$version\"}"; then
    exec "${audit[@]}" --vulnerability-service osv --osv-url "$osv"
fi
cat >&2 <<TEXT
********************************************************************************
*** pip-audit: NOT CHECKED. Nobody here tells of vulnerable packages:
***   $index/pip/$version/json  and  $osv  do not answer.
*** Run deploy/host/audit.sh where one of them does, before you release.
*** REQUIRE_AUDIT=1 makes this a failure.
********************************************************************************
TEXT
[ -z "${REQUIRE_AUDIT:-}" ]
