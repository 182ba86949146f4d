"""Finding spark-submit and Java on this host, and running the one in a session of its own."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from batch_submit.errors import HostNotReady


@dataclass(frozen=True)
class SparkDistribution:
    """A Spark on this host: its spark-submit, and its home ("" when the program's folder does not tell it)."""

    spark_submit: str
    home: str
    found_by: str

    def jars(self) -> list[Path]:
        """The jars that a submit without ``spark.yarn.jars``/``archive`` uploads each time."""
        return sorted(Path(self.home, "jars").glob("*.jar")) if self.home else []

    @property
    def log4j_generation(self) -> int:
        """1 for Spark up to 3.2, 2 from 3.3 on."""
        return 1 if any(jar.name.startswith("log4j-1.2.1") for jar in self.jars()) else 2


def find_spark(env: Mapping[str, str]) -> SparkDistribution:
    """Find spark-submit by ``SPARK_HOME``, then ``PATH``, then an installed pyspark (not imported).

    Raises
    ------
    HostNotReady
        Naming what was looked at.
    """
    home = env.get("SPARK_HOME", "")
    if home:
        program = Path(home, "bin", "spark-submit")
        if not os.access(program, os.X_OK):
            raise HostNotReady(
                f"SPARK_HOME={home} holds no bin/spark-submit", next_step="point SPARK_HOME to a Spark distribution"
            )
        return SparkDistribution(str(program), home, "SPARK_HOME")
    on_path = shutil.which("spark-submit", path=env.get("PATH", os.defpath))
    if on_path:
        return SparkDistribution(on_path, _home_of(Path(on_path)), "PATH")
    spec = importlib.util.find_spec("pyspark")
    for folder in (spec.submodule_search_locations or []) if spec is not None else []:
        program = Path(folder, "bin", "spark-submit")
        if program.is_file():
            return SparkDistribution(str(program), folder, "the installed pyspark")
    raise HostNotReady(
        "no spark-submit: SPARK_HOME is not set, none is on PATH, and pyspark is not installed",
        next_step="export SPARK_HOME=<Spark>, or pip install 'batch-submit[spark]'",
    )


def _home_of(program: Path) -> str:
    """The Spark home of a spark-submit on PATH.

    pip puts a copy into ``<venv>/bin`` that fails without ``SPARK_HOME`` ("Could not find valid SPARK_HOME") unless
    that environment's python is first on PATH; the distribution then lies in its site-packages.
    """
    resolved = program.resolve()
    prefix = resolved.parent.parent
    if (prefix / "jars").is_dir():
        return str(prefix)
    for candidate in sorted(prefix.glob("lib/python*/site-packages/pyspark")):
        if (candidate / "jars").is_dir():
            return str(candidate)
    return ""


def find_java(env: Mapping[str, str]) -> str:
    """``JAVA_HOME`` if set and usable, "" if ``java`` is on PATH.

    Raises
    ------
    HostNotReady
        When there is neither.
    """
    home = env.get("JAVA_HOME", "")
    if home:
        if not os.access(Path(home, "bin", "java"), os.X_OK):
            raise HostNotReady(f"JAVA_HOME={home} holds no bin/java", next_step="point JAVA_HOME to Java 17")
        return home
    if shutil.which("java", path=env.get("PATH", os.defpath)):
        return ""
    raise HostNotReady(
        "no Java: JAVA_HOME is not set and no java is on PATH",
        next_step="install Java 17 (apt-get install openjdk-17-jre-headless) or export JAVA_HOME",
    )


def spark_defaults_file(env: Mapping[str, str], spark_home: str) -> Path | None:
    """The site's ``spark-defaults.conf``: ``$SPARK_CONF_DIR``, ``$SPARK_HOME/conf``, ``/etc/spark/conf``."""
    folders = [env.get("SPARK_CONF_DIR", ""), f"{spark_home}/conf" if spark_home else "", "/etc/spark/conf"]
    for folder in folders:
        if folder:
            path = Path(folder, "spark-defaults.conf")
            if path.is_file():
                return path
            if folder == env.get("SPARK_CONF_DIR"):
                return None  # a named folder without the file means: no defaults, as for Spark itself
    return None


def write_secret_properties(secrets: Mapping[str, str], folder: Path) -> str:
    """Write the secret properties to a new Java properties file of mode 0600; returns its path.

    Raises
    ------
    HostNotReady
        When it can't be written: nothing was launched then.
    """
    text = "".join(f"{_escape(key)}={_escape(value)}\n" for key, value in sorted(secrets.items()))
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix="secrets-", suffix=".properties", dir=folder)  # mkstemp: mode 0600
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise HostNotReady(
            f"the file for the secret properties can't be written: {error.strerror or error}",
            where=str(folder),
            next_step="make the folder writable, or set XDG_STATE_HOME to one that is",
        ) from error
    return name


@contextlib.contextmanager
def secret_properties(secrets: Mapping[str, str], folder: Path) -> Iterator[str]:
    """The same file, gone at the end of the block."""
    name = write_secret_properties(secrets, folder)
    try:
        yield name
    finally:
        Path(name).unlink(missing_ok=True)


def _escape(text: str) -> str:
    """Escape as ``java.util.Properties.store`` does, so that no character is read as a separator or comment."""
    out = []
    for character in text:
        if character in "\\:=#! ":
            out.append("\\" + character)
        elif character in "\n\r\t":
            out.append({"\n": "\\n", "\r": "\\r", "\t": "\\t"}[character])
        elif not 0x20 <= ord(character) <= 0x7E:
            data = character.encode("utf-16-be")
            out += [f"\\u{data[i]:02x}{data[i + 1]:02x}" for i in range(0, len(data), 2)]
        else:
            out.append(character)
    return "".join(out)


def _folder_to_start_in() -> str | None:
    """Ours; the root where ours was removed under us, because a JVM does not start there."""
    try:
        Path.cwd()
    except FileNotFoundError:
        return "/"
    return None


class Child:
    """A running program in a session of its own, so that a signal to our process group does not end it.

    Its output goes to a file, not a pipe: it can't be blocked by us, nor end by our death.
    """

    def __init__(self, argv: Sequence[str], environment: Mapping[str, str], output: Path | None) -> None:
        try:
            target = output.open("ab") if output is not None else None
            try:
                self._process = subprocess.Popen(
                    list(argv),
                    env=dict(environment),
                    stdin=subprocess.DEVNULL,
                    stdout=target if target is not None else 2,
                    stderr=subprocess.STDOUT if target is not None else None,
                    cwd=_folder_to_start_in(),
                    start_new_session=True,
                )
            finally:
                if target is not None:
                    target.close()
        except OSError as error:
            raise HostNotReady(
                f"{argv[0]} can't be started: {error.strerror or error}", next_step="check the program and its mode"
            ) from error

    @property
    def pid(self) -> int:
        """The process id, which is the id of its session and group too."""
        return self._process.pid

    def poll(self) -> int | None:
        """The exit status (negative: ended by that signal); ``None`` while it runs."""
        return self._process.poll()

    def end(self) -> None:
        """Ask the whole group to end."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGTERM)
