"""Why an application waits: each sentence is born from the replies of a real cluster in that very situation."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from batch_submit.adapters.rm_replies import parse_application
from batch_submit.adapters.scheduler_replies import parse_activity, parse_asks, parse_nodes, parse_scheduler
from batch_submit.model import ApplicationReport, State
from batch_submit.plan.pending import Cause, Reason, Surroundings, explain, explain_executors, needs_scheduler
from batch_submit.plan.scheduling import Ask, Node, Resources

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "scheduler"
APP = "application_1700000000000_0001"


def load(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((GOLDEN / f"{name}_3.5.json").read_text(encoding="utf-8"))
    return loaded


def situation(name: str, *, nodes: bool = True, ahead: int = -1) -> tuple[ApplicationReport, Surroundings]:
    data = load(name)
    around = Surroundings(
        parse_scheduler(data["scheduler"]),
        tuple(parse_nodes(data["nodes"])) if nodes else None,
        tuple(parse_asks(data["app"])),
        parse_activity(data["activities"]),
        ahead,
    )
    return parse_application(data["app"]), around


def reason(name: str, **how: Any) -> Reason:
    found = explain(*situation(name, **how))
    assert found is not None
    return found


CASES = [
    (
        "am_limit_queue",
        Cause.AM_LIMIT,
        "queue root.etl lets all its drivers hold 512 MiB, 1 vcore; they hold 512 MiB, 1 vcore;"
        " this one asks for 512 MiB, 1 vcore",
    ),
    (
        "am_limit_user",
        Cause.USER_AM_LIMIT,
        "queue root.ml-queue lets the drivers of one user hold 1664 MiB, 2 vcores;"
        " those of root hold 1024 MiB, 1 vcore; this one asks for 1024 MiB, 1 vcore",
    ),
    (
        "max_parallel_apps",
        Cause.MAX_RUNNING,
        "queue root.default runs as many applications as it may at a time (2 of 2)",
    ),
    (
        "queue_full",
        Cause.QUEUE_FULL,
        "queue root.etl is full: 3584 of 4915 MiB and 4 of 4 vcores are used; the driver asks for 1536 MiB, 1 vcore",
    ),
    (
        "cluster_full",
        Cause.CLUSTER_FULL,
        "the cluster is full: 15232 of 16384 MiB and 2 of 16 vcores are used; the driver asks for 2048 MiB, 1 vcore",
    ),
    (
        "many_nodes_full",
        Cause.CLUSTER_FULL,
        "the cluster is full: 30720 of 32768 MiB and 6 of 32 vcores are used; the driver asks for 4096 MiB, 1 vcore",
    ),
    (
        "no_node_fits",
        Cause.NO_NODE_FITS,
        "no node has room: the driver asks for 3072 MiB, 1 vcore, the most free of 2 (localhost:14041) has 2048 MiB,"
        " 14 vcores",
    ),
    ("no_nodes", Cause.NO_NODES, "the cluster has no node to run anything on (2 lost)"),
    (
        "registering",
        Cause.REGISTERING,
        "the driver's container is started, and the driver has not reported to the ResourceManager yet",
    ),
    (
        "fair_max_apps",
        Cause.MAX_RUNNING,
        "queue root.ml-queue runs as many applications as it may at a time (2 of 2)",
    ),
    (
        "fair_am_share",
        Cause.AM_LIMIT,
        "queue root.etl.nightly lets all its drivers hold 410 MiB, 1 vcore; they hold 0 MiB, 0 vcores;"
        " this one asks for 1024 MiB, 1 vcore",
    ),
    (
        "fair_default_am_share",
        Cause.AM_LIMIT,
        "queue root.default lets all its drivers hold 3277 MiB, 12 vcores; they hold 0 MiB, 0 vcores;"
        " this one asks for 4096 MiB, 1 vcore",
    ),
]


@pytest.mark.parametrize(("name", "cause", "sentence"), CASES, ids=[case[0] for case in CASES])
def test_each_situation_of_a_real_cluster_has_its_sentence(name: str, cause: Cause, sentence: str) -> None:
    found = reason(name)
    assert (found.cause, found.sentence) == (cause, sentence)
    assert found.remedy or found.cause is Cause.LAUNCHING


def test_the_place_in_the_line_is_told() -> None:
    assert reason("am_limit_queue", ahead=0).sentence.endswith("; none that came earlier waits")
    assert reason("am_limit_queue", ahead=1).sentence.endswith("; 1 that came earlier waits too")
    assert reason("am_limit_queue", ahead=3).sentence.endswith("; 3 that came earlier wait too")


def test_a_driver_that_can_never_start_is_not_told_to_wait() -> None:
    assert reason("fair_am_share").remedy.startswith("waiting does not help: ask for less (--driver-memory)")
    assert "maxAMShare of root.etl.nightly" in reason("fair_am_share").remedy
    assert reason("am_limit_queue").remedy.startswith("wait for a driver in it to end")
    assert "maximum-am-resource-percent of root.etl" in reason("am_limit_queue").remedy


def test_a_full_cluster_is_told_from_the_root_queue_without_the_nodes() -> None:
    found = reason("cluster_full", nodes=False)
    assert (found.cause, "15232 of 16384 MiB" in found.sentence) == (Cause.CLUSTER_FULL, True)


def test_what_is_only_reserved_for_it_does_not_fill_its_queue() -> None:
    """Seen on 3.5.0: the reservation of the waiting container itself counts as used, in the queue and its parents."""
    _, around = situation("no_node_fits")
    assert around.view is not None
    (queue,) = around.view.find("etl")
    assert (queue.used, queue.reserved, queue.held) == (Resources(3072, 1), Resources(3072, 1), Resources())
    assert around.view.root.reserved == Resources(3072, 1)
    assert reason("no_node_fits", nodes=False).cause is Cause.SCHEDULER


def test_without_any_surroundings_the_diagnostics_still_tell() -> None:
    report, _ = situation("am_limit_user")
    found = explain(report, Surroundings())
    assert found is not None and found.cause is Cause.USER_AM_LIMIT
    assert "hold 1664 MiB, 2 vcores; this one asks for 1024 MiB, 1 vcore" in found.sentence


def test_a_stopped_queue_is_named() -> None:
    report, around = situation("queue_full")
    assert around.view is not None
    stopped = tuple(replace(queue, state="STOPPED") for queue in around.view.root.children)
    view = replace(around.view, root=replace(around.view.root, children=stopped))
    found = explain(report, replace(around, view=view))
    assert found is not None and found.cause is Cause.QUEUE_STOPPED
    assert found.sentence == "queue root.etl is STOPPED: nothing in it is started"


def test_a_draining_queue_goes_on_with_what_it_has() -> None:
    report, around = situation("draining")
    assert around.view is not None and around.view.find("etl")[0].state == "DRAINING"
    waiting = replace(report, diagnostics="Application is Activated, waiting for resources to be assigned for AM.")
    found = explain(waiting, around)
    assert found is not None and found.cause is not Cause.QUEUE_STOPPED


def test_the_users_own_limit_comes_before_the_nodes() -> None:
    report, around = situation("queue_full")
    assert around.view is not None
    queues = []
    for queue in around.view.root.children:
        users = tuple(replace(user, limit=user.used) for user in queue.users)
        queues.append(replace(queue, maximum=Resources(16384, 16), users=users))
    view = replace(around.view, root=replace(around.view.root, children=tuple(queues)))
    found = explain(report, replace(around, view=view))
    assert found is not None and found.cause is Cause.USER_LIMIT
    assert found.sentence.startswith("root holds as much of queue root.etl as one user may: 3584 of 3584 MiB")


def test_a_container_larger_than_every_node() -> None:
    report, around = situation("no_node_fits")
    lone = replace(around, view=None, asks=(Ask(Resources(20_000, 1)),))
    found = explain(report, lone)
    assert found is not None
    assert (found.cause, found.sentence.partition(":")[0]) == (Cause.CLUSTER_FULL, "the cluster is full")
    empty = tuple(replace(node, used=Resources(), free=node.total) for node in around.nodes or ())
    found = explain(report, replace(lone, nodes=empty))
    assert found is not None and found.cause is Cause.NO_NODE_FITS
    assert found.sentence.startswith(
        "no node is large enough: the driver asks for 20000 MiB, 1 vcore, the largest of 2"
    )


def test_what_the_numbers_leave_open_the_schedulers_own_words_explain() -> None:
    free = (Node("n1:1", "RUNNING", free=Resources(16384, 16)),)
    report = ApplicationReport(APP, queue="root.etl", state=State.ACCEPTED, diagnostics="Application is Activated, …")
    around = Surroundings(None, free, (Ask(Resources(1024, 1)),), "Node is black listed. ")
    found = explain(report, around)
    assert found is not None and (found.cause, found.normal) == (Cause.SCHEDULER, False)
    assert found.sentence == "the driver asks for 1024 MiB, 1 vcore; the scheduler says: Node is black listed"
    silent = explain(report, replace(around, activity=""))
    assert silent is not None and (silent.cause, silent.normal) == (Cause.UNKNOWN, True)
    labelled = explain(report, replace(around, asks=(Ask(Resources(1024, 1), 1, "gpu"),)))
    assert labelled is not None and "label 'gpu'" in labelled.sentence


def test_the_steps_before_the_scheduler_and_after_it() -> None:
    def cause(state: State, text: str = "") -> Cause | None:
        found = explain(ApplicationReport(APP, state=state, diagnostics=text), Surroundings())
        return found.cause if found is not None else None

    assert [cause(state) for state in (State.NEW, State.NEW_SAVING, State.SUBMITTED)] == [
        Cause.SAVING,
        Cause.SAVING,
        Cause.SUBMITTED,
    ]
    assigned = "Scheduler has assigned a container for AM, waiting for AM container to be launched"
    assert cause(State.ACCEPTED, assigned) is Cause.LAUNCHING
    assert [cause(state) for state in (State.RUNNING, State.FINISHED, State.KILLED, State.UNKNOWN)] == [None] * 4


def test_the_scheduler_is_asked_only_where_it_has_a_say() -> None:
    assert needs_scheduler(situation("queue_full")[0])
    assert not needs_scheduler(situation("registering")[0])
    assert not needs_scheduler(ApplicationReport(APP, state=State.RUNNING))


def test_a_driver_without_executors_is_explained_like_a_driver_without_a_place() -> None:
    _, around = situation("queue_full")
    running = ApplicationReport(APP, queue="root.etl", user="root", state=State.RUNNING)
    found = explain_executors(running, around)
    assert found is not None and found.cause is Cause.QUEUE_FULL
    assert found.sentence.endswith("an executor asks for 1536 MiB, 1 vcore")
    assert explain_executors(running, replace(around, asks=())) is None


def test_after_a_take_over_nothing_is_said_of_a_queue_that_has_no_nodes_yet() -> None:
    """Seen right after a failover: no node has registered anew, so every queue looks full."""
    app = json.loads((GOLDEN.parent / "rm" / "app_recovered_3.5.json").read_text(encoding="utf-8"))
    report = replace(parse_application(app), state=State.ACCEPTED)
    assert not needs_scheduler(report)
    found = explain(report, Surroundings())
    assert found is not None and found.cause is Cause.REGISTERING and "taken over" in found.sentence
