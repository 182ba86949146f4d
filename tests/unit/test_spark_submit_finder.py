"""Which spark-submit, which Java, which defaults: found in the order of the contract, in fake folders."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batch_submit.adapters.spark_finder import find_java, find_spark, spark_defaults_file
from batch_submit.adapters.spark_submit import is_in_use, secret_properties, write_secret_properties
from batch_submit.errors import ExitCode, HostNotReady
from batch_submit.launchers.spark_submit import SparkSubmitLauncher
from batch_submit.plan.java_properties import parse_properties
from tests.unit.fake_clock import START, FakeClock


def program(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def spark(home: Path, *jars: str) -> Path:
    program(home / "bin" / "spark-submit")
    (home / "jars").mkdir()
    for jar in jars:
        (home / "jars" / jar).write_text("", encoding="utf-8")
    return home


@pytest.fixture
def without_pyspark(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)


# --- spark-submit -----------------------------------------------------------------------------------------------------


def test_spark_home_comes_before_path(tmp_path: Path) -> None:
    home, other = spark(tmp_path / "a"), spark(tmp_path / "b")
    found = find_spark({"SPARK_HOME": str(home), "PATH": str(other / "bin")})
    assert (found.spark_submit, found.home, found.found_by) == (str(home / "bin/spark-submit"), str(home), "SPARK_HOME")


@pytest.mark.parametrize("spoil", [Path.unlink, lambda path: path.chmod(0o644)], ids=["missing", "not executable"])
def test_a_wrong_spark_home_is_never_passed_over(tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    home = spark(tmp_path / "a")
    spoil(home / "bin" / "spark-submit")
    with pytest.raises(HostNotReady, match="holds no bin/spark-submit") as caught:
        find_spark({"SPARK_HOME": str(home), "PATH": str(spark(tmp_path / "b") / "bin")})
    assert caught.value.exit_code is ExitCode.HOST_NOT_READY
    assert str(home) in caught.value.message
    assert "SPARK_HOME" in caught.value.next_step


def test_path_is_next_and_tells_the_home_through_a_link(tmp_path: Path) -> None:
    home = spark(tmp_path / "opt" / "spark-4.3.0")
    (tmp_path / "usr-bin").mkdir()
    (tmp_path / "usr-bin" / "spark-submit").symlink_to(home / "bin" / "spark-submit")
    found = find_spark({"SPARK_HOME": "", "PATH": str(tmp_path / "usr-bin")})
    assert (found.home, found.found_by) == (str(home), "PATH")


def test_pips_copy_on_path_belongs_to_its_pyspark(tmp_path: Path) -> None:
    program(tmp_path / "venv" / "bin" / "spark-submit")
    home = spark(tmp_path / "venv" / "lib" / "python3.11" / "site-packages" / "pyspark")
    assert find_spark({"PATH": str(tmp_path / "venv" / "bin")}).home == str(home)


def test_a_wrapper_somewhere_tells_no_home(tmp_path: Path) -> None:
    found = find_spark({"PATH": str(program(tmp_path / "bin" / "spark-submit").parent)})
    assert (found.home, found.jars(), found.log4j_generation) == ("", [], 2)


def test_an_installed_pyspark_is_the_last_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = spark(tmp_path / "pyspark")
    (home / "__init__.py").write_text("raise AssertionError('it is never imported')", encoding="utf-8")
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    monkeypatch.setattr(sys, "modules", {name: kept for name, kept in sys.modules.items() if name != "pyspark"})
    found = find_spark({"PATH": str(tmp_path)})
    assert (found.home, found.found_by) == (str(home), "the installed pyspark")


@pytest.mark.usefixtures("without_pyspark")
def test_nothing_anywhere_names_all_three_places(tmp_path: Path) -> None:
    with pytest.raises(HostNotReady) as caught:
        find_spark({"PATH": str(tmp_path)})
    assert caught.value.exit_code is ExitCode.HOST_NOT_READY
    for place in ("SPARK_HOME", "PATH", "pyspark"):
        assert place in caught.value.message
    assert "pip install" in caught.value.next_step


@pytest.mark.parametrize(("jar", "generation"), [("log4j-1.2.17.jar", 1), ("log4j-api-2.24.3.jar", 2)])
def test_the_generation_of_log4j(tmp_path: Path, jar: str, generation: int) -> None:
    home = spark(tmp_path / "a", jar, "log4j-1.2-api-2.24.3.jar")
    found = find_spark({"SPARK_HOME": str(home)})
    assert found.log4j_generation == generation
    assert len(found.jars()) == 2


# --- Java -------------------------------------------------------------------------------------------------------------


def test_java_home_comes_before_path(tmp_path: Path) -> None:
    java = program(tmp_path / "jdk" / "bin" / "java")
    assert find_java({"JAVA_HOME": str(tmp_path / "jdk"), "PATH": "/nowhere"}) == str(tmp_path / "jdk")
    assert find_java({"PATH": str(java.parent)}) == ""


def test_a_java_home_without_java_is_never_passed_over(tmp_path: Path) -> None:
    java = program(tmp_path / "jdk" / "bin" / "java")
    with pytest.raises(HostNotReady, match="JAVA_HOME=/nowhere holds no bin/java") as caught:
        find_java({"JAVA_HOME": "/nowhere", "PATH": str(java.parent)})
    assert caught.value.exit_code is ExitCode.HOST_NOT_READY


def test_no_java_says_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(HostNotReady, match="no Java") as caught:
        find_java({"PATH": str(tmp_path)})
    assert "openjdk-17" in caught.value.next_step


# --- the site's defaults ----------------------------------------------------------------------------------------------


def test_the_sites_defaults_in_the_order_of_spark(tmp_path: Path) -> None:
    home, named, empty = tmp_path / "home", tmp_path / "named", tmp_path / "empty"
    for folder in (home / "conf", named, empty):
        folder.mkdir(parents=True)
    for folder in (home / "conf", named):
        (folder / "spark-defaults.conf").write_text("", encoding="utf-8")
    env = {"SPARK_CONF_DIR": str(named)}
    assert spark_defaults_file(env, str(home)) == named / "spark-defaults.conf"
    assert spark_defaults_file({}, str(home)) == home / "conf" / "spark-defaults.conf"
    # A named folder without the file means: no defaults.
    assert spark_defaults_file({"SPARK_CONF_DIR": str(empty)}, str(home)) is None


# --- the secret properties --------------------------------------------------------------------------------------------

TEXTS = st.text(st.characters(codec="utf-8"), max_size=12)
SECRETS = st.dictionaries(TEXTS.map(lambda text: f"spark.{text}"), TEXTS, max_size=4)
#: Spark itself trims a value of a properties file (``Utils.trimExceptCRLF``).
TRIMMED = "".join(chr(code) for code in range(33) if chr(code) not in "\r\n")


def joined(text: str) -> str:
    """Java reads two escaped surrogates as one character; our reader leaves them apart."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(secrets=SECRETS)
def test_java_reads_back_every_secret_as_it_was(tmp_path: Path, secrets: dict[str, str]) -> None:
    with secret_properties(secrets, tmp_path) as name:
        text = Path(name).read_text(encoding="ascii")
        assert stat.S_IMODE(Path(name).stat().st_mode) == 0o600
    read = parse_properties(text, "x")
    assert read.errors == ()
    found = {joined(one.key): joined(one.value) for one in read.entries}
    assert found == {key: value.strip(TRIMMED) for key, value in secrets.items()}
    assert not Path(name).exists()


def test_the_file_is_gone_after_an_error_too(tmp_path: Path) -> None:
    with pytest.raises(KeyError), secret_properties({"a": "b"}, tmp_path):
        raise KeyError
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_can_not_be_written_is_this_hosts_problem(tmp_path: Path) -> None:
    (tmp_path / "launch").write_text("in the way", encoding="utf-8")
    with pytest.raises(HostNotReady, match="secret properties can't be written") as caught:
        write_secret_properties({"spark.x.password": "hunter2"}, tmp_path / "launch")
    assert caught.value.exit_code is ExitCode.HOST_NOT_READY
    assert caught.value.where == str(tmp_path / "launch")
    assert "hunter2" not in str(caught.value)


def test_secrets_of_a_living_call_are_not_left_behind_whatever_the_clock_says(tmp_path: Path) -> None:
    clock = FakeClock()
    clock.wall_s = 400 * 86_400.0
    sweeper = SparkSubmitLauncher(None, {}, tmp_path, clock, None)  # type: ignore[arg-type]
    dead = Path(write_secret_properties({"a": "b"}, tmp_path))
    with secret_properties({"a": "b"}, tmp_path) as name:
        for path in (dead, Path(name)):
            os.utime(path, (START.timestamp(), START.timestamp()))
        assert is_in_use(Path(name)) and not is_in_use(dead)
        sweeper._sweep()
        assert Path(name).exists() and not dead.exists()
    assert list(tmp_path.iterdir()) == []
