"""``__spark_conf__.zip``: what of this host's configuration goes with an application."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest

from batch_submit.adapters.conf_archive import conf_archive
from batch_submit.errors import HostNotReady


def held(archive: bytes) -> dict[str, str]:
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        return {name: opened.read(name).decode() for name in opened.namelist()}


def test_the_first_folder_gives_a_hadoop_file_and_folders_inside_stay_here(tmp_path: Path) -> None:
    for folder, names in (("a", ["core-site.xml"]), ("b", ["core-site.xml", "yarn-site.xml"])):
        (tmp_path / folder / "inside").mkdir(parents=True)
        for name in names:
            (tmp_path / folder / name).write_text(folder, encoding="utf-8")
    found = held(conf_archive([str(tmp_path / "a"), str(tmp_path / "b")], {"p": "1"}))
    assert found == {"__hadoop_conf__/core-site.xml": "a", "__hadoop_conf__/yarn-site.xml": "b", "p": "1"}


@pytest.mark.parametrize("ending", ["properties", "xml", "json", "jsn", "yaml", "yml"])
def test_log4j_may_be_configured_in_any_of_its_languages(tmp_path: Path, ending: str) -> None:
    for name in (f"log4j2.{ending}", "metrics.properties", "spark-defaults.conf", "log4j2.properties.template"):
        (tmp_path / name).write_text(name, encoding="utf-8")
    found = held(conf_archive([], {}, str(tmp_path)))
    assert found == {f"log4j2.{ending}": f"log4j2.{ending}", "metrics.properties": "metrics.properties"}


def test_a_folder_that_is_not_there_names_the_variables() -> None:
    with pytest.raises(HostNotReady) as caught:
        conf_archive(["/nowhere"], {})
    assert caught.value.where == "/nowhere" and "HADOOP_CONF_DIR" in str(caught.value.next_step)
