"""The development cluster of a benchmark: started in a folder of its own, ended and wiped afterwards."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

REPO = Path(__file__).resolve().parents[1]
CLUSTER = REPO / "deploy" / "devcluster" / "devcluster"


@contextmanager
def running_cluster(folder: Path, port_offset: int) -> Iterator[dict[str, str]]:
    """A cluster of our own, and the environment of a client."""
    place = ["--dir", str(folder)]
    subprocess.run([CLUSTER, "up", *place, "--port-offset", str(port_offset)], check=True, stdout=subprocess.DEVNULL)
    try:
        yield client_env(folder)
    finally:
        subprocess.run([CLUSTER, "down", "--wipe", *place], check=True, stderr=subprocess.DEVNULL)


def client_env(folder: Path) -> dict[str, str]:
    """The environment of a client of the cluster that runs in a folder."""
    command = [CLUSTER, "env", "--dir", str(folder)]
    exported = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    lines = (shlex.split(line)[1].partition("=") for line in exported.splitlines())
    return {**os.environ, **{name: value for name, _, value in lines}}
