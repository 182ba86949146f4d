"""From evidence to the one probable cause: rules in their order, the traceback of the driver before all guesses."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from batch_submit.data_classes import dataclass
from batch_submit.diagnosis.evidence import DRIVER, EXECUTOR, YARN, Evidence, Excerpt, LogText
from batch_submit.diagnosis.records import PythonError, Traceback, record_at, tracebacks
from batch_submit.diagnosis.rules import Extent, Look, Rule, Where
from batch_submit.diagnosis.rules_python import EXCEPTIONS, SPARK_ERRORS, WORKERS
from batch_submit.diagnosis.rules_spark import EXECUTORS, LIMITS
from batch_submit.diagnosis.rules_yarn import ENDED_BY_YARN, NOT_STARTED
from batch_submit.model import State

#: The order is the priority: who ended it, what kept it from starting, then from the special to the general.
RULES: tuple[Rule, ...] = (*ENDED_BY_YARN, *NOT_STARTED, *SPARK_ERRORS, *LIMITS, *EXECUTORS, *WORKERS, *EXCEPTIONS)
#: Rules about a traceback's own words, for the errors that the last one was raised from.
SPECIAL = (
    *(rule for rule in (*NOT_STARTED, *SPARK_ERRORS, *LIMITS, *EXECUTORS, *WORKERS) if not rule.decisive),
    *(rule for rule in EXCEPTIONS if rule.id == "udf_exception"),
)
#: Rules that say no more than "there was an exception": never worth a line beside another one.
_GENERAL = {"program_not_found", *(rule.id for rule in EXCEPTIONS)}
UNKNOWN = "unknown"
#: Id of a finding that is no rule's: a traceback that did not end the script.
CAUGHT = "caught_exception"
_TAIL_LINES = 20
_MOST_OTHERS = 4
_FROM_SPARK = re.compile(r"^(?:py4j\.|pyspark\.)")
#: What an end says that came from executors going away.
_EXECUTORS_GONE = re.compile(r"ExecutorLostFailure|FetchFailed|maximum allowable number of times|executor failures")
_EXIT_STATUS = re.compile(r"exited with (?:status )?(\d+)")


@dataclass(frozen=True)
class Finding:
    """A rule that applies as well, in one sentence."""

    rule: str
    cause: str


@dataclass(frozen=True)
class Diagnosis:
    """The probable cause of a bad end.

    Parameters
    ----------
    rule
        Id of the rule; ``unknown`` when none applies.
    evidence
        The most telling excerpt first.
    decisive
        The ResourceManager's words were enough: logs would change nothing.
    note
        What kept us from knowing more; "" for nothing.
    """

    rule: str
    cause: str
    evidence: tuple[Excerpt, ...] = ()
    remedies: tuple[str, ...] = ()
    next_command: str = ""
    others: tuple[Finding, ...] = ()
    decisive: bool = False
    note: str = ""


@dataclass(frozen=True)
class _Found:
    groups: Mapping[str, str]
    excerpt: Excerpt


@dataclass(frozen=True)
class _Scene:
    """The evidence, looked through once for all rules."""

    evidence: Evidence
    diagnostics: LogText
    traceback: Traceback | None
    lost_gateway: bool
    caught: Traceback | None = None

    @property
    def own_exception(self) -> bool:
        """Whether the script failed by an exception of its own: then log lines about executors explain nothing."""
        return self.traceback is not None and not any(_FROM_SPARK.match(error.type) for error in self.traceback.errors)

    @property
    def executors_gone(self) -> bool:
        """Whether the end may have come from executors that went away; of a killed run nobody can exclude it."""
        if self.own_exception:
            return False
        said = self.traceback.text if self.traceback is not None else self.diagnostics.searched
        killed = self.evidence.report.state is State.KILLED
        return self.lost_gateway or killed or _EXECUTORS_GONE.search(said) is not None


class _Texts(dict[str, str]):
    """The named groups for a rule's sentences; what took no part is empty."""

    def __missing__(self, key: str) -> str:
        return ""


def explain(evidence: Evidence, rules: Sequence[Rule] = RULES) -> Diagnosis:
    """Choose the one probable cause.

    Never raises: a rule that fails is passed over, and when all fails the plain tail of the logs is the answer.
    """
    try:
        return _explain(evidence, rules)
    except Exception as error:
        return _plain_tail(evidence, f"the explanation itself failed ({type(error).__name__})")


def _explain(evidence: Evidence, rules: Sequence[Rule]) -> Diagnosis:
    scene = _survey(evidence)
    matches, failed = _matches(rules, scene)
    if scene.traceback is not None and (not matches or matches[0][0].id in _GENERAL):
        # The last error itself says nothing special: what it was raised from may.
        for cause in scene.traceback.causes():
            special = [one for one in _matches(SPECIAL, replace(scene, traceback=cause))[0] if one not in matches]
            if special:
                scene, matches = replace(scene, traceback=cause), special
                break
    note = "; ".join([*([evidence.gap] if evidence.gap else []), *failed])
    caught = [Finding(CAUGHT, _caught(scene.caught))] if scene.caught is not None else []
    if not matches:
        return replace(_plain_tail(evidence, note), others=tuple(caught))
    rule, found = matches[0]
    texts = _texts(scene, found)
    excerpts = _excerpts(rule, scene, found)
    others = [Finding(other.id, _fill(other.cause, _texts(scene, match))) for other, match in matches[1:]]
    return Diagnosis(
        rule.id,
        _fill(rule.cause, texts),
        excerpts,
        tuple(_fill(remedy, texts) for remedy in rule.remedies),
        _next_command(rule, evidence, excerpts),
        (*caught, *(other for other in others if other.rule not in _GENERAL))[:_MOST_OTHERS],
        rule.decisive,
        "" if rule.decisive else note,
    )


def _matches(rules: Sequence[Rule], scene: _Scene) -> tuple[list[tuple[Rule, tuple[_Found, ...]]], list[str]]:
    """The rules that apply, in their order, and what is to be said of those that failed."""
    matches: list[tuple[Rule, tuple[_Found, ...]]] = []
    failed: list[str] = []
    for rule in rules:
        try:
            found = _apply(rule, scene)
        except Exception as error:
            failed.append(f"rule {rule.id} failed ({type(error).__name__})")
            continue
        if found is not None:
            matches.append((rule, found))
    return matches, failed


def unasserted(diagnosis: Diagnosis, why: str) -> Diagnosis:
    """The same for an application whose end nobody knows: what stands in its logs is shown, and nothing is blamed."""
    seen = () if diagnosis.rule == UNKNOWN else (Finding(diagnosis.rule, diagnosis.cause),)
    return replace(
        diagnosis,
        rule=UNKNOWN,
        cause=why,
        remedies=(),
        decisive=False,
        others=(*seen, *diagnosis.others)[:_MOST_OTHERS],
    )


def _survey(evidence: Evidence) -> _Scene:
    diagnostics = evidence.diagnostics()
    logs = evidence.of(DRIVER) if _leaves_by_exception(diagnostics) else ()
    found = [one for log in logs for one in tracebacks(log) if not one.ignored]
    newest = _newest_attempt(found)
    telling = [one for one in newest if not one.lost_gateway]
    final = telling[-1] if telling else None
    lost_gateway = bool(newest) and newest[-1].lost_gateway
    if final is not None and final.went_on:
        return _Scene(evidence, diagnostics, None, lost_gateway, final)
    return _Scene(evidence, diagnostics, final, lost_gateway)


def _leaves_by_exception(diagnostics: LogText) -> bool:
    """Whether an exception may have ended the script.

    Python leaves with 1 after one; with another number the script ended itself, whatever it had printed.
    """
    status = _EXIT_STATUS.search(diagnostics.searched)
    return status is None or int(status[1]) in (1, 13)


def _caught(traceback: Traceback) -> str:
    error = traceback.error
    return f"the script printed {_told(error)}{_place(error)}, and went on"


def _newest_attempt(found: Sequence[Traceback]) -> list[Traceback]:
    """The tracebacks of the newest attempt; stdout after stderr, because the one that ended the script stands there."""
    if not found:
        return []
    newest = max(one.log.attempt for one in found)
    return sorted(
        (one for one in found if one.log.attempt == newest), key=lambda one: one.log.file in ("stdout", "driver.log")
    )


def _apply(rule: Rule, scene: _Scene) -> tuple[_Found, ...] | None:
    if rule.about_executors and not scene.executors_gone:
        return None
    for alternative in rule.when:
        in_logs = all(look.where in (Where.DRIVER, Where.EXECUTOR) for look in alternative)
        if in_logs and scene.traceback is not None and not rule.about_executors:
            continue
        found: list[_Found] = []
        for look in alternative:
            match = _look(look, scene)
            if match is None:
                break
            found.append(match)
        if len(found) == len(alternative):
            return tuple(found)
    return None


def _look(look: Look, scene: _Scene) -> _Found | None:
    traceback = scene.traceback
    if look.where is Where.DIAGNOSTICS:
        return _in_log(look, scene.diagnostics)
    if look.where is Where.TRACEBACK:
        match = look.pattern.search(traceback.text) if traceback is not None else None
        return _Found(match.groupdict(""), traceback.excerpt) if match and traceback else None
    if look.where is Where.WORKER:
        if traceback is None or traceback.worker is None:
            return None
        match = look.pattern.search(_told(traceback.worker))
        return _Found(match.groupdict(""), traceback.excerpt) if match else None
    role = DRIVER if look.where is Where.DRIVER else EXECUTOR
    for log in scene.evidence.of(role):
        found = _in_log(look, log)
        if found is not None:
            return found
    return None


def _in_log(look: Look, log: LogText) -> _Found | None:
    match = look.pattern.search(log.searched)
    if match is None:
        return None
    first, last = log.index_at(match.start()), log.index_at(max(match.end() - 1, match.start()))
    if look.extent is Extent.RECORD:
        first, last = record_at(log, first)
    elif look.extent is Extent.NOTHING:
        last = first - 1
    return _Found(match.groupdict(""), Excerpt.cut(log, first, last))


def _texts(scene: _Scene, found: Sequence[_Found]) -> _Texts:
    texts = _Texts(id=scene.evidence.report.application_id, how=", without an exception")
    if scene.caught is not None:
        texts["how"] = "; it had gone on after the last traceback that it printed"
    elif _leaves_by_exception(scene.diagnostics):
        texts["how"] = "; no traceback was found in its output"
    if scene.traceback is not None:
        error, worker = scene.traceback.error, scene.traceback.worker
        texts["error"], texts["error_place"] = _told(error), _place(error)
        if scene.traceback.jvm_error and worker is None:
            texts["error"] = scene.traceback.jvm_error
        if worker is not None:
            texts["worker_place"] = _place(worker)
    for one in found:
        texts.update({key: value for key, value in one.groups.items() if value})
    return texts


def _told(error: PythonError) -> str:
    return f"{error.name}: {error.message}" if error.message else error.name


def _place(error: PythonError) -> str:
    return f" ({error.file.rpartition('/')[2]}, line {error.line})" if error.file else ""


def _excerpts(rule: Rule, scene: _Scene, found: Sequence[_Found]) -> tuple[Excerpt, ...]:
    """What the rule found, and the traceback where it is not among that already."""
    excerpts = [one.excerpt for one in found if one.excerpt.lines]
    told_by_yarn = all(one.excerpt.role == YARN for one in found)
    if scene.traceback is not None and not told_by_yarn:
        excerpts.append(scene.traceback.excerpt)
    if rule.ending == DRIVER:
        excerpts += _ends(scene.evidence, DRIVER, ("stdout", "driver.log"))
    elif rule.ending == EXECUTOR:
        excerpts += _ends(scene.evidence, EXECUTOR, ("stdout", "stderr", "prelaunch.err"))[:2]
    return tuple(dict.fromkeys(excerpts))


def _fill(text: str, texts: _Texts) -> str:
    return text.format_map(texts)


def _next_command(rule: Rule, evidence: Evidence, excerpts: Sequence[Excerpt]) -> str:
    application_id = evidence.report.application_id
    if rule.next_command:
        return rule.next_command.format(id=application_id)
    role = next((one.role for one in excerpts if one.role in (DRIVER, EXECUTOR)), "")
    if role:
        return f"batch-submit logs {application_id} --{'driver' if role == DRIVER else 'executors'}"
    return f"batch-submit {'logs' if evidence.report.was_launched else 'status'} {application_id}"


def _ends(evidence: Evidence, role: str, files: Sequence[str]) -> list[Excerpt]:
    """The last lines of the newest attempt's logs of a role, of each file that has any."""
    tails = []
    for log in evidence.of(role):
        if log.file in files and log.lines:
            last = len(log.lines) - 1
            tails.append(Excerpt.cut(log, max(0, last - _TAIL_LINES + 1), last))
    newest = max((one.attempt for one in tails), default=0)
    return [one for one in tails if one.attempt == newest]


def _plain_tail(evidence: Evidence, note: str) -> Diagnosis:
    """The honest answer when nothing is recognised: the end of what the driver wrote."""
    diagnostics = evidence.diagnostics()
    excerpts = _ends(evidence, DRIVER, ("stdout", "stderr", "driver.log", "prelaunch.err"))
    if not excerpts and diagnostics.lines:
        excerpts = [Excerpt.cut(diagnostics, 0, min(len(diagnostics.lines), _TAIL_LINES) - 1)]
    application_id = evidence.report.application_id
    verb = "logs" if evidence.logs else "status"  # where no log could be read now, none is shown either
    return Diagnosis(
        UNKNOWN,
        "not recognised; the end of what there is stands below",
        tuple(excerpts),
        next_command=f"batch-submit {verb} {application_id}",
        note=note,
    )
