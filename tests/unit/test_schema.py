"""The table of keys: complete, documented, and kind to misspellings."""

from __future__ import annotations

from pathlib import Path

import pytest

from batch_submit.plan import schema
from batch_submit.plan.layers import lookup
from batch_submit.plan.schema import FLAG_STYLE, KEYS, Combiner, Kind
from batch_submit.plan.values import BadValue, check
from batch_submit.plan.yaml_tree import Mapping, Scalar, parse_yaml
from ml_pipeline_framework.contract import JOB_KEYS, MODEL_CONFIG_KEYS

ROOT = Path(__file__).resolve().parents[2]

EXPECTED = {
    "environment_config": "namenode_url resourcemanager_url resourcemanager_webapp_url hadoop_conf_dir",
    "execution": "backend launcher timeout wait_timeout rm_patience submit_settle log_file save_logs claims_dir "
    "shared_dir kill_on_exit allow_world_writable max_spark_submits retries retry_on retry_wait oom_bump",
    "spark_config": "num_executors executor_cores executor_memory driver_memory driver_cores queue deploy_mode",
    "security_config": "enable_kerberos principal keytab proxy_user enable_ssl keystore_path keystore_password "
    "truststore_path truststore_password ca_bundle client_certificate client_key",
    "resource_limits": "max_driver_memory max_executor_memory max_executor_cores max_total_cores",
    "data_config": "training_data_path validation_data_path evaluation_data_path prediction_input_path "
    "predictions_output_path",
    "job_specific_config.training": "script additional_jars additional_py_files files archives custom_spark_conf "
    "spark_config app_args prediction_timeout timeout wait_timeout model_config data_config " + " ".join(JOB_KEYS),
}


@pytest.mark.parametrize("section", EXPECTED)
def test_every_key_is_there(section: str) -> None:
    names = schema.known_names(tuple(section.split(".")))
    assert sorted(names) == sorted(EXPECTED[section].split())


def test_model_keys_come_from_the_contract_and_paths_are_unique() -> None:
    assert set(schema.known_names(("model_config",))) == set(MODEL_CONFIG_KEYS)
    assert len({key.path for key in KEYS}) == len(KEYS)


def test_every_key_stands_in_the_docs_with_type_and_example() -> None:
    docs = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    for key in KEYS:
        rows = [line for line in docs.splitlines() if line.startswith(f"| `{key.dotted}` |")]
        row = f"| `{key.dotted}` | {key.kind.value} | {key.doc} | `{key.example}` |"
        assert len(rows) == 1, f"docs/configuration.md needs one row: {row}"
        assert f"`{key.example}` |" in rows[0], f"the docs' example differs: {row}"
        assert key.kind is Kind.ENUM or key.kind.value in rows[0], f"the docs' type differs: {row}"
        assert all(f"`{choice}`" in rows[0] for choice in key.choices), row
        if key.path[0] != "model_config":  # its meanings belong to the contract
            assert key.doc in rows[0], f"the docs' meaning differs: {row}"


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.dotted)
def test_every_example_is_valid(key: schema.Key) -> None:
    if key.example == "..." or "*" in key.path[-1]:
        return
    tree = parse_yaml(f"x: {key.example}", "f")
    assert tree.problems == ()
    assert isinstance(tree.root, Mapping)
    node = tree.root.entries["x"]
    if key.kind in (Kind.CONF_MAP, Kind.FREE_MAP):
        assert isinstance(node, Mapping)
    else:
        assert check(key, node) not in (None, "", ())


@pytest.mark.parametrize("short", FLAG_STYLE)
def test_a_dotted_property_with_a_short_name_has_its_type(short: str) -> None:
    by_short, by_dotted = lookup(("spark_config", short)), lookup(("spark_config", FLAG_STYLE[short]))
    assert by_short == by_dotted
    assert by_short is not None and by_short[1] == ("spark_config", FLAG_STYLE[short])


def test_lists_that_append_are_exactly_the_four() -> None:
    appending = {key.path[-1] for key in KEYS if key.combiner is Combiner.APPEND}
    assert appending == {"additional_jars", "additional_py_files", "files", "archives"}
    assert schema.combiner_of(("job", "files")) is Combiner.APPEND
    assert schema.combiner_of(("job", "app_args")) is Combiner.REPLACE
    assert schema.combiner_of(("model_config", "hyperparameters")) is Combiner.REPLACE


@pytest.mark.parametrize(
    ("path", "known"),
    [
        (("data_config", "lookup_path"), True),
        (("data_config", "lookup"), False),
        (("data_config", "*_path"), False),
        (("spark_config", "spark.a.b"), True),
        (("spark_config", "spark.*"), False),
        (("spark_config", "sparky"), False),
        (("spark_config", "spark. x"), False),
        (("job_specific_config", "training", "custom_spark_conf", "spark.a"), True),
        (("job_specific_config", "training", "custom_spark_conf", "queue"), False),
        (("job_specific_config", "training", "spark_config", "queue"), True),
        (("job_specific_config", "training", "nope"), False),
        (("profiles", "x"), False),
        (("storage_root",), True),
    ],
)
def test_what_exists(path: tuple[str, ...], known: bool) -> None:
    assert (lookup(path) is not None) is known


@pytest.mark.parametrize(
    ("name", "prefix", "hint"),
    [
        ("spark_confg", (), "did you mean 'spark_config'?"),
        ("num_executors", (), "did you mean 'spark_config.num_executors'?"),
        ("numExecutors", ("spark_config",), "did you mean 'num_executors'?"),
        ("executor-memory", ("spark_config",), "did you mean 'executor_memory'?"),
        ("spark", ("spark_config",), "dotted"),
        ("timeuot", ("execution",), "did you mean 'timeout'?"),
        ("queue", ("execution",), "did you mean 'spark_config.queue'?"),
        ("zzzzzz", ("resource_limits",), "known here: max_driver_memory"),
    ],
)
def test_the_nearest_right_name(name: str, prefix: tuple[str, ...], hint: str) -> None:
    assert hint in schema.hint_for_key(name, prefix)


@pytest.mark.parametrize(
    ("name", "right"),
    [("training", "training"), ("etl", "data_processing"), ("model-evaluation", "evaluation"), ("x", None)],
)
def test_job_types_and_their_aliases(name: str, right: str | None) -> None:
    assert schema.resolve_job_type(name) == right


@pytest.mark.parametrize(
    ("path", "text", "quoted", "message"),
    [
        ("spark_config.num_executors", "ten", False, "expected a whole number, 1 or more, found ten"),
        ("spark_config.num_executors", "2.5", False, "found 2.5"),
        ("spark_config.num_executors", "0", False, "found 0"),
        ("spark_config.num_executors", "-1", False, "found -1"),
        ("spark_config.num_executors", "true", False, "found true"),
        ("spark_config.num_executors", "10", True, 'found the text "10"'),
        ("spark_config.executor_memory", "8", False, "missing unit: write 8g"),
        ("execution.timeout", "90", False, "missing unit"),
        ("execution.backend", "Yarn", False, "not one of: auto, yarn, local"),
        ("execution.launcher", "Rest", False, "not one of: auto, spark-submit, rest"),
        ("execution.kill_on_exit", "1", False, "expected true or false, found 1"),
        ("execution.kill_on_exit", "yes", True, "expected true or false"),
        ("execution.log_file", "a\nb", True, "control character"),
        ("execution.log_file", "", True, "is empty"),
        ("spark_config.queue", "true", False, "expected text, found true"),
        ("environment_config.namenode_url", "nn:8020", False, "expected an address"),
        ("environment_config.namenode_url", "hdfs://nn:99999", False, "99999 is not a port"),
        ("environment_config.resourcemanager_url", "a b", False, "expected an address"),
        ("environment_config.resourcemanager_webapp_url", "http://", False, "expected an address"),
        (
            "environment_config.resourcemanager_webapp_url",
            "ftp://x:99",
            False,
            "ftp:// is not one of: http://, https://",
        ),
        ("environment_config.resourcemanager_url", "hdfs://x:99", False, "hdfs:// is not one of"),
        ("environment_config.namenode_url", "ftp://x:99", False, "ftp:// is not one of: hdfs://, http://, https://"),
    ],
)
def test_bad_values(path: str, text: str, quoted: bool, message: str) -> None:
    key = schema.find(tuple(path.split(".")))
    assert key is not None
    with pytest.raises(BadValue) as caught:
        check(key, Scalar(text, 1, quoted))
    assert message in caught.value.message


@pytest.mark.parametrize(
    ("path", "text", "value"),
    [
        ("spark_config.num_executors", "+7", 7),
        ("spark_config.executor_memory", "8GB", "8g"),
        ("execution.timeout", "1h 30m", "1h30m"),
        ("execution.kill_on_exit", "True", True),
        ("spark_config.queue", "10", "10"),
        ("spark_config.spark.a", "TRUE", "true"),
        ("spark_config.spark.a", "1.10", "1.10"),
        ("environment_config.resourcemanager_webapp_url", "rm:8088", ("rm:8088",)),
        ("environment_config.namenode_url", "hdfs://ha-cluster", "hdfs://ha-cluster"),
        ("environment_config.resourcemanager_url", "http://[::1]:8088", "http://[::1]:8088"),
    ],
)
def test_good_values(path: str, text: str, value: object) -> None:
    section, _, name = path.partition(".")
    key = schema.find((section, name))
    assert key is not None
    assert check(key, Scalar(text, 1)) == value
