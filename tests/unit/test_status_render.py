"""``status`` as people and machines read it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from batch_submit.adapters.rm_replies import parse_application, parse_attempts
from batch_submit.model import ApplicationFacts, FinalStatus, Listed, SparkHistoryReport, State
from batch_submit.render.status import status_json, status_lines

GOLDEN = Path(__file__).parents[1] / "golden" / "rm"
RUNNING = parse_application(json.loads((GOLDEN / "app_running_3.5.json").read_text()))
ATTEMPTS = tuple(parse_attempts(json.loads((GOLDEN / "attempts_running_3.5.json").read_text())))
FACTS = ApplicationFacts(Listed(RUNNING, "custom"), "ResourceManager", ATTEMPTS, "rec-slow")


def facts_of(lines: list[str]) -> dict[str, str]:
    width = len("log aggregation")
    return {line[:width].strip(): line[width:].strip() for line in lines if line[:1].strip()}


def test_a_running_one_in_full() -> None:
    lines = status_lines(FACTS)
    found = facts_of(lines)
    assert (found["state"], found["final status"], found["type"]) == ("RUNNING", "UNDEFINED", "custom, SPARK")
    assert found["allocated now"] == "1792 MiB, 2 vcores"
    assert found["share now"] == "41.7 % of the queue, 12.5 % of the cluster"
    assert found["launched"].endswith("(waited 1s72ms)") and "result" not in found
    at = lines.index("attempts")
    assert lines[at + 1].startswith("  1  RUNNING  ") and lines[at + 2].strip() == ATTEMPTS[0].container_id
    assert all(line == line.rstrip() for line in lines)


def test_diagnostics_come_last_and_only_when_there_are_any() -> None:
    told = replace(FACTS, listed=Listed(replace(RUNNING, diagnostics=" first \n\n sec\x1bond\n")))
    assert status_lines(told)[-4:] == ["", "diagnostics", "  first", "  sec?ond"]
    assert "diagnostics" not in status_lines(FACTS)


def test_a_bound_on_its_life_is_shown_while_it_lives() -> None:
    bound = replace(RUNNING, lifetime_expiry_ms=RUNNING.started_ms + 3_600_000, lifetime_left_s=90)
    assert "1m30s left" in facts_of(status_lines(replace(FACTS, listed=Listed(bound))))["killed at"]
    over = replace(bound, state=State.KILLED, final_status=FinalStatus.KILLED)
    assert "killed at" not in facts_of(status_lines(replace(FACTS, listed=Listed(over))))


def test_a_queue_s_later_limit_is_not_shown_as_the_run_s_own() -> None:
    bound = replace(RUNNING, lifetime_expiry_ms=RUNNING.started_ms + 86_400_000)
    facts = replace(FACTS, listed=Listed(bound), source="ResourceManager", run_id="r1", limit_s=3600.0)
    told = facts_of(status_lines(facts))["killed at"]
    assert told.endswith("(LIFETIME): the limit of its queue, though its --timeout is 1h; next: batch-submit wait r1")
    own = replace(facts, limit_s=86_400.0)
    assert facts_of(status_lines(own))["killed at"].endswith("unless it has ended (LIFETIME)")


def test_a_forgotten_one_is_marked_and_nothing_is_made_up() -> None:
    history = SparkHistoryReport("x", "nightly", "alice", "4.3.0", 1, 1, 2, True, "http://shs/history/x/")
    report = replace(RUNNING, state=State.UNKNOWN, allocated_memory_mib=-1, memory_seconds=0, tracking_url="")
    told = ApplicationFacts(Listed(report, "", True, "unknown"), "Spark History Server", history=history)
    found = facts_of(status_lines(told))
    assert (found["state"], found["final status"], found["result"]) == ("unknown", "unknown", "unknown")
    assert found["source"] == "Spark History Server; the ResourceManager has forgotten it"
    assert "how it ended does not stand there" in found["Spark history"]
    assert {"progress", "used in sum", "log aggregation", "containers"}.isdisjoint(found)


def test_the_answer_for_machines_has_the_keys_of_the_documents() -> None:
    data = json.loads(json.dumps(status_json(FACTS)))
    page = (Path(__file__).parents[2] / "docs" / "list-and-status.md").read_text(encoding="utf-8")
    keys = [*data, *data["attempts"][0]]
    assert [key for key in keys if f"`{key}`" not in page] == []
    assert data["attempts"][0]["node"] == "localhost:8141" and data["spark_history"] is None
