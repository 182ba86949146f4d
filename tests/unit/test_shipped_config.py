"""The shipped ``job_config.yaml`` has no problem and no warning, whatever is chosen, and fits a small cluster."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from batch_submit.plan.config import Config, ConfigSources, SourceText, build_config
from batch_submit.plan.schema import JOB_TYPES, KEYS, SECTIONS
from batch_submit.plan.yaml_tree import parse_yaml

TEXT = (Path(__file__).resolve().parents[2] / "job_config.yaml").read_text(encoding="utf-8")


def build(job_type: str | None = None, env: str | None = None, profile: str | None = None) -> Config:
    sources = ConfigSources(SourceText(TEXT, "job_config.yaml", "/conf"))
    return build_config(sources=sources, job_type=job_type, env=env, profile=profile, variables={}, flags={})


@pytest.mark.parametrize("job_type", [None, *JOB_TYPES])
@pytest.mark.parametrize("profile", [None, "large-training", "batch-prediction"])
@pytest.mark.parametrize("env", [None, "dev", "prod"])
def test_no_problem_and_no_warning(job_type: str | None, profile: str | None, env: str | None) -> None:
    assert build(job_type, env, profile).warnings == ()


@pytest.mark.parametrize(
    ("profile", "sizes"),
    [
        (None, ("2", "2", "2g", "2g")),
        ("large-training", ("50", "8", "32g", "16g")),
        ("batch-prediction", ("20", "4", "16g", "8g")),
    ],
)
def test_sizes(profile: str | None, sizes: tuple[str, ...]) -> None:
    config = build("training", profile=profile)
    names = ("num_executors", "executor_cores", "executor_memory", "driver_memory")
    assert tuple(config.value(f"spark_config.{name}") for name in names) == sizes


def test_nothing_in_it_decides_for_a_cluster() -> None:
    config = build("training")
    assert config.section("environment_config") == {}
    assert config.get("spark_config.queue") is None
    assert config.get("storage_root") is None
    assert config.value("execution.backend") == "auto"


def test_it_holds_no_password_and_every_section() -> None:
    assert not re.search(r"^\s*\w*password", TEXT, re.MULTILINE)
    for section in SECTIONS:
        assert re.search(rf"^(# )?{section}:", TEXT, re.MULTILINE), section


def test_the_commented_keys_are_right_too() -> None:
    """Uncommented as a user would, each commented key must be a known one with a good value."""
    known = {key.path[-1] for key in KEYS}
    for line in TEXT.splitlines():
        match = re.fullmatch(r"\s*# ([a-z_]+): (.*)", line)
        if match and match[1] in known:
            assert parse_yaml(f"{match[1]}: {match[2]}", "f").problems == (), line


def test_with_every_commented_key_switched_on() -> None:
    keys = "|".join(sorted({re.escape(key.path[-1]) for key in KEYS if "*" not in key.path[-1]}))
    text = re.sub(rf"(?m)^(\s*)# ((?:{keys}|spark\.[\w.]+): )", r"\1\2", TEXT)
    text = re.sub(r"(?m)^    custom_spark_conf: \{.*\n", "", text)
    sources = ConfigSources(SourceText(text, "job_config.yaml", "/conf"))
    for job_type in JOB_TYPES:
        config = build_config(sources=sources, job_type=job_type, env="dev", profile=None, variables={}, flags={})
        assert config.value("security_config.ca_bundle") == "/etc/ssl/certs/ca-bundle.pem"


def test_every_key_has_its_comment() -> None:
    steps = TEXT[TEXT.index("    inputs:\n") : TEXT.index("  custom:\n")]  # they say themselves what they do
    for line in TEXT.replace(steps, "").splitlines():
        is_key = re.fullmatch(r"\s+(# )?[\w.]+: +\S.*", line) and not line.strip().startswith("# Text")
        if is_key and "custom_spark_conf: {" not in line:
            assert re.search(r"\S\s+#\s\S", re.sub(r"^\s*# ", "", line)), line
