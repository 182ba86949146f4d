"""Every layer of the configuration is seen in spark-submit's argv, and the later one wins: all subsets, in one call."""

from __future__ import annotations

import json
from itertools import combinations
from typing import Any

import pytest

from tests.process.door import Door, conf_of

#: From the weakest to the strongest (built-in defaults have keys of their own, below).
LAYERS = ("site", "file", "environment", "overlay", "profile", "job", "variable", "flag")
SUBSETS = [set(chosen) for size in range(1, len(LAYERS) + 1) for chosen in combinations(LAYERS, size)]


def key_of(subset: set[str]) -> str:
    return "spark.of." + ".".join(layer for layer in LAYERS if layer in subset)


def properties(layer: str) -> dict[str, str]:
    """What a layer sets: one property for every subset that it belongs to."""
    return {key_of(subset): layer for subset in SUBSETS if layer in subset}


def world_of_layers(door: Door, given: dict[str, dict[str, Any]]) -> tuple[list[str], dict[str, str]]:
    """Write the layers' files; returns the flags and the variables."""
    site = door.folder / "spark-conf"
    site.mkdir()
    lines = [f"{key} {value}" for key, value in given["site"].items()]
    (site / "spark-defaults.conf").write_text("\n".join(lines) + "\n")
    config = {
        "execution": {"log_file": "our.log"},
        "spark_config": given["file"],
        "environments": {"prod": {"spark_config": given["environment"]}},
        "profiles": {"big": {"spark_config": given["profile"]}},
        "job_specific_config": {"custom": {"script": "job.py", "spark_config": given["job"]}},
    }
    door.write_config(json.dumps(config))
    door.write_config(json.dumps({"spark_config": given["overlay"]}), "job_config_prod.yaml")
    variables = {f"BATCH_SUBMIT_SPARK_CONFIG__{key}": value for key, value in given["variable"].items()}
    flags = [word for key, value in given["flag"].items() for word in ("--conf", f"{key}={value}")]
    return ["--env", "prod", "--profile", "big", *flags], {"SPARK_CONF_DIR": str(site), **variables}


def test_of_every_set_of_layers_the_strongest_wins(door: Door) -> None:
    flags, variables = world_of_layers(door, {layer: properties(layer) for layer in LAYERS})
    outcome = door.submit("--no-wait", *flags, env=variables)
    assert outcome.code == 0, outcome.err
    expected = {key_of(subset): max(subset, key=LAYERS.index) for subset in SUBSETS}
    assert {key: value for key, value in door.call.conf.items() if key.startswith("spark.of.")} == expected


def test_built_in_defaults_come_before_the_site(door: Door) -> None:
    nothing: dict[str, dict[str, Any]] = {layer: {} for layer in LAYERS}
    flags, variables = world_of_layers(door, {**nothing, "site": {"spark.yarn.maxAppAttempts": "3"}})
    outcome = door.submit("--dry-run", "--json", *flags, env=variables)
    assert conf_of(outcome.json["argv"])["spark.yarn.maxAppAttempts"] == "3"
    assert "3 times inside one application" in outcome.err


@pytest.mark.parametrize("at", range(len(LAYERS)), ids=LAYERS)
def test_short_names_obey_the_same_order(door: Door, at: int) -> None:
    """Layer ``at`` and all before it set the same things, each its own values."""
    given: dict[str, dict[str, Any]] = {layer: {} for layer in LAYERS}
    for number, layer in enumerate(LAYERS[: at + 1], start=1):
        given[layer] = {"spark.executor.instances": str(number)} if layer == "site" else {"num_executors": number}
    given["flag"] = {}
    flags, variables = world_of_layers(door, given)
    variables = {name.replace("num_executors", "NUM_EXECUTORS"): str(value) for name, value in variables.items()}
    if LAYERS[at] == "flag":
        flags += ["--num-executors", str(at + 1)]
    outcome = door.submit("--dry-run", "--json", *flags, env=variables)
    argv = outcome.json["argv"]
    assert argv[argv.index("--num-executors") + 1] == str(at + 1)


def test_every_value_tells_its_origin(door: Door) -> None:
    given: dict[str, dict[str, Any]] = {layer: {f"spark.from.{layer}": "1"} for layer in LAYERS}
    flags, variables = world_of_layers(door, given)
    outcome = door.submit("--dry-run", "--json", *flags, env=variables)
    origins = outcome.json["origins"]
    expected = {
        "site": "spark-defaults.conf:1",
        "file": "job_config.yaml:1",
        "environment": "environment prod (job_config.yaml:1)",
        "overlay": "job_config_prod.yaml:1",
        "profile": "profile big (job_config.yaml:1)",
        "job": "job_config.yaml:1",
        "variable": "variable BATCH_SUBMIT_SPARK_CONFIG__spark.from.variable",
        "flag": "flag --conf",
    }
    wrong = {layer: origins[f"spark.from.{layer}"] for layer in LAYERS}
    assert all(wrong[layer].endswith(expected[layer]) for layer in LAYERS), wrong


def test_sparks_own_variables_are_none_of_ours(door: Door) -> None:
    outcome = door.submit("--dry-run", "--json", env={"SPARK_EXECUTOR_MEMORY": "99g", "SPARK_EXECUTOR_CORES": "9"})
    assert "99g" not in outcome.out and "--executor-cores" not in outcome.json["argv"]


def test_a_profile_that_the_section_overrides_warns_naming_both(door: Door) -> None:
    nothing: dict[str, dict[str, Any]] = {layer: {} for layer in LAYERS}
    flags, variables = world_of_layers(door, {**nothing, "profile": {"num_executors": 4}, "job": {"num_executors": 5}})
    outcome = door.submit("--dry-run", "--json", *flags, env=variables)
    assert outcome.code == 0
    (warning,) = [line for line in outcome.err.splitlines() if line.startswith("warning:")]
    assert "profile big" in warning and "job_specific_config.custom" in warning


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--env", "staging"], "staging"),
        (["--profile", "huge"], "huge"),
        (["--executor-memory", "8"], "--executor-memory"),
        (["--conf", "executor=1"], "spark.KEY=VALUE"),
        (["-t", "trainig"], "training"),
        (["--num-executors", "300", "--executor-cores", "8"], "max_total_cores"),
    ],
)
def test_what_is_wrong_in_the_call_gives_2_and_launches_nothing(door: Door, flags: list[str], words: str) -> None:
    door.write_config("resource_limits: {max_total_cores: 400}\njob_specific_config: {custom: {script: job.py}}\n")
    outcome = door.submit(*flags, env={"BATCH_SUBMIT_EXECUTION__LOG_FILE": str(door.log)})
    assert (outcome.code, outcome.out, door.calls) == (2, "", []), outcome.err
    assert words in outcome.err


@pytest.mark.parametrize(
    "text", ["spark.my.password t0p-s3cret", "spark.my.password:t0p-s3cret", "my.password=t0p-s3cret"]
)
def test_a_mistyped_property_is_named_without_its_value(door: Door, text: str) -> None:
    outcome = door.submit("--dry-run", "--conf", text)
    assert outcome.code == 2 and "my.password…' is not spark.KEY=VALUE" in outcome.err, outcome.err
    assert "t0p-s3cret" not in outcome.err


def test_clamp_lowers_and_says_so(door: Door) -> None:
    door.write_config("resource_limits: {max_total_cores: 8}\njob_specific_config: {custom: {script: job.py}}\n")
    variables = {"BATCH_SUBMIT_EXECUTION__LOG_FILE": str(door.log)}
    flags = ["--num-executors", "9", "--executor-cores", "2", "--dry-run", "--json"]
    outcome = door.submit("--clamp", *flags, env=variables)
    argv = outcome.json["argv"]
    assert argv[argv.index("--num-executors") + 1] == "4"
    assert "clamped: " in outcome.err


def test_all_problems_of_the_file_are_reported_at_once(door: Door) -> None:
    door.write_config(
        "spark_config:\n  executor_memory: 8\n  num_executor: 3\nexecution:\n  timeout: 90\n  timeout: 91\n"
    )
    outcome = door.submit("--script", "job.py")
    assert outcome.code == 2 and door.calls == []
    for place in ("job_config.yaml:2", "job_config.yaml:3", "job_config.yaml:6"):
        assert place in outcome.err, outcome.err
    assert "num_executors" in outcome.err
