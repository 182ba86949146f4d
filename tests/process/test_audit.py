"""What `make check` does about known vulnerabilities: who is asked, and what is said when nobody answers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from tests.process.quiet_server import QuietServer

AUDIT = Path(__file__).resolve().parents[2] / "deploy" / "host" / "audit.sh"
#: Is Python in all but one thing: what pip-audit was called with is written down, and its verdict is given.
PYTHON = """#!/bin/sh
if [ "$1 $2" = "-m pip_audit" ]; then echo "audit $*"; exit {verdict}; fi
exec {python} "$@"
"""


class Index(BaseHTTPRequestHandler):
    """The package index, OSV, or a mirror that has never heard of vulnerabilities: by the first part of the path."""

    def do_GET(self) -> None:
        kind = self.path.split("/")[1]
        answer = {"index": {"info": {}, "vulnerabilities": []}, "mirror": {"info": {}}, "osv": {}}.get(kind)
        body = json.dumps(answer).encode() if answer is not None else b"Not Found"
        self.send_response(200 if answer is not None else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *_: object) -> None:
        """Nothing to print."""


@pytest.fixture
def url() -> Iterator[str]:
    server = QuietServer(0, Index, None)
    server.start("index")
    yield f"http://127.0.0.1:{server.server_port}"
    server.stop()


def audit(folder: Path, url: str, index: str, osv: str, *, verdict: int = 0, **more: str) -> tuple[int, str, str]:
    python = folder / "python"
    python.write_text(PYTHON.format(verdict=verdict, python=sys.executable))
    python.chmod(0o755)
    env = {"PATH": os.defpath, "AUDIT_INDEX": f"{url}/{index}", "AUDIT_OSV": f"{url}/{osv}", **more}
    done = subprocess.run([str(AUDIT), str(python)], env=env, capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("verdict", [0, 1])
def test_the_index_is_asked_and_its_findings_fail(tmp_path: Path, url: str, verdict: int) -> None:
    code, out, err = audit(tmp_path, url, "index", "nobody", verdict=verdict)
    assert (code, err) == (verdict, "") and out.startswith("audit -m pip_audit --local") and "osv" not in out


@pytest.mark.parametrize("verdict", [0, 1])
@pytest.mark.parametrize("index", ["nobody", "mirror"])
def test_where_the_index_does_not_tell_osv_is_asked(tmp_path: Path, url: str, index: str, verdict: int) -> None:
    code, out, _ = audit(tmp_path, url, index, "osv", verdict=verdict)
    assert code == verdict and out.rstrip().endswith(f"--vulnerability-service osv --osv-url {url}/osv")


def test_where_nobody_tells_it_is_said_loudly_and_fails_where_that_is_asked_for(tmp_path: Path, url: str) -> None:
    code, out, err = audit(tmp_path, url, "mirror", "nobody")
    assert (code, out) == (0, "") and "*** pip-audit: NOT CHECKED" in err and f"{url}/mirror/pip/" in err
    assert audit(tmp_path, url, "nobody", "nobody", REQUIRE_AUDIT="1") == (1, "", err.replace("/mirror/", "/nobody/"))
