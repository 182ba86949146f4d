"""A run id through crashes, restarts and two hosts: never two applications by our decisions, and always a way on.

The calls run the package's own code (`operations.once`, `deciding`, `claiming`, `recording`, `resolve`) on a world in
memory (`modelled_world`), and die at any border between two of their effects.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
from collections.abc import Callable

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from batch_submit.errors import BatchSubmitError, ClusterRefused, OutcomeUnknown, UsageError
from batch_submit.plan.resume import Action
from tests.unit.modelled_afterwards import AFTER, FORGOTTEN, arrives
from tests.unit.modelled_calls import Call
from tests.unit.modelled_launch import ITS_LEADER_DIES, LEADERLESS, ModelChild
from tests.unit.modelled_world import BAD, GOOD, KILLED, LIVE, Crash, World, many_others, restarted

HOSTS = st.sampled_from([0, 1])
LAUNCHERS = st.sampled_from(["spark-submit", "rest"])
GOES = st.sampled_from([*["takes"] * 4, "refuses", "is slow", *LEADERLESS])
#: A call takes some thirty steps, of which the later half launches; 0: it comes to its end.
DIES = st.one_of(st.just(0), st.integers(15, 35), st.integers(1, 50))
#: What is rare is drawn for, lest it end every story.
RARELY = st.integers(0, 2).map(lambda drawn: drawn == 2)
BOTH = list(itertools.product(["spark-submit", "rest"], repeat=2))
EXAMPLES = 3000 if os.environ.get("HYPOTHESIS_PROFILE") == "searching" else 150
DONE, SUBMIT = Action.DONE.value, Action.SUBMIT.value


class ExactlyOnce(RuleBasedStateMachine):
    """What may happen, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        #: Tries of which a person said "not submitted" although an application was there, or came after all: these
        #: may stand beside the run's other ones, and nothing else may.
        self.wrongly_given_up: set[int] = set()

    def call(self, host: int, launcher: str, goes: str, dies_at: int) -> None:
        world = self.world
        world.steps, world.dies_at, world.launch_goes = 0, dies_at, goes
        good_before = [app for app in world.of(GOOD) if not (app.forgotten and app.number in self.wrongly_given_up)]
        done, application_id = "", ""
        try:
            done, application_id = Call(world, world.hosts[host], launcher).submit()
        except Crash:
            pass
        except (OutcomeUnknown, ClusterRefused):
            pass
        world.dies_at = 0
        if done == DONE:
            assert application_id in {app.application_id for app in world.of(GOOD)}, "a success that was none"
        if done == Action.ATTACH.value:
            assert application_id in {app.application_id for app in world.shown()}
        if done == SUBMIT:
            assert not good_before, "it had succeeded before"
        if done:
            assert len([app for app in world.shown() if app.state == LIVE]) <= 1, "it has seen them"

    # --- what our program does --------------------------------------------------------------------------------------

    @initialize(host=HOSTS, launcher=LAUNCHERS, goes=GOES, dies_at=DIES, staging_s=st.sampled_from([0.0, 60.0]))
    def first(self, host: int, launcher: str, goes: str, dies_at: int, staging_s: float) -> None:
        self.world.staging_s = staging_s
        self.call(host, launcher, goes, dies_at)

    @rule(host=HOSTS, launcher=LAUNCHERS, goes=GOES, dies_at=DIES)
    def submit(self, host: int, launcher: str, goes: str, dies_at: int) -> None:
        self.call(host, launcher, goes, dies_at)

    @rule(
        host=HOSTS,
        launchers=st.tuples(LAUNCHERS, LAUNCHERS),
        goes=GOES,
        dies=st.tuples(DIES, DIES),
        at=st.integers(1, 40),
    )
    def submit_while_the_other_host_does(
        self, host: int, launchers: tuple[str, str], goes: str, dies: tuple[int, int], at: int
    ) -> None:
        self.world.between = (at, lambda: self.call(1 - host, launchers[1], "takes", dies[1]))
        self.call(host, launchers[0], goes, dies[0])
        self.world.between = None

    @rule(host=HOSTS, is_wrong=st.booleans())
    def give_up(self, host: int, is_wrong: bool) -> None:
        """``resolve --not-submitted``; a person who is right knows that nothing can come any more."""
        world = self.world
        number = Call(world, world.hosts[host]).number()
        may_come = world.may_come(number)
        if may_come and not is_wrong:
            return
        with contextlib.suppress(UsageError):
            Call(world, world.hosts[host]).give_up()
            self.wrongly_given_up |= {number} if may_come else set()

    @rule(host=HOSTS)
    def rebuild_the_ledger(self, host: int) -> None:
        """``ledger rebuild``, mostly of a ledger that is whole."""
        Call(self.world, self.world.hosts[host]).rebuild()

    # --- what the world does ----------------------------------------------------------------------------------------

    @precondition(lambda self: self.world.pending())
    @rule(submits=st.booleans(), which=st.integers(0, 3))
    def spark_submit_ends(self, submits: bool, which: int) -> None:
        world = self.world
        program = world.pending()[which % len(world.pending())]
        program.is_alive = False
        if submits:
            world.accept(world.new_id(), program.number)

    @precondition(lambda self: self.world.in_flight)
    @rule(arrives=st.booleans())
    def a_post_arrives(self, arrives: bool) -> None:
        sent = self.world.in_flight.pop(0)
        if arrives:
            self.world.accept(*sent)

    @precondition(lambda self: self.world.of(LIVE))
    @rule(end=st.sampled_from([GOOD, BAD, KILLED]))
    def an_application_ends(self, end: str) -> None:
        self.world.of(LIVE)[0].state = end

    @rule(remembers=st.booleans(), happens=RARELY)
    def the_resourcemanager_restarts(self, remembers: bool, happens: bool) -> None:
        if happens:
            restarted(self.world, remembers=remembers)

    @rule(happens=RARELY)
    def many_others_submit(self, happens: bool) -> None:
        if happens:
            many_others(self.world)

    @rule(host=HOSTS)
    def a_host_restarts(self, host: int) -> None:
        there = self.world.hosts[host]
        there.boots += 1
        for program in self.world.programs:
            if program.host is there:
                program.is_alive = False

    @rule(host=HOSTS, happens=RARELY)
    def a_ledger_is_lost(self, host: int, happens: bool) -> None:
        """With its exports; the claims in the cluster stay."""
        if happens:
            self.world.hosts[host].record = ""

    @rule(hours=st.integers(-9000, 9000))
    def somebody_sets_the_clock(self, hours: int) -> None:
        self.world.clock.wall_s = hours * 3600.0

    # --- what holds -------------------------------------------------------------------------------------------------

    @invariant()
    def at_most_one_application(self) -> None:
        count = [app for app in self.world.of(LIVE, GOOD) if app.number not in self.wrongly_given_up]
        assert len(count) <= 1, count

    @invariant()
    def at_most_one_application_of_each_try(self) -> None:
        numbers = [app.number for app in self.world.apps]
        assert len(numbers) == len(set(numbers)), self.world.apps

    def teardown(self) -> None:
        """Once everything that was under way has come to an end, each run can go on: by itself, or by a person."""
        world = self.world
        while world.pending():
            self.spark_submit_ends(submits=False, which=0)
        world.in_flight.clear()
        world.steps = world.dies_at = 0
        world.launch_goes, world.between = "takes", None
        answers = []
        for host in world.hosts:
            try:
                answers.append(Call(world, host, "spark-submit").submit()[0])
            except OutcomeUnknown:
                answers.append("")
        live = [app for app in world.shown() if app.state == LIVE]
        if any(answers):
            assert len(live) <= 1
            return
        if world.of(GOOD):
            return  # it succeeded, and nobody remembers: only a person can tell, and makes no new try
        Call(world, world.hosts[0]).give_up()
        assert Call(world, world.hosts[1]).submit()[0] == SUBMIT


ExactlyOnce.TestCase.settings = settings(max_examples=EXAMPLES, stateful_step_count=15, deadline=None)
TestExactlyOnce = ExactlyOnce.TestCase


# --- one crash, everywhere --------------------------------------------------------------------------------------------


def killed_at(step: int, launcher: str) -> World | None:
    """The world after a call on the first host that died at a step; ``None``: it came to its end before."""
    world = World(dies_at=step)
    try:
        Call(world, world.hosts[0], launcher).submit()
    except Crash:
        world.steps = world.dies_at = 0
        return world
    return None


def submitted(world: World, host: int, launcher: str) -> str:
    """What a call did; "" when it can't know."""
    try:
        done, application_id = Call(world, world.hosts[host], launcher).submit()
    except OutcomeUnknown:
        return ""
    assert application_id in {app.application_id for app in world.apps}, "it names an application that there is not"
    return done


@pytest.mark.parametrize("repeats", [(0, 1), (1, 0)], ids=["the same host", "another host first"])
@pytest.mark.parametrize("launchers", BOTH, ids=" then ".join)
@pytest.mark.parametrize("happens", AFTER, ids=lambda one: one.__name__)
def test_killed_at_every_step(
    happens: Callable[[World], None], launchers: tuple[str, str], repeats: tuple[int, int]
) -> None:
    """Whatever becomes of what was under way, there is one application, and the host that was killed goes on."""
    step = 0
    while (world := killed_at(step := step + 1, launchers[0])) is not None:
        happens(world)
        answers = {host: submitted(world, host, launchers[1]) for host in repeats}
        arrives(world)
        told = f"step {step}, answers {answers}: {world.apps}"
        assert len(world.of(LIVE, GOOD)) <= 1, told
        if happens not in FORGOTTEN:
            again = submitted(world, 0, launchers[1])
            assert again and len(world.of(LIVE)) == 1, f"{told}, then {again!r}"
            assert submitted(world, 1, launchers[1]) == Action.ATTACH.value, told
        elif not world.of(GOOD) and not any(answers.values()):
            Call(world, world.hosts[0]).give_up()
            assert submitted(world, 1, launchers[1]) == SUBMIT, told
    assert step > 15


@pytest.mark.parametrize("launchers", BOTH, ids=" with ".join)
@pytest.mark.parametrize("first_dies", [False, True], ids=["both go on", "the first one dies then"])
def test_another_host_at_every_step(launchers: tuple[str, str], first_dies: bool) -> None:
    """The other host's whole call runs between two effects of this one's."""
    for step in itertools.count(1):
        world, both = World(), []
        world.between = (step, lambda world=world, both=both: both.append(submitted(world, 1, launchers[1])))
        world.dies_at = step + 1 if first_dies else 0
        with contextlib.suppress(Crash):
            both.append(submitted(world, 0, launchers[0]))
        if world.between is not None:
            break
        world.steps = world.dies_at = 0
        arrives(world)
        assert len(world.of(LIVE)) <= 1, f"step {step}: {both} {world.apps}"
        after = submitted(world, 0, launchers[0]), submitted(world, 1, launchers[1])
        assert all(after) and len(world.of(LIVE)) == 1, f"step {step}: {both}, then {after}"
    assert step > 15


@pytest.mark.parametrize("step", range(1, 31))
def test_two_hosts_of_which_one_dies_and_the_other_s_program_is_slow(step: int) -> None:
    """The other one dies at any step between two of this one's, and comes back before the program has submitted."""

    def other_dies(world: World, at: int) -> None:
        world.dies_at = at
        world.launch_goes = "takes"
        with contextlib.suppress(Crash):
            submitted(world, 1, "spark-submit")

    for at in range(1, 36):
        world = World(launch_goes="is slow")
        world.between = (step, functools.partial(other_dies, world, at))
        submitted(world, 0, "spark-submit")
        world.launch_goes = "takes"
        answers = [submitted(world, 1, "spark-submit"), submitted(world, 0, "spark-submit")]
        arrives(world)
        assert len(world.of(LIVE)) <= 1, f"the other dies at {at}: {answers} {world.apps}"
        answers = [submitted(world, host, "spark-submit") for host in (0, 1, 0)]
        assert answers[-1] and len(world.of(LIVE)) == 1, f"the other dies at {at}: {answers}"


@pytest.mark.parametrize("looks", [0, 1])
@pytest.mark.parametrize(("late", "stays"), [(LIVE, 2), (GOOD, 1)], ids=["it lives", "it has succeeded"])
def test_what_arrives_after_a_person_was_wrong_is_seen_by_either_host(looks: int, late: str, stays: int) -> None:
    world = World(launch_goes="is slow")
    assert submitted(world, 0, "spark-submit") == ""
    world.launch_goes = "takes"
    Call(world, world.hosts[1]).give_up()
    assert submitted(world, 1, "spark-submit") == SUBMIT
    (program,) = world.pending()
    arrives(world)
    arrived = world.apps[-1]
    arrived.state = late
    assert arrived.number == program.number == 1 and len(world.of(LIVE, GOOD)) == 2
    for host in (looks, 1 - looks):
        assert submitted(world, host, "spark-submit") == (DONE if late == GOOD else Action.ATTACH.value)
        assert [app.number for app in world.of(LIVE, GOOD)] == [stays]


@pytest.mark.parametrize("goes", LEADERLESS)
@pytest.mark.parametrize("repeats", [(0, 1), (1, 0)], ids=["the same host", "another host first"])
def test_a_program_that_outlives_its_wrapper(goes: str, repeats: tuple[int, int]) -> None:
    """Whatever it comes to in the end, nothing is launched beside it, and the host goes on."""
    world = World(launch_goes=goes)
    try:
        first, _ = Call(world, world.hosts[0]).submit()
    except BatchSubmitError as error:
        first = type(error).__name__
    assert first == dict(zip(LEADERLESS, ["OutcomeUnknown", SUBMIT, "ClusterRefused"], strict=True))[goes]
    assert len(world.pending()) == (1 if goes == ITS_LEADER_DIES else 0)
    world.launch_goes = "takes"
    for host in repeats:
        submitted(world, host, "spark-submit")
        assert len(world.of(LIVE)) + len(world.pending()) <= 1, f"host {host}: {world.apps}"
    arrives(world)
    assert submitted(world, 0, "spark-submit") and len(world.of(LIVE)) == 1


def test_the_model_sees_a_second_application_beside_a_program_that_outlives_its_wrapper(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It can fail: where only spark-submit's own process is looked at there are two."""
    monkeypatch.setattr(ModelChild, "left", lambda self: ())
    world = World(launch_goes=ITS_LEADER_DIES)
    with pytest.raises(ClusterRefused):
        Call(world, world.hosts[0]).submit()
    world.launch_goes = "takes"
    assert submitted(world, 0, "spark-submit") == SUBMIT
    arrives(world)
    assert len(world.of(LIVE)) == 2


def test_the_model_sees_a_second_application(monkeypatch: pytest.MonkeyPatch) -> None:
    """It can fail: without the rule that a launch which can't be known is not repeated there are two."""
    from batch_submit.operations import deciding
    from batch_submit.plan.resume import Decision

    def reckless(*given: object) -> Decision:
        decision = real(*given)  # type: ignore[arg-type]
        unknown = decision.action in (Action.UNCERTAIN, Action.LOOK)
        return Decision(Action.SUBMIT, decision.number + 1) if unknown else decision

    real = deciding.decision_of
    monkeypatch.setattr(deciding, "decision_of", reckless)
    world = World(launch_goes="is slow")
    with pytest.raises(BatchSubmitError):
        Call(world, world.hosts[0]).submit()
    world.launch_goes = "takes"
    with contextlib.suppress(BatchSubmitError):
        Call(world, world.hosts[0]).submit()
    for program in world.pending():
        world.accept(world.new_id(), program.number)
    assert len(world.of(LIVE)) == 2
