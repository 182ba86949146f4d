"""What may have come of a call that died, once the next one looks."""

from __future__ import annotations

from tests.unit.modelled_world import GOOD, LIVE, World, many_others, restarted


def arrives(world: World) -> None:
    """Whatever was under way comes to its application."""
    for program in world.pending():
        program.is_alive = False
        world.accept(world.new_id(), program.number)
    while world.in_flight:
        world.accept(*world.in_flight.pop())


def ends_without(world: World) -> None:
    """Nothing comes of what was under way."""
    for program in world.pending():
        program.is_alive = False
    world.in_flight.clear()


def succeeded_and_forgotten(world: World) -> None:
    """By a ResourceManager without a state store that was restarted."""
    arrives(world)
    for app in world.of(LIVE):
        app.state = GOOD
    restarted(world, remembers=False)


def succeeded_among_many(world: World) -> None:
    """By a ResourceManager that keeps so many and no more."""
    arrives(world)
    for app in world.of(LIVE):
        app.state = GOOD
    many_others(world)


def host_restarted(world: World) -> None:
    """With the host its processes are gone."""
    world.hosts[0].boots += 1
    ends_without(world)


def nothing_yet(world: World) -> None:
    """It is still under way when the repeat comes, and arrives after it."""


AFTER = [arrives, ends_without, succeeded_and_forgotten, succeeded_among_many, host_restarted, nothing_yet]
FORGOTTEN = (succeeded_and_forgotten, succeeded_among_many)
