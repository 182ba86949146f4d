"""A real MLflow server on this host, for as long as a test needs it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

START_S = 300
END_S = 20


class MlflowServer:
    """A running server; `stop` ends it by the ids of its own processes."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self.port = _free_port()
        self.uri = f"http://127.0.0.1:{self.port}"
        command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self.port)]
        command += ["--workers", "1", "--backend-store-uri", f"sqlite:///{folder / 'runs.db'}"]
        command += ["--artifacts-destination", (folder / "artifacts").as_uri()]
        self._log = (folder / "server.log").open("wb")
        # A session of its own: the server starts workers, and all of them are ended together.
        self._process = subprocess.Popen(
            command, cwd=folder, stdout=self._log, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            self._wait()
        except BaseException:
            self.stop()
            raise

    def _wait(self) -> None:
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                break
            try:
                with urllib.request.urlopen(f"{self.uri}/health", timeout=2):
                    return
            except OSError:
                time.sleep(0.1)  # between two looks; the deadline is above
        self._log.flush()
        said = Path(self._log.name).read_text(errors="replace")[-2000:]
        raise AssertionError(f"no MLflow server within {START_S} s: {said}")

    def stop(self) -> None:
        """End the server and its workers."""
        for sign in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self._process.pid, sign)
            except ProcessLookupError:
                break
            try:
                self._process.wait(END_S)
                break
            except subprocess.TimeoutExpired:
                continue
        self._log.close()

    def rest(self, path: str, body: object = None) -> Any:
        """Ask the server's own REST: GET, or POST with a body."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.uri}/{path}", data=data, headers={"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=20) as reply:
            return json.loads(reply.read())

    def runs(self, experiment: str) -> list[dict[str, Any]]:
        """Every run of an experiment, params, metrics and tags as mappings."""
        found = self.rest(f"api/2.0/mlflow/experiments/get-by-name?experiment_name={experiment}")["experiment"]
        runs = self.rest("api/2.0/mlflow/runs/search", {"experiment_ids": [found["experiment_id"]]}).get("runs", [])
        return [
            {"info": one["info"]}
            | {part: {row["key"]: row["value"] for row in one["data"].get(part, [])} for part in _PARTS}
            for one in runs
        ]

    def files(self, run_id: str, folder: str = "") -> list[str]:
        """The artifacts of a run, folders with a slash."""
        found = self.rest(f"api/2.0/mlflow/artifacts/list?run_id={run_id}&path={folder}").get("files", [])
        return sorted(one["path"] + ("/" if one["is_dir"] else "") for one in found)

    def text(self, run_id: str, path: str) -> str:
        """The content of an artifact."""
        with urllib.request.urlopen(f"{self.uri}/get-artifact?run_id={run_id}&path={path}", timeout=20) as reply:
            return reply.read().decode()


_PARTS = ("params", "metrics", "tags")


@contextmanager
def mlflow_server(folder: Path) -> Iterator[MlflowServer]:
    """Start a server with its data in `folder`; end it."""
    server = MlflowServer(folder)
    try:
        yield server
    finally:
        server.stop()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
