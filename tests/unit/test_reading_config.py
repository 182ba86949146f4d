"""The configuration for reading: the same values as the whole one, nothing secret, and never out of date."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from batch_submit.adapters import config_cache
from batch_submit.adapters.config_cache import cache_key, load, save
from batch_submit.plan.config import Config, ConfigSources, SourceText, build_config
from batch_submit.plan.reading import ReadingConfig, from_text, is_readable, may_be_kept, reading_part, to_text

TEXT = """\
execution:
  backend: yarn
  timeout: 2h
environment_config:
  resourcemanager_webapp_url: http://rm:8088
security_config:
  enable_kerberos: true
  principal: etl@EXAMPLE.COM
  keytab: etl.keytab
  ca_bundle: certs/ca.pem
spark_config:
  queue: ml-queue
  spark.yarn.stagingDir: /staging
  spark.hadoop.fs.s3a.secret.key: verysecret
storage_root: /data
"""


def sources(text: str = TEXT) -> ConfigSources:
    return ConfigSources(SourceText(text, "job_config.yaml", "/work"))


def built(text: str = TEXT) -> Config:
    return build_config(sources=sources(text), job_type=None, env=None, profile=None, variables={}, flags={})


def key(**changes: object) -> str:
    given: dict[str, object] = {"job_type": None, "env": None, "profile": None, "variables": {}, "flags": {}}
    given |= changes
    return cache_key(given.pop("sources", sources()), **given)  # type: ignore[arg-type]


def test_what_is_kept_is_what_the_whole_configuration_says() -> None:
    whole = built()
    part = from_text(to_text(reading_part(whole)), ReadingConfig)
    assert part == reading_part(whole)
    for place, value in whole.values.items():
        if is_readable(place):
            assert part.get(place) == value
    assert part.text("spark.yarn.stagingDir") == "/staging" and part.duration_s("execution.timeout") == 7200
    assert part.section("execution") == whole.section("execution")
    assert part.value("execution.log_file", "absent") == whole.value("execution.log_file", "absent")


def test_no_secret_is_kept() -> None:
    text = to_text(reading_part(built()))
    assert "verysecret" in str(built().values) and "secret" not in text


@pytest.mark.parametrize("place", ["spark.yarn.queue", "model_config.algorithm", "spark.executor.memory"])
def test_asking_for_more_is_a_mistake_and_not_an_absent_value(place: str) -> None:
    part = reading_part(built())
    with pytest.raises(LookupError, match="no part of the configuration for reading"):
        part.get(place)
    with pytest.raises(LookupError):
        part.section("model_config")


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"values": [[]], "job_type": null, "warnings": []}', "null"])
def test_a_damaged_file_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "k.json").write_text(text)
    assert load(tmp_path, "k", ReadingConfig) is None
    assert load(tmp_path, "another", ReadingConfig) is None


def test_kept_and_found_again_for_its_owner_only(tmp_path: Path) -> None:
    part = reading_part(built())
    folder = tmp_path / "cache" / "config"
    save(folder, key(), part)
    assert load(folder, key(), ReadingConfig) == part and isinstance(load(folder, key(), ReadingConfig), ReadingConfig)
    (file,) = folder.iterdir()
    assert file.stat().st_mode & 0o777 == 0o600 and folder.stat().st_mode & 0o777 == 0o700


def test_a_folder_that_can_not_be_written_costs_nothing(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    save(tmp_path / "cache", key(), reading_part(built()))
    assert load(tmp_path / "cache", key(), ReadingConfig) is None


def test_everything_that_makes_a_configuration_makes_another_name() -> None:
    first = SourceText(TEXT, "job_config.yaml", "/work")
    flags = {("execution", "backend"): ("local", "--backend")}
    names = [
        key(),
        key(sources=sources(TEXT + "\n")),
        key(sources=ConfigSources(SourceText(TEXT, "job_config.yaml", "/elsewhere"))),
        key(sources=ConfigSources(SourceText(TEXT, "../job_config.yaml", "/work"))),
        key(sources=ConfigSources(first, overlay=first)),
        key(sources=ConfigSources(first, spark_defaults=first)),
        key(sources=ConfigSources(first, overlay_place="there")),
        key(sources=ConfigSources(first, disk_environments=("prod",))),
        key(env="prod"),
        key(profile="large"),
        key(job_type="training"),
        key(variables={"BATCH_SUBMIT_EXECUTION__BACKEND": "local"}),
        key(variables={"BATCH_SUBMIT_EXECUTION__BACKEND": "yarn"}),
        key(flags=flags),
    ]
    assert len(set(names)) == len(names)
    assert key(variables={"HOME": "/x", "PATH": "/y"}) == key()


def test_another_release_of_this_program_makes_another_name(monkeypatch: pytest.MonkeyPatch) -> None:
    before = key()
    monkeypatch.setattr(config_cache, "_program", lambda: [("schema_keys.py", 1, 1)])
    assert key() != before
    monkeypatch.undo()
    watched = {name for name, *_ in config_cache._program()}
    assert {"schema_keys.py", "layers.py", "reading.py", "job_types.py"} <= watched


def test_old_files_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config_cache, "_MAX_FILES", 3)
    part = reading_part(built())
    for number in range(5):
        save(tmp_path, f"k{number}", part)
        os.utime(tmp_path / f"k{number}.json", (number, number))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["k2.json", "k3.json", "k4.json"]


def test_values_keep_their_types() -> None:
    part = from_text(to_text(reading_part(built())), ReadingConfig)
    assert json.loads(to_text(part)) == json.loads(to_text(reading_part(built())))
    assert part.value("execution.backend") == "yarn"


WHOLE = """\
model_config:
  cv_folds: 5
  hyperparameters: {maxDepth: [3, 5], minInfoGain: 0.25, seed: null}
  feature_columns: [a, b]
job_specific_config:
  training:
    additional_py_files: [lib/a.zip]
    custom_spark_conf: {spark.task.maxFailures: 8}
"""


@pytest.mark.parametrize("text", [WHOLE, Path("job_config.yaml").read_text()], ids=["values", "shipped"])
def test_a_whole_one_is_kept_as_it_is(tmp_path: Path, text: str) -> None:
    whole = build_config(sources=sources(text), job_type="training", env=None, profile=None, variables={}, flags={})
    assert may_be_kept(whole)
    save(tmp_path, "whole", whole)
    kept = load(tmp_path, "whole", Config)
    assert kept is not None and dict(kept.values) == dict(whole.values) and kept.warnings == whole.warnings
    assert [type(kept.values[place].value) for place in whole.values] == [
        type(value.value) for value in whole.values.values()
    ]


@pytest.mark.parametrize(
    "text",
    [
        "spark_config: {spark.hadoop.fs.s3a.secret.key: verysecret}",
        "job_specific_config: {training: {custom_spark_conf: {spark.ssl.keyPassword: verysecret}}}",
        "spark_config: {spark.driver.extraJavaOptions: -Dstore.password=verysecret}",
    ],
)
def test_what_holds_a_secret_is_not_kept(text: str) -> None:
    made = build_config(
        sources=sources(text + "\n"), job_type="training", env=None, profile=None, variables={}, flags={}
    )
    assert not may_be_kept(made)
