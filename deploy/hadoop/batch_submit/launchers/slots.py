"""No more spark-submits at once than this host bears: each is a JVM; the others wait, visibly, in their order."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from batch_submit.adapters.launch_slots import launch_slot, slots_of_this_host
from batch_submit.errors import Interrupted
from batch_submit.launchers.spark_submit import SparkSubmitLauncher
from batch_submit.plan.submission import SubmissionPlan
from batch_submit.services import SignalCount


@contextmanager
def one_of_the_slots(
    plan: SubmissionPlan, launcher: SparkSubmitLauncher, signals: SignalCount, most: int
) -> Iterator[None]:
    """Hold a slot while spark-submit runs; a driver in client mode lives as long as its run, and needs none.

    Parameters
    ----------
    most
        Slots of this host; 0: as many as it has cores and GiB of memory.

    Raises
    ------
    Interrupted
        A signal came while waiting: nothing was launched.
    HostNotReady
        The slots' folder can't be written.
    """
    if plan.spec.deploy_mode == "client":
        yield
        return
    size = most or slots_of_this_host()

    def waiting(ahead: int) -> None:
        if signals.received:
            raise Interrupted(signals.received[0])
        launcher.terminal.progress(
            "slot", f"waiting for a free spark-submit slot ({ahead} ahead of it, {size} at once on this host)"
        )

    with launch_slot(launcher.folder / "slots", size, sleep=launcher.clock.sleep, waiting=waiting):
        yield
