"""A submission that was refused over REST, and what repeats it: never two applications, and always a way on.

The refused id could still be posted by another host, as the model of exactly-once has it (`modelled_world`).
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable
from typing import Any

import pytest

from batch_submit.errors import ClusterRefused, OutcomeUnknown
from batch_submit.operations import once
from batch_submit.operations.claiming import Claims
from batch_submit.operations.deciding import Deciding
from batch_submit.plan.resume import Action
from tests.unit.modelled_afterwards import arrives, ends_without
from tests.unit.modelled_calls import LIMITS, NO_SIGNALS, PLAN, Call
from tests.unit.modelled_turns import Turns
from tests.unit.modelled_world import LIVE, Crash, World, many_others
from tests.unit.test_exactly_once_model import BOTH, SUBMIT, killed_at, submitted


def refused_over_rest(rival_at: int = 0, dies_at: int = 0) -> World:
    """The world after a try that the ResourceManager refused; another host's call may run, and die, in between."""
    world = World(launch_goes="refuses")

    def rival() -> None:
        world.dies_at, world.launch_goes = dies_at, "takes"
        with contextlib.suppress(Crash):
            submitted(world, 1, "rest")

    world.between = (rival_at, rival) if rival_at else None
    with contextlib.suppress(ClusterRefused, OutcomeUnknown):
        Call(world, world.hosts[0], "rest").submit()
    world.between = None
    world.steps = world.dies_at = 0
    world.launch_goes = "takes"
    return world


@pytest.mark.parametrize("launcher", ["spark-submit", "rest"])
@pytest.mark.parametrize("host", [0, 1])
def test_a_refusal_makes_room_for_the_next_try_by_either_launcher(launcher: str, host: int) -> None:
    world = refused_over_rest()
    many_others(world)
    assert submitted(world, host, launcher) == SUBMIT
    assert [app.number for app in world.of(LIVE)] == [2]
    assert submitted(world, 1 - host, launcher) == Action.ATTACH.value
    assert bool(world.programs) is (launcher == "spark-submit"), "by the launcher that was named"


@pytest.mark.parametrize("launcher", ["spark-submit", "rest"])
def test_a_refusal_while_another_host_posts_the_same_id(launcher: str) -> None:
    """That host dies at any of its steps, its post arrives before or after the repeat, or never."""
    for at, dies_at, is_early in itertools.product(range(1, 20), range(0, 24), (False, True)):
        world = refused_over_rest(at, dies_at)
        if is_early:
            arrives(world)
        answers = [submitted(world, host, launcher) for host in (0, 1)]
        arrives(world)
        told = f"at {at}, dies at {dies_at}, early {is_early}: {answers} {world.apps}"
        assert len(world.of(LIVE)) <= 1, told
        assert submitted(world, 0, launcher) and len(world.of(LIVE)) == 1, told


@pytest.mark.parametrize("launchers", BOTH, ids=" and ".join)
def test_two_hosts_repeat_what_was_refused(launchers: tuple[str, str]) -> None:
    """One begins before the other, which runs between any two of its steps, and dies at any of its own or not."""
    for step, dies_at in itertools.product(range(1, 30), (0, 8, 10, 12, 14, 16, 18, 20, 22)):
        world = refused_over_rest()
        both: list[str] = []

        def other(world: World = world, both: list[str] = both, dies_at: int = dies_at) -> None:
            world.dies_at = dies_at
            with contextlib.suppress(Crash):
                both.append(submitted(world, 1, launchers[1]))

        world.between = (step, other)
        both.append(submitted(world, 0, launchers[0]))
        world.between = None
        world.steps = world.dies_at = 0
        arrives(world)
        told = f"step {step}, dies at {dies_at}: {both} {world.apps}"
        assert len(world.of(LIVE)) <= 1, told
        after = [submitted(world, 1, launchers[1]), submitted(world, 0, launchers[0])]
        assert any(after) and len(world.of(LIVE)) == 1, f"{told}, then {after}"


def refused_to_who_reserved(world: World) -> None:
    """The call that reserved the first try's id hears a no, and says so."""
    claims = Call(world, world.hosts[0], "rest").claims
    claims.look()
    claims._won = 1
    claims.not_submitted(1, "no")


def late_poster(world: World, *, step: int) -> tuple[str, list[str]]:
    """Host 1 posts host 0's id again; before one of its steps host 0 hears the no, and is repeated by spark-submit."""
    between: list[str] = []

    def refused_then_repeated() -> None:
        refused_to_who_reserved(world)
        between.append(submitted(world, 0, "spark-submit"))

    world.between = (step, refused_then_repeated)
    answer = submitted(world, 1, "rest")
    return answer, between


def reserved_only() -> World:
    """Host 0 has reserved and recorded an id, and has not posted it so far; its record is not looked at again."""
    for step in itertools.count(1):
        world = killed_at(step, "rest")
        assert world is not None
        if '"LAUNCHING"' in world.hosts[0].record:
            world.hosts[0].record = ""
            return world
    raise AssertionError


def test_an_id_is_posted_again_or_closed_and_never_both() -> None:
    for step in itertools.count(1):
        world = reserved_only()
        answer, between = late_poster(world, step=step)
        if world.between is not None:
            break
        arrives(world)
        told = f"step {step}: {answer!r} {between} {world.apps}"
        assert len(world.of(LIVE)) <= 1, told
        assert answer or any(between) or "1-closed.json" in world.files, told
    assert step > 10


@pytest.mark.parametrize("launcher", ["spark-submit", "rest"])
def test_a_call_that_had_looked_before_the_refusal_goes_on_after_it(launcher: str) -> None:
    """It posts, or dies on the way, between two steps of the call that goes for the next try."""
    signals: Any = NO_SIGNALS
    for step, dies_at in itertools.product(range(1, 30), range(0, 10)):
        world = reserved_only()
        late = Call(world, world.hosts[1], "rest")
        recorder = late._looked()
        deciding = Deciding(late.context.services, late.backend, late.claims, recorder, signals, LIMITS)
        decision, _ = deciding.decide()
        assert decision.application_id
        refused_to_who_reserved(world)

        def goes_on(
            world: World = world,
            late: Call = late,
            recorder: Any = recorder,
            decision: Any = decision,
            at: int = dies_at,
        ) -> None:
            world.dies_at = at
            with contextlib.suppress(Crash, OutcomeUnknown):
                once._launch(late.context, late.backend, recorder, PLAN, decision, signals, late.claims)

        world.steps = 0
        world.between = (step, goes_on)
        answer = submitted(world, 0, launcher)
        if world.between is not None:
            assert step > 10
            return
        arrives(world)
        told = f"step {step}, dies at {dies_at}: {answer!r} {sorted(world.files)} {world.apps}"
        assert len(world.of(LIVE)) <= 1, told
        assert answer or world.of(LIVE) or "1-closed.json" in world.files, told
    raise AssertionError("it never came to its end")


def goes_on(world: World, told: str) -> None:
    """By itself, or once a person has decided; from either host, and with one application in the end."""
    assert len(world.of(LIVE)) <= 1, told
    answers = [submitted(world, host, "rest") for host in (0, 1)]
    if not any(answers):
        assert not world.of(LIVE), f"{told}, then {answers}"
        Call(world, world.hosts[1]).give_up()
        assert submitted(world, 0, "rest") == SUBMIT, told
    assert len(world.of(LIVE)) == 1, f"{told}, then {answers}: {world.apps}"


def closed_and_left(world: World) -> None:
    """Host 0 hears a no under its id, closes it with the next call, and dies before there is a newer try."""
    world.launch_goes = "refuses"
    with contextlib.suppress(ClusterRefused, OutcomeUnknown):
        Call(world, world.hosts[0], "rest").submit()
    world.launch_goes = "takes"
    for at in itertools.count(1):
        if "1-closed.json" in world.files or "2-planned.json" in world.files:
            return
        world.steps, world.dies_at = 0, at
        with contextlib.suppress(Crash, OutcomeUnknown):
            Call(world, world.hosts[0], "rest").submit()
            return


def test_whoever_finds_an_id_closed_before_it_says_that_it_posts_it_goes_on_with_the_next_try() -> None:
    """What was said after that would leave the run to a person: the id was closed, and somebody says that it posts it.

    Host 1 has looked before any of it was claimed, or at any other of its steps.
    """
    stuck = 0
    for step in itertools.count(1):
        world = World()
        late = Turns(world, lambda world=world: submitted(world, 1, "rest"))
        if late.goes(step):
            break
        had_said = "1-again.json" in world.files
        closed_and_left(world)
        world.steps = world.dies_at = 0
        late.ends()
        files = sorted(world.files)
        told = f"step {step}: {late.answer!r} {files} {world.apps}"
        if {"1-again.json", "1-closed.json"} <= set(files) and "2-planned.json" not in files:
            stuck += 1
            assert had_said, told
        goes_on(world, told)
    assert step > 15 and stuck == 0


def said(world: World, host: int) -> str:
    """What a call says that does not know, or what it did."""
    try:
        return Call(world, world.hosts[host], "rest").submit()[0]
    except OutcomeUnknown as error:
        return "\n".join(error.lines())


def test_where_both_have_seen_each_other_they_name_the_person_who_decides() -> None:
    """One closes the id while the other says that it posts it: neither goes on, and neither can by itself."""
    world = reserved_only()
    posts = Turns(world, lambda: said(world, 1))
    for _ in range(40):
        posts.goes(1)
        if "again" in str(sorted(world.files)):
            break
    (say,) = [name for name in world.files if "again" in name]
    again = world.files.pop(say)  # it is about to be put in place
    refused_to_who_reserved(world)
    closes = Turns(world, lambda: said(world, 0))
    while "1-closed.json" not in world.files:
        assert not closes.goes(1)
    world.files[say] = again
    for one in (posts, closes):
        one.ends()
        assert "resolve nightly " in str(one.answer) and "--not-submitted" in str(one.answer), one.answer
    assert "closed while this call was about to post it too; this call did not" in str(posts.answer)
    assert "resolve nightly" in said(world, 1) and not world.apps
    goes_on(world, "both have seen each other")


@pytest.mark.parametrize("host", [0, 1])
@pytest.mark.parametrize("happens", [arrives, ends_without], ids=lambda one: one.__name__)
def test_killed_at_every_step_and_the_repeat_too(happens: Callable[[World], None], host: int) -> None:
    """The repeat posts the same id again and says so first; it dies before, between, and after these two."""
    died_after = set()
    for step in range(8, 30):
        for dies_at in range(1, 30):
            world = killed_at(step, "rest")
            if world is None or "1-reserved.json" not in world.files:
                continue
            world.dies_at = dies_at
            with contextlib.suppress(Crash):
                submitted(world, host, "rest")
                continue
            world.steps = world.dies_at = 0
            died_after.add("1-again.json" in world.files)
            happens(world)
            goes_on(world, f"killed at {step}, the repeat at {dies_at}: {sorted(world.files)} {world.apps}")
    assert died_after == {True, False}


@pytest.mark.parametrize("host", [0, 1])
def test_the_repeat_of_what_was_refused_is_killed_at_every_step(host: int) -> None:
    """It closes the id first; while another call that has looked before is about to post that id, or not."""
    died_after = set()
    for dies_at, rival_at in itertools.product(range(3, 30), range(0, 22, 2)):
        world = refused_over_rest(rival_at, dies_at=14 + dies_at % 4)
        world.dies_at = dies_at
        with contextlib.suppress(Crash):
            submitted(world, host, "spark-submit")
            continue
        world.steps = world.dies_at = 0
        died_after.add("1-closed.json" in world.files)
        arrives(world)
        goes_on(world, f"the repeat at {dies_at}, the rival at {rival_at}: {sorted(world.files)} {world.apps}")
    assert died_after == {True, False}


def test_the_model_sees_an_id_that_is_posted_although_it_was_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """It can fail: where nobody says that it posts another's id, nor looks afterwards, there are two."""
    monkeypatch.setattr(Claims, "_joined", lambda _self, _number, application_id: application_id)
    monkeypatch.setattr(Claims, "why_passed_over", lambda *_: "")
    most = 0
    for step in range(1, 30):
        world = reserved_only()
        late_poster(world, step=step)
        arrives(world)
        most = max(most, len(world.of(LIVE)))
    assert most == 2
