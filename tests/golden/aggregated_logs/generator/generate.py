"""Makes the files in the folder above anew; see README.md there."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPO = HERE.parents[3]
APPLICATION = "application_1795000000000_12345"
OWNER = "alice"
NODE = "worker-1.example:8041"
FIRST = "container_e17_1795000000000_12345_01_000001"
SECOND = "container_e17_1795000000000_12345_01_000002"
THIRD = "container_e17_1795000000000_12345_01_000003"

Logs = Mapping[str, Mapping[str, bytes]]


def lines(word: str, count: int) -> bytes:
    """Log lines that differ and still compress well."""
    return b"".join(f"25/11/21 12:00:00 INFO {word}: line {number % 500}\n".encode() for number in range(count))


def first_upload() -> Logs:
    """Several containers, empty files, non-ASCII names and content, one file of many chunks, several blocks."""
    binary = bytes(range(256)) * 40
    return {
        FIRST: {
            "directory.info": b"ls -l:\ntotal 4\n",
            "prelaunch.err": b"",
            "größe-日志-😀.log": "Zeile äöü\n行\n😀\n".encode() * 20,
            "stderr": lines("DAGScheduler", 150_000),
            "stdout": b"Traceback (most recent call last):\n  no newline at the end",
        },
        SECOND: {"stderr": lines("Executor", 6_000), "stdout": b""},
        THIRD: {"gc.log.0.current": binary, "stderr": lines("Executor", 7_000)},
    }


def second_upload() -> Logs:
    """What a long-running application has written since."""
    return {FIRST: {"stderr": lines("Later", 1_000)}, SECOND: {"stdout": b"late\n"}}


def put(folder: Path, logs: Logs) -> None:
    """Lay the logs out as a NodeManager has them."""
    for container, files in logs.items():
        place = folder / APPLICATION / container
        place.mkdir(parents=True)
        for name, content in files.items():
            (place / name).write_bytes(content)


def compiled(folder: Path) -> list[str]:
    """The command that runs the writer, after compiling it into a folder."""
    jars = f"{spark_home()}/jars/*"
    subprocess.run(["javac", "-cp", jars, "-d", str(folder), str(HERE / "WriteAggregatedLogs.java")], check=True)
    return [
        "java",
        "-Dfile.encoding=UTF-8",
        "-Dsun.jnu.encoding=UTF-8",
        "-cp",
        f"{folder}:{jars}",
        "WriteAggregatedLogs",
    ]


def spark_home() -> Path:
    """Where Hadoop's classes are: in the Spark package of this Python."""
    import pyspark

    return Path(pyspark.__file__).parent


def shell(environment: Mapping[str, str], *arguments: str) -> None:
    """``hdfs dfs``, without its script."""
    path = f"{environment['HADOOP_CONF_DIR']}:{spark_home()}/jars/*"
    subprocess.run(["java", "-cp", path, "org.apache.hadoop.fs.FsShell", *arguments], check=True, env=environment)


def main(hdfs: str) -> int:
    """Write all files; the rolling ones need a filesystem that can append."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        put(folder / "1", first_upload())
        put(folder / "2", second_upload())
        command = compiled(folder / "classes")
        environment = dict(os.environ) | {"LC_ALL": "C.UTF-8", "HADOOP_USER_NAME": OWNER}

        def write(kind: str, codec: str, target: str, *uploads: int) -> None:
            what = [kind, codec, OWNER, APPLICATION, NODE, target]
            places = [str(folder / str(number)) for number in uploads]
            subprocess.run([*command, *what, *places], check=True, env=environment)

        for kind in ("TFile", "IFile"):
            for codec in ("none", "gz"):
                write(kind, codec, (folder / f"{kind.lower()}_{codec}").as_uri(), 1)
        write("TFile", "none", (folder / "tfile_second").as_uri(), 2)
        shell(environment, "-mkdir", "-p", f"{hdfs}/rolling")
        write("IFile", "gz", f"{hdfs}/rolling/ifile_rolling", 1, 2)
        shell(environment, "-get", f"{hdfs}/rolling", str(folder))
        shell(environment, "-rm", "-r", "-skipTrash", f"{hdfs}/rolling")
        for number, upload in enumerate(sorted((folder / "rolling").glob("ifile_rolling_*")), start=1):
            upload.rename(folder / f"ifile_rolling_{number}")
        for made in sorted(folder.glob("?file_*")):
            (HERE.parent / f"{made.name}.gz").write_bytes(gzip.compress(made.read_bytes(), mtime=0))
    described = [
        {
            container: {name: [len(content), hashlib.sha256(content).hexdigest()] for name, content in files.items()}
            for container, files in upload.items()
        }
        for upload in (first_upload(), second_upload())
    ]
    (HERE.parent / "expected.json").write_text(json.dumps(described, indent=1, ensure_ascii=False) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1].rstrip("/")))
