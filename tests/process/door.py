"""Our program as a subprocess in a small world of its own: folders, Hadoop XML, a recorder as spark-submit, no more."""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from batch_submit.ledger import Run, SqliteLedger
from tests.process.canned_rm import CannedResourceManager
from tests.process.canned_webhdfs import CannedWebHdfs
from tests.process.scripted_application import Application

REPOSITORY = Path(__file__).resolve().parents[2]
PROGRAM = REPOSITORY / "batch_submit.sh"
RECORDER = Path(__file__).parent / "recorder"
#: How long anything may take on a busy machine before a test says that it hangs.
PATIENCE_S = 45.0
#: All that our shell door and the recorder's first line need of a host.
_TOOLS = ("bash", "env", "dirname", "readlink")

Step = tuple[str, str, dict[str, Any]]
SUCCEEDED: Step = ("FINISHED", "SUCCEEDED", {})
RUNNING: Step = ("RUNNING", "UNDEFINED", {})

CONFIG = """\
execution:
  log_file: our.log
job_specific_config:
  custom:
    script: job.py
"""


def until(condition: Callable[[], Any], what: str, seconds: float = PATIENCE_S) -> Any:
    """Wait until ``condition`` gives something true, and give it back."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:.0f} s: {what}")
        time.sleep(0.02)
    return value


@dataclass(frozen=True)
class Outcome:
    """How a call ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one line of stdout as JSON."""
        assert self.out.count("\n") == 1, self.out
        return json.loads(self.out)

    def said(self, *texts: str) -> bool:
        """Whether stderr holds every text; a failing assertion shows all of it."""
        return all(text in self.err for text in texts)


class Running:
    """A call that has not ended."""

    def __init__(self, process: subprocess.Popen[bytes], out: Path, err: Path) -> None:
        self.process = process
        self._out, self._err = out, err

    @property
    def err(self) -> str:
        """What stderr holds so far."""
        return self._err.read_text(encoding="utf-8", errors="replace")

    def wait_until_said(self, text: str) -> None:
        """Wait until stderr holds a text."""
        until(lambda: text in self.err or self.process.poll() is not None, f"stderr holds {text!r}: {self.err}")
        assert text in self.err, f"{text!r} was never said (exit {self.process.poll()}): {self.err}"

    def send(self, number: int) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def end(self) -> Outcome:
        """Wait for its end."""
        if self.process.poll() is None:
            descriptor = os.pidfd_open(self.process.pid)
            try:
                ended, _, _ = select.select(
                    [descriptor], [], [], PATIENCE_S
                )  # at once, where Popen.wait() looks now and then
            finally:
                os.close(descriptor)
            assert ended, f"it does not end; stderr so far: {self.err}"
        return Outcome(self.process.wait(), self._out.read_text(encoding="utf-8"), self.err)

    def close(self) -> None:
        """End it, whatever it does."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


@dataclass
class Call:
    """One call of the recorder."""

    argv: list[str]
    environment: dict[str, str]
    pid: int
    session: int
    caller: int
    cwd: str
    properties: dict[str, Any] | None

    def value(self, flag: str) -> str:
        """The value of a flag of spark-submit."""
        return self.argv[self.argv.index(flag) + 1]

    @property
    def conf(self) -> dict[str, str]:
        """The properties given as ``--conf``."""
        return conf_of(self.argv)


def conf_of(argv: list[str]) -> dict[str, str]:
    """The ``--conf`` properties of a spark-submit command."""
    pairs = [argv[at + 1] for at, word in enumerate(argv) if word == "--conf"]
    return {key: value for key, _, value in (pair.partition("=") for pair in pairs)}


@dataclass
class Door:
    """Runs ``./batch_submit.sh …`` in a clean environment.

    Parameters
    ----------
    folder
        Its world: ``home``, ``work`` (the working directory, with ``job_config.yaml`` and ``job.py``), ``recorder``.
    rm, webhdfs
        The servers that the generated XML names.
    """

    folder: Path
    rm: CannedResourceManager
    webhdfs: CannedWebHdfs
    env: dict[str, str] = field(default_factory=dict)
    program: list[str] = field(default_factory=lambda: [str(PROGRAM)])
    running: list[Running] = field(default_factory=list)

    def __post_init__(self) -> None:
        for name in ("home", "work", "recorder", "conf", "streams", "bin", "java"):
            (self.folder / name).mkdir()
        self.write_config(CONFIG)
        (self.work / "job.py").write_text("print('a job')\n")
        self._make_programs()
        write_xml(self.folder / "conf", self.rm.url, self.webhdfs.url)
        self.env = {
            "HOME": str(self.folder / "home"),
            "PATH": f"{RECORDER}:{self.folder / 'java'}:{self.folder / 'bin'}",
            "LANG": "C.UTF-8",
            "HADOOP_CONF_DIR": str(self.folder / "conf"),
            "BATCH_SUBMIT_PYTHON": sys.executable,
            "RECORDER_FOLDER": str(self.folder / "recorder"),
        }
        self.submits()

    def _make_programs(self) -> None:
        for tool in _TOOLS:
            (self.folder / "bin" / tool).symlink_to(str(shutil.which(tool)))
        (self.folder / "bin" / "python3").symlink_to(Path(sys.executable).resolve())
        java = self.folder / "java" / "java"
        java.write_text("#!/usr/bin/env bash\nexit 0\n")
        java.chmod(0o755)

    @property
    def work(self) -> Path:
        """The working directory of the calls."""
        return self.folder / "work"

    @property
    def state(self) -> Path:
        """Our state folder."""
        return self.folder / "home/.local/state/batch-submit"

    @property
    def log(self) -> Path:
        """Our log file."""
        return self.work / "our.log"

    def write_config(self, text: str, name: str = "job_config.yaml") -> None:
        """Write a configuration file into the working directory."""
        (self.work / name).write_text(text)

    def submits(self, *steps: Step, announce: str = "", **fields: Any) -> None:
        """The recorder submits an application that goes through these steps (default: it succeeds at once).

        ``announce`` is written to its stderr, ``{id}`` standing for the application id; ``fields`` are more of the
        application's, as :meth:`CannedResourceManager.add` takes them.
        """
        self.recorder(submit={"steps": list(steps) or [SUCCEEDED], **fields}, announce=announce)

    def submits_in_turn(self, *applications: list[Step]) -> None:
        """The recorder's first call submits an application that goes through the first list of steps, and so on."""
        self.recorder(submits=[{"steps": steps} for steps in applications])

    def recorder(self, **settings: Any) -> None:
        """Set what the recorder does; see its file."""
        text = json.dumps({"rm_url": self.rm.url, **settings})
        part = self.folder / "recorder" / "settings.part"
        part.write_text(text)
        part.replace(self.folder / "recorder" / "settings.json")

    def settings(self) -> dict[str, Any]:
        """What the recorder is set to."""
        loaded: dict[str, Any] = json.loads((self.folder / "recorder" / "settings.json").read_text())
        return loaded

    def holds(self, when: str = "wait_before") -> Path:
        """Let the recorder wait before (``wait_before``) or after its submission until this file appears."""
        gate = self.folder / f"gate-{when}"
        self.recorder(**{**self.settings(), when: str(gate)})
        return gate

    @property
    def calls(self) -> list[Call]:
        """The calls of the recorder so far."""
        files = sorted((self.folder / "recorder").glob("call-*.json"), key=lambda path: int(path.stem[5:]))
        return [Call(**json.loads(path.read_text())) for path in files]

    @property
    def call(self) -> Call:
        """The only call of the recorder."""
        (one,) = self.calls
        return one

    @property
    def application(self) -> Application:
        """The only application that our program has submitted."""
        (one,) = [app for app in self.rm.applications.values() if "batch-submit" in app.fields["applicationTags"]]
        return one

    @property
    def application_id(self) -> str:
        """Its id."""
        return str(self.application.fields["id"])

    def records(self) -> list[dict[str, Any]]:
        """The run records."""
        return [json.loads(path.read_text()) for path in self.state.glob("runs/*/*/[!.]*.json")]

    def rewrite(self, **changes: Any) -> None:
        """Change the newest try of the only record, as if another process or crash had left it so."""
        (path,) = self.state.glob("runs/*/*/[!.]*.json")
        run = json.loads(path.read_text())
        run["tries"][-1] |= changes
        SqliteLedger(path.parent).save(Run.from_json(json.dumps(run)))

    def forget_records(self) -> None:
        """As on another host: nothing is on record, only the locks and logs of this one are there."""
        for path in self.state.glob("runs/*/*/[!.]*"):
            path.unlink()

    @property
    def last_try(self) -> dict[str, Any]:
        """The newest try of the only record."""
        (record,) = self.records()
        newest: dict[str, Any] = record["tries"][-1]
        return newest

    def start(
        self,
        *arguments: str,
        env: Mapping[str, str | None] | None = None,
        cwd: Path | None = None,
        program: list[str] | None = None,
        **streams: Any,
    ) -> Running:
        """Start a call; ``env`` changes variables (``None`` takes one away)."""
        merged = {**self.env, **(env or {})}
        number = len(self.running)
        out, err = (self.folder / "streams" / f"{number}.{name}" for name in ("out", "err"))
        with out.open("wb") as out_file, err.open("wb") as err_file:
            process = subprocess.Popen(
                [*(program or self.program), *arguments],
                env={name: value for name, value in merged.items() if value is not None},
                cwd=cwd or self.work,
                **{"stdin": subprocess.DEVNULL, "stdout": out_file, "stderr": err_file, **streams},
            )
        running = Running(process, out, err)
        self.running.append(running)
        return running

    def changed_program(self, *statements: str, name: str = "changed.py") -> list[str]:
        """Our program as a script of this name that runs these statements after its modules are loaded."""
        lines = [
            "import sys",
            f"sys.path[:0] = [{str(REPOSITORY / 'deploy/hadoop')!r}, {str(REPOSITORY)!r}]",
            "from batch_submit import cli",
            "from batch_submit.launchers import spark_submit as launcher",
            "from batch_submit.operations import once, waiting, watch",
            "def boom(*_, **__): raise ZeroDivisionError('boom')",
            *statements,
            "cli.main()",
        ]
        script = self.folder / name
        script.write_text("\n".join(lines) + "\n")
        return [sys.executable, str(script)]

    def quick(self) -> Door:
        """This door with a program that asks ten times a second how a run stands."""
        self.program = self.changed_program(
            "watch._FIRST_POLL_S = watch._LAST_POLL_S = 0.1", "launcher._CLIENT_LOOKUP_S = 0.1"
        )
        return self

    def run(self, *arguments: str, **how: Any) -> Outcome:
        """Run a call to its end; ``how`` as for :meth:`start`."""
        return self.start(*arguments, **how).end()

    def submit(self, *arguments: str, **how: Any) -> Outcome:
        """``submit -t custom …`` with the script of the configuration."""
        return self.run("submit", "-t", "custom", *arguments, **how)

    def submitting(self, *arguments: str, **how: Any) -> Running:
        """The same, left running."""
        return self.start("submit", "-t", "custom", *arguments, **how)

    def close(self) -> None:
        """End what this door has started, drivers of backend local included."""
        for running in self.running:
            running.close()
        for file in self.state.glob("local/*/*/process.json"):
            process = json.loads(file.read_text())
            for pid in (process["pid"], process["driver_pid"]):
                end_recorder(int(pid), self.folder)
        if any(self.state.glob("many/*")):  # each run is a session of its own, which outlives a call that was killed
            for folder in Path("/proc").glob("[0-9]*"):
                end_recorder(int(folder.name), self.folder)


def end_recorder(pid: int, folder: Path) -> None:
    """Kill a process if it is one of this world's: pids are used again."""
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes()
        if f"RECORDER_FOLDER={folder}".encode() in environment:
            os.kill(pid, signal.SIGKILL)
    except OSError:
        return  # it has ended


def write_xml(folder: Path, rm_url: str, webhdfs_url: str) -> None:
    """The three files of a Hadoop configuration folder."""
    site = {
        "core-site.xml": {"fs.defaultFS": "hdfs://127.0.0.1:9000"},
        "hdfs-site.xml": {"dfs.namenode.http-address": webhdfs_url.removeprefix("http://")},
        "yarn-site.xml": {"yarn.resourcemanager.webapp.address": rm_url.removeprefix("http://")},
    }
    for name, values in site.items():
        inside = [f"<property><name>{key}</name><value>{value}</value></property>" for key, value in values.items()]
        (folder / name).write_text(f"<configuration>{''.join(inside)}</configuration>\n")
