"""A person gives a try up whose launch is on its way, and a newer one is made: once both calls have ended, one lives.

Both calls run at once, in every order of their steps that matters (`modelled_turns`).
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator

import pytest

from batch_submit.errors import UsageError
from batch_submit.operations import claiming, once
from batch_submit.operations.once import Accepted
from batch_submit.plan.resume import Action
from tests.unit.modelled_calls import Call
from tests.unit.modelled_turns import Turns
from tests.unit.modelled_world import LIVE, World
from tests.unit.test_exactly_once_model import BOTH, SUBMIT, submitted

#: More steps than a call has.
ALL = 200


def two_calls(launchers: tuple[str, str]) -> tuple[World, Turns, Turns]:
    """A world, and a call on each of two hosts that has not begun."""
    world = World()
    first, second = (Turns(world, lambda at=at: submitted(world, at, launchers[at])) for at in (0, 1))
    return world, first, second


def gives_up(world: World) -> bool:
    """A person on the second host says "not submitted"; whether there was anything to decide."""
    with contextlib.suppress(UsageError):
        Call(world, world.hosts[1]).give_up()
        return True
    return False


def orders() -> Iterator[tuple[int, list[int]]]:
    """After how many steps of the first call it is given up; then the turns of the second one, the first one, …"""
    for given_up_at in range(8, 40):
        yield given_up_at, [ALL, ALL]
        for steps in range(8, 44, 3):
            yield given_up_at, [steps + given_up_at % 3, ALL, ALL]
    drawn = random.Random(7)
    for _ in range(250):
        yield drawn.randint(8, 40), [drawn.randint(1, 30) for _ in range(6)]


def most_that_live(launchers: tuple[str, str]) -> int:
    """How many live once both have ended, in the worst of all orders."""
    most = decided = 0
    for given_up_at, turns in orders():
        world, first, second = two_calls(launchers)
        world.staging_s = 60.0 * (given_up_at % 2)  # only what takes long is looked at again before it is posted
        first.goes(given_up_at)
        if first.has_ended or not gives_up(world):
            first.ends()
            continue
        decided += 1
        for at, steps in enumerate(turns):
            (second, first)[at % 2].goes(steps)
        for one in (first, second):
            one.ends()
        told = f"given up at {given_up_at}, turns {turns}: {first.answer!r} {second.answer!r} {world.apps}"
        # One that is passed over before its POST makes a newer try, too; beside a spark-submit one of the two says 8.
        assert (first.answer or second.answer) and world.of(LIVE), told
        assert (first.answer and second.answer) or set(launchers) == {"rest", "spark-submit"}, told
        most = max(most, len(world.of(LIVE)))
    assert decided > 50
    return most


@pytest.mark.parametrize("launchers", BOTH, ids=" and ".join)
def test_whatever_happens_at_once_one_of_them_sees_the_other(launchers: tuple[str, str]) -> None:
    assert most_that_live(launchers) == 1


def test_the_model_sees_two_where_nobody_looks_after_its_own_acceptance(monkeypatch: pytest.MonkeyPatch) -> None:
    """It can fail."""

    def reckless(_context: object, deciding: once.Deciding, _number: int, ours: str, **_: object) -> Accepted:
        return Accepted(ours, deciding.recorder)

    monkeypatch.setattr(once, "_beside", reckless)
    assert most_that_live(("rest", "rest")) == 2


def test_over_rest_nothing_is_posted_once_it_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """While files are staged, which takes long, and nobody makes a newer try: the call itself does."""
    for fresh_s, numbers in ((1.0, [2]), (1000.0, [1])):
        monkeypatch.setattr(claiming, "FRESH_S", fresh_s)
        world = World(staging_s=60.0)
        call = Turns(world, lambda world=world: submitted(world, 0, "rest"))
        while "1-reserved.json" not in world.files:
            assert not call.goes(1)
        assert gives_up(world)
        call.ends()
        assert [app.number for app in world.apps] == numbers and call.answer == SUBMIT
        assert submitted(world, 1, "rest") == Action.ATTACH.value and len(world.of(LIVE)) == 1
