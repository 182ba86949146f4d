"""The calls of our program in the modelled world: the package's own code, from the look at the claims to the answer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from types import SimpleNamespace
from typing import Any

from batch_submit.errors import TryPassedOver
from batch_submit.ledger import Run
from batch_submit.ledger.rebuild import with_claim, with_report
from batch_submit.operations import once
from batch_submit.operations.claiming import Claims
from batch_submit.operations.deciding import (
    Deciding,
    LookLimits,
    decision_of,
    record_ended_tries,
    what_is_known,
    what_shows,
)
from batch_submit.operations.recording import Recorder
from batch_submit.operations.resolve import _Case, _give_up
from batch_submit.plan.identity import Fingerprint
from batch_submit.plan.resume import Action
from batch_submit.plan.submission import JobSpec, ShippedFile, SubmissionPlan
from ml_pipeline_framework.contract import JobType
from tests.unit.modelled_world import QUIET, RUN_ID, USER, Folder, Host, HostProcesses, ModelBackend, Records, World

DAY = "2026-01-31"
SCRIPT = ShippedFile("/job.py", "job.py", "--script")
SPEC = JobSpec(JobType.CUSTOM, "n", RUN_ID, "", date(2026, 1, 31), "yarn", "cluster", "/", SCRIPT, (), None, {})
PLAN = SubmissionPlan(SPEC, ("spark-submit",), {}, {}, (), Fingerprint({"script": "x"}))
LIMITS = LookLimits(settle_s=1.0, rm_patience_s=5.0, program_patience_s=2.0)
NO_SIGNALS = SimpleNamespace(received=[], first=0)


@dataclass
class Call:
    """One call of our program on a host."""

    world: World
    host: Host
    launcher: str = "spark-submit"

    def __post_init__(self) -> None:
        world = self.world
        world.nonces += 1
        services = SimpleNamespace(
            clock=world.clock,
            terminal=QUIET,
            host=self.host.name,
            os_user=USER,
            processes=HostProcesses(world, self.host),
        )
        self.context: Any = SimpleNamespace(services=services)
        self.backend: Any = ModelBackend(world, self.host, self.launcher)
        self.claims = Claims(self.context, RUN_ID, USER, Folder(world), nonce=f"n{world.nonces}")  # type: ignore[arg-type]
        self.ledger: Any = Records(world, self.host)

    def _looked(self) -> Recorder:
        self.claims.look()
        assert self.claims.problem is None
        self.claims.refuse_another_job(Fingerprint({"script": "x"}), DAY)
        new = Run(RUN_ID, "n", "custom", "yarn", "c", USER, self.host.name, "t", DAY, "f", {"script": "x"})
        services = self.context.services
        return Recorder(self.ledger, services.clock, services.terminal, self.ledger.load(RUN_ID) or new)

    def submit(self) -> tuple[str, str]:
        """``submit --run-id``: what was done, and the application; raises what the program would end with."""
        try:
            return self._submitted()
        except TryPassedOver:
            return Call(self.world, self.host, self.launcher)._submitted()

    def _submitted(self) -> tuple[str, str]:
        recorder = self._looked()
        deciding = Deciding(self.context.services, self.backend, self.claims, recorder, NO_SIGNALS, LIMITS)  # type: ignore[arg-type]
        decision, seen = deciding.decide()
        if decision.action is not Action.SUBMIT:
            accepted = once._resume(self.context, recorder, decision, self.claims)
            return decision.action.value, accepted.application_id
        record_ended_tries(recorder, seen)
        signals: Any = NO_SIGNALS
        ours = once._launch(self.context, self.backend, recorder, PLAN, decision, signals, self.claims)
        accepted = once._beside(self.context, deciding, decision.number, ours, wait=False)
        if accepted.attached:
            return (Action.DONE if accepted.verdict is not None else Action.ATTACH).value, accepted.application_id
        return "submit", ours

    def decides(self) -> Action:
        """What it would do now."""
        recorder = self._looked()
        known = what_is_known(self.context.services, self.claims, recorder.run)
        return decision_of(self.backend, known, what_shows(self.backend, RUN_ID, known)).action

    def number(self) -> int:
        """Of the try that a person would decide about."""
        return what_is_known(self.context.services, self.claims, self._looked().run).number

    def give_up(self) -> None:
        """``resolve --not-submitted --force``."""
        recorder = self._looked()
        known = what_is_known(self.context.services, self.claims, recorder.run)
        decision = decision_of(self.backend, known, what_shows(self.backend, RUN_ID, known))
        run = recorder.run if self.host.record else None
        kept = recorder if run is not None else None
        case = _Case(self.context, self.backend, RUN_ID, run, self.claims, kept, known, decision, f"{USER} on x")
        _give_up(case, force=True)

    def rebuild(self) -> None:
        """``ledger rebuild``: of what is left on this host, the claims, and the applications that are shown."""
        self.claims.look()
        run = with_claim(self.ledger.load(RUN_ID), self.claims.held, Folder.path, backend="yarn", cluster="c")
        for app in reversed(self.world.shown()):
            run = with_report(run, RUN_ID, app.report(), backend="yarn", cluster="c")
        self.host.record = run.to_json() if run is not None else ""
