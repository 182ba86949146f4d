"""Masking takes secrets alone: answers stay JSON, ids stay ids, what only a pattern finds is masked, not refused."""

from __future__ import annotations

import json

import pytest

from tests.process.door import CONFIG, Door

SWITCH = CONFIG + "spark_config: {spark.security.credentials.hive.enabled: false}\n"
PINS = (
    "spark_config:\n  spark.redaction.regex: '(?i)secret|password|token|pin$'\n"
    "  spark.my.pin: Zq81PinValue\n  spark.driver.mypin: Zq82PinValue\n"
)


def test_a_switch_of_sparks_takes_no_false_out_of_an_answer(door: Door) -> None:
    door.write_config(SWITCH)
    outcome = door.submit("--no-wait", "--json")
    assert outcome.code == 0 and "redacted" not in outcome.out + outcome.err, outcome.err
    assert outcome.json["attached"] is False
    assert "redacted" not in door.submit("--dry-run", "--json").out.replace("spark.redaction", "")


def test_runs_of_a_file_succeed_with_such_a_switch(door: Door) -> None:
    door.write_config(SWITCH)
    (door.work / "runs.yaml").write_text("defaults: {type: custom}\nruns: [{run_id: r1}]\n")
    outcome = door.run("submit", "--many", "runs.yaml", "--json")
    assert outcome.code == 0 and json.loads(outcome.out)["result"] == "succeeded", outcome.err


def test_a_run_whose_answer_can_not_be_read_is_looked_up(door: Door) -> None:
    (door.work / "runs.yaml").write_text("defaults: {type: custom}\nruns: [{run_id: r1}]\n")
    program = door.changed_program(
        "from batch_submit.operations import submit", "submit._answer = lambda ended: [ended.code]"
    )
    outcome = door.run("submit", "--many", "runs.yaml", "--json", program=program)
    told = json.loads(outcome.out)
    assert (outcome.code, told["result"], told["application_id"]) == (0, "succeeded", door.application_id), outcome.err


@pytest.mark.parametrize("secret", ["1700", "1700000000000", "custom", "nightly"])
def test_ids_and_job_types_stay_whatever_is_a_secret(door: Door, secret: str) -> None:
    door.write_config(CONFIG + "spark_config: {spark.my.password: '${PW}'}\n")
    plain = door.submit("--no-wait", "--run-id", "nightly-1", env={"PW": secret})
    assert plain.code == 0 and plain.out.splitlines()[-1] == door.application_id, plain.err
    assert "run nightly-1" in plain.err
    told = door.submit("--no-wait", "--json", "--run-id", "nightly-2", env={"PW": secret}).json
    assert told["run_id"] == "nightly-2" and told["application_id"].startswith("application_1700000000000_")


def test_a_pattern_with_an_everyday_word_hides_and_refuses_no_plain_setting(door: Door) -> None:
    door.write_config(
        CONFIG + "spark_config:\n  spark.redaction.regex: '(?i)secret|password|token|key'\n"
        "  spark.sql.mapKeyDedupPolicy: LAST_WIN\n  spark.kryo.keyed: custom\nenvironments: {prod: {}}\n"
    )
    for flags in ((), ("--env", "prod")):
        outcome = door.submit("--no-wait", "--json", *flags)
        assert outcome.code == 0, outcome.err
        assert "redacted" not in outcome.out


def test_config_show_hides_what_the_configured_pattern_finds(door: Door) -> None:
    door.write_config(CONFIG + PINS + "profiles: {small: {spark_config: {spark.my.pin: Zq83PinValue}}}\n")
    for flags in ((), ("--origin",), ("--json",), ("--profile", "small", "--origin"), ("--profile", "small", "--json")):
        shown = door.run("config", "show", *flags)
        assert shown.code == 0 and "redacted" in shown.out and "Zq8" not in shown.out + shown.err, (flags, shown.out)
    run = door.submit("--verbose")
    assert run.code == 0 and "Zq8" not in run.out + run.err + " ".join(door.call.argv)
