"""What is recorded of a run: frozen values, and their form as a JSON file.

A field that is added here with a default is all that it takes: the database gets its column at its next opening for
writing, older files and databases read as the default, and an older release leaves it alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, field, fields, replace
from typing import Any

from batch_submit.data_classes import dataclass
from batch_submit.plan.run_states import TryState

#: Of the JSON files. The database has a version of its own.
SCHEMA = 1


@dataclass(frozen=True)
class StateSeen:
    """A state that a try went through: one of :class:`TryState`, or YARN's while it lived.

    Parameters
    ----------
    at
        When this host saw or made it; ISO 8601 in UTC.
    detail
        With ``FINISHED`` the result, or what a later look saw instead; with ``PLANNED`` that it was planned again, and
        why nothing had come of it.
    """

    state: str
    at: str
    detail: str = ""


@dataclass(frozen=True)
class Try:
    """One try of a run; times are ISO 8601 in UTC.

    Parameters
    ----------
    memory_seconds, vcore_seconds
        MiB and vcores times seconds, as YARN counts them.
    claim
        The folder in the cluster where it is claimed, or ``none: <why>``.
    nonce
        By which its claims are ours.
    pid, process_start
        The program that submits it, which leads a session of its own: with its start time (clock ticks since the
        host's start) the pid names it for good. 0: none was started.
    host, machine, boot_id, pid_namespace
        Where that process runs; see `plan.resume.Here`.
    epoch, submitted_before
        The cluster just before the launch; see `plan.resume.Marks`.
    decided_by, decided_at
        The person who decided (``resolve``), as ``user on host``.
    why
        Of a retry: what ended the try before it, and what was raised; else "".
    exit_code
        What its end is to a shell; ``None`` while nobody has seen one.
    retried_by
        The calls that may make a further try once this one has failed, each by what tells its process from any other:
        `pid`, `start`, `host`, `machine`, `boot_id`, `namespace`. A call that makes none takes itself out.
    again_at
        When the next try was or is due; "" as long as none was decided on.
    stopped_by, stopped_at
        Who ended the run (``kill``) before a further try was made, as ``user on host``.
    rule, cause
        The diagnosis of a bad end: id of the rule (``diagnosis.rules``), probable cause.
    timeout_s
        The ``--timeout`` of the newest call that gave its application one; ``None``: that of its plan.
    plan
        What was planned, secrets removed: argv, environment, files, tags, where each value came from.
    history
        Every state that it went through, oldest first.
    """

    number: int
    state: TryState
    planned_at: str
    application_id: str = ""
    pid: int = 0
    result: str = ""
    yarn_state: str = ""
    final_status: str = ""
    reason: str = ""
    finished_at: str = ""
    memory_seconds: int = 0
    vcore_seconds: int = 0
    claim: str = ""
    why: str = ""
    exit_code: int | None = None
    rule: str = ""
    cause: str = ""
    tracking_url: str = ""
    logs_url: str = ""
    nonce: str = ""
    process_start: int = 0
    host: str = ""
    machine: str = ""
    boot_id: str = ""
    pid_namespace: str = ""
    epoch: str = ""
    submitted_before: int = -1
    decided_by: str = ""
    decided_at: str = ""
    again_at: str = ""
    stopped_by: str = ""
    stopped_at: str = ""
    retried_by: list[dict[str, Any]] = field(default_factory=list)
    timeout_s: float | None = None
    plan: dict[str, Any] = field(default_factory=dict)
    history: tuple[StateSeen, ...] = ()

    def passed(self, state: str, at: str, detail: str = "") -> Try:
        """With a state in its history, unless that is the newest one there."""
        newest = self.history[-1] if self.history else None
        if newest is not None and (newest.state, newest.detail) == (state, detail):
            return self
        return replace(self, history=(*self.history, StateSeen(state, at, detail)))


@dataclass(frozen=True)
class Run:
    """One logical submission and all its tries."""

    run_id: str
    name: str
    job_type: str
    backend: str
    cluster: str
    user: str
    host: str
    created_at: str
    day: str
    fingerprint: str
    fingerprint_parts: dict[str, str]
    original_run_id: str = ""
    queue: str = ""
    argv: tuple[str, ...] = ()
    params: dict[str, Any] = field(default_factory=dict)
    timeout_s: float | None = None
    tries: tuple[Try, ...] = ()
    schema: int = SCHEMA

    @property
    def last(self) -> Try | None:
        """The newest try; ``None`` before the first."""
        return self.tries[-1] if self.tries else None

    def try_of(self, number: int) -> Try | None:
        """A try by its number."""
        return next((one for one in self.tries if one.number == number), None)

    def limit_s(self, application_id: str) -> float | None:
        """The time limit that a call of this host gave an application; ``None``: none, or the application is not ours.

        Each try has its own: a run that ran past its limit is mostly repeated with a longer one.
        """
        one = next((one for one in reversed(self.tries) if one.application_id == application_id), None)
        if one is None:
            return None
        return one.timeout_s if one.timeout_s is not None else one.plan.get("timeout_s")

    def with_try(self, one: Try) -> Run:
        """This run with ``one`` in place of the try of its number, or added."""
        others = tuple(each for each in self.tries if each.number != one.number)
        return replace(self, tries=tuple(sorted((*others, one), key=lambda each: each.number)))

    def to_json(self) -> str:
        """The record as text: its export."""
        return json.dumps(asdict(self), indent=2, sort_keys=True) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Run:
        """Read a record.

        Raises
        ------
        ValueError
            When it is damaged or of a schema that this release does not know.
        """
        try:
            data = json.loads(text)
        except RecursionError as error:
            raise ValueError("not a run record: nested too deep") from error
        if not isinstance(data, dict) or data.get("schema") != SCHEMA:
            raise ValueError(f"not a run record of schema {SCHEMA}")
        try:
            tries = tuple(_try_of(one) for one in data.pop("tries"))
            run = cls(**{**known_fields(cls, data), "argv": tuple(data["argv"]), "tries": tries})
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not a run record: {error}") from error
        if not isinstance(run.run_id, str) or not isinstance(run.fingerprint_parts, dict):
            raise ValueError("not a run record: its fields have other types")
        return run


def known_fields(kind: type, data: Mapping[str, Any]) -> dict[str, Any]:
    """What a dataclass of ours takes of a map; a later release may have written more."""
    names = {one.name for one in fields(kind)}
    return {name: value for name, value in data.items() if name in names}


def _try_of(data: Mapping[str, Any]) -> Try:
    history = tuple(StateSeen(**known_fields(StateSeen, one)) for one in data.get("history", ()))
    return Try(**{**known_fields(Try, data), "state": TryState(data["state"]), "history": history})
