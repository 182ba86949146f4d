"""Finding and reading configuration files; every failure names the place and says what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from batch_submit.adapters.config_files import MAX_BYTES, find_config, read_sources
from batch_submit.errors import ConfigError, MissingFile, UsageError


@pytest.fixture()
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    work, home = tmp_path / "work", tmp_path / "home"
    work.mkdir()
    home.mkdir()
    monkeypatch.chdir(work)
    return work, home


def test_the_working_directory_comes_before_the_scripts_folder(folders: tuple[Path, Path]) -> None:
    work, home = folders
    (home / "job_config.yaml").write_text("")
    assert find_config(None, cwd=work, homes=[home]) == home / "job_config.yaml"
    (work / "job_config.yaml").write_text("")
    assert find_config(None, cwd=work, homes=[home]) == work / "job_config.yaml"
    (home / "other.yaml").write_text("")
    assert find_config("other.yaml", cwd=work, homes=[home]) == home / "other.yaml"
    assert find_config(str(home / "other.yaml"), cwd=work, homes=[]) == home / "other.yaml"


def test_a_missing_file_lists_every_place(folders: tuple[Path, Path]) -> None:
    work, home = folders
    with pytest.raises(MissingFile) as caught:
        find_config("nope.yaml", cwd=work, homes=[home, home])
    assert caught.value.details == (f"looked at {work / 'nope.yaml'}", f"looked at {home / 'nope.yaml'}")
    with pytest.raises(MissingFile):
        find_config("a\0b", cwd=work, homes=[])
    with pytest.raises(UsageError):
        find_config("", cwd=work, homes=[])


def test_texts_names_and_folders(folders: tuple[Path, Path]) -> None:
    work, home = folders
    (work / "c.yaml").write_text("execution: {}", encoding="utf-8-sig")
    (work / "c_prod.yaml").write_text("storage_root: /x")
    (work / "c_dev.yaml").write_text("")
    site = home / "spark-defaults.conf"
    site.write_bytes(b"# caf\xe9\nspark.a 1\n")
    sources = read_sources(work / "c.yaml", env="prod", spark_defaults=site)
    assert sources.main is not None and sources.overlay is not None and sources.spark_defaults is not None
    assert (sources.main.text, sources.main.name, sources.main.folder) == ("execution: {}", "c.yaml", str(work))
    assert sources.overlay.name == "c_prod.yaml"
    assert sources.spark_defaults.name == str(site)
    assert sources.disk_environments == ("dev", "prod")
    outside = home / "d.yaml"
    outside.write_text("")
    again = read_sources(outside, env="prod", spark_defaults=home / "none.conf")
    assert again.main is not None
    assert again.main.name == str(outside)
    assert (again.overlay, again.spark_defaults, again.overlay_place) == (None, None, str(home / "d_prod.yaml"))


@pytest.mark.parametrize("env", ["../x", "", "a/b", "a b", "-x"])
def test_an_environment_is_a_name_and_no_path(folders: tuple[Path, Path], env: str) -> None:
    with pytest.raises(UsageError, match="not the name of an environment"):
        read_sources(folders[0] / "c.yaml", env=env, spark_defaults=None)


def test_files_that_are_no_configuration(folders: tuple[Path, Path]) -> None:
    work, _ = folders
    cases = {"latin1.yaml": b"a: 1\nb: caf\xe9\n", "large.yaml": b"#" * (MAX_BYTES * 10)}
    for name, data in cases.items():
        (work / name).write_bytes(data)
    with pytest.raises(ConfigError, match="byte 0xe9") as caught:
        read_sources(work / "latin1.yaml", env=None, spark_defaults=None)
    assert caught.value.where == "latin1.yaml:2"
    with pytest.raises(ConfigError, match="larger than 1024 KiB"):
        read_sources(work / "large.yaml", env=None, spark_defaults=None)
    (work / "folder.yaml").mkdir()
    with pytest.raises(MissingFile, match="is a directory"):
        read_sources(work / "folder.yaml", env=None, spark_defaults=None)
    with pytest.raises(MissingFile, match="no such file"):
        read_sources(work / "gone.yaml", env=None, spark_defaults=None)
    with pytest.raises(MissingFile, match="not a regular file"):
        read_sources(Path("/dev/zero"), env=None, spark_defaults=None)


def test_an_unreadable_file(folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(MissingFile, match="can't be read: Permission denied"):
        read_sources(folders[0] / "c.yaml", env=None, spark_defaults=None)
