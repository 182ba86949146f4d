"""``config show``: what is printed can be read back, names every source, and shows no secret."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_submit.plan.config import Config, ConfigSources, SourceText, build_config
from batch_submit.plan.secrets import MASK, is_secret, mask
from batch_submit.render.config import config_json, config_text

MAIN = """\
storage_root: /data
execution: {timeout: 1h30m, kill_on_exit: true}
spark_config:
  executor_memory: 4g
  spark.hadoop.fs.s3a.secret.key: hunter2
  spark.executor.extraJavaOptions: -Dx.password=hunter2 -Dy=1
  spark.a: "010"
  spark.b: null
security_config: {principal: etl@X}
model_config:
  label_expression: "arr_delay > 15"
  hyperparameters: {max_depth: 3, grow: true, note: "on", api_token: hunter2}
data_config: {predictions_output_path: "p/dt={{ ds }}"}
job_specific_config: {training: {files: [a b, "c#d"], app_args: ["--x", "", "true"]}}
"""


def build(main: str = MAIN, **options: object) -> Config:
    values: dict[str, object] = {"job_type": "training", "env": None, "profile": None, "variables": {}, "flags": {}}
    sources = ConfigSources(SourceText(main, "c.yaml"), None, SourceText("spark.b 1", "spark-defaults.conf"))
    return build_config(sources=sources, **{**values, **options})  # type: ignore[arg-type]


def test_with_origin_every_value_names_its_source_and_what_it_has_overridden() -> None:
    flags = {("spark_config", "executor_memory"): ("8g", "--executor-memory")}
    lines = [" ".join(line.split()) for line in config_text(build(flags=flags), origin=True).splitlines()]
    assert "spark.executor.memory: 8g # flag --executor-memory" in lines
    assert lines[lines.index("spark.executor.memory: 8g # flag --executor-memory") + 1] == "# was 4g # c.yaml:4"
    assert "# spark.b: removed # c.yaml:8" in lines
    assert "storage_root: /data # c.yaml:1" in lines
    assert "spark.yarn.maxAppAttempts: 1 # default" in lines
    values = [line for line in lines if not line.startswith("#") and not line.endswith(":")]
    assert all(" # " in line for line in values)


def test_what_is_printed_can_be_read_back() -> None:
    config = build(MAIN.replace("hunter2", "x").replace("secret.key", "endpoint"))
    for origin in (False, True):
        again = build_config(
            sources=ConfigSources(SourceText(config_text(config, origin=origin), "again.yaml")),
            job_type="training",
            env=None,
            profile=None,
            variables={},
            flags={},
        )
        kept = {path: value.value for path, value in config.values.items()}
        kept[("model_config", "hyperparameters")] = again.value("model_config.hyperparameters")
        kept[("spark_config", "spark.executor.extraJavaOptions")] = again.value("spark.executor.extraJavaOptions")
        assert {path: value.value for path, value in again.values.items()} == kept


def test_no_secret_is_shown() -> None:
    config = build()
    for shown in (config_text(config, origin=True), json.dumps(config_json(config))):
        assert "hunter2" not in shown
        assert MASK in shown
        assert "-Dy=1" in shown


@pytest.mark.parametrize("key", ["spark.executorEnv.API_KEY", "spark.yarn.appMasterEnv.AZURE_ACCOUNT_KEY"])
def test_a_variable_of_sparks_processes_is_hidden_by_its_name(key: str) -> None:
    config = build(
        f"spark_config: {{{key}: hunter2, spark.executorEnv.SORT_KEY: day}}\n"
        f"job_specific_config: {{training: {{custom_spark_conf: {{{key}: hunter2}}}}}}\n"
    )
    for shown in (config_text(config, origin=True), json.dumps(config_json(config))):
        assert "hunter2" not in shown and MASK in shown and "day" in shown


def test_json() -> None:
    flags = {("spark_config", "executor_memory"): ("8g", "--executor-memory")}
    variables = {"BATCH_SUBMIT_EXECUTION_TIMEOUT": "1h"}
    shown = json.loads(json.dumps(config_json(build(flags=flags, variables=variables))))
    assert shown["job_type"] == "training"
    assert shown["values"]["spark_config.spark.executor.memory"] == {
        "value": "8g",
        "origin": "flag --executor-memory",
        "written_as": "spark_config.executor_memory",
        "overridden": [{"value": "4g", "origin": "c.yaml:4"}],
    }
    assert shown["values"]["job.files"]["value"] == ["a b", "c#d"]
    assert shown["values"]["job.files"]["items"][0] == {"value": "a b", "origin": "c.yaml:14"}
    assert shown["values"]["spark_config.spark.b"]["value"] is None
    assert "BATCH_SUBMIT_EXECUTION_TIMEOUT" in shown["warnings"][0]


def test_what_counts_as_a_secret() -> None:
    for key in (
        "keystore_password",
        "spark.hadoop.fs.s3a.access.key",
        "AUTH_TOKEN",
        "spark.x.Passphrase",
        "credentials",
    ):
        assert is_secret(key)
    for key in ("spark.executor.memory", "keytab", "queue"):
        assert not is_secret(key)
    assert mask("url", "https://me:hunter2@host/x") == f"https://me:{MASK}@host/x"
    assert mask("password", 5) == MASK
    assert mask("password", None) is None
    assert mask("x", {"token": 1, "y": ["a", {"secret": 2}]}) == {"token": MASK, "y": ["a", {"secret": MASK}]}


@given(st.text(max_size=30).filter(lambda text: not any(0xD800 <= ord(char) < 0xE000 for char in text)))
def test_any_text_is_printed_on_one_line_and_reads_back_the_same(text: str) -> None:
    flags = {("spark_config", "spark.a"): (text, "--conf")}
    config = build("", flags=flags)
    shown = config_text(config, origin=False)
    assert all(char.isprintable() or char == "\n" for char in shown)
    if text.lower() in ("null", "true", "false") or mask("", text) != text:
        return
    again = build(shown)
    assert again.value("spark.a") == text
