"""Many runs from one file: a list, or a range of days; each becomes the flags of one ``submit``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta

from batch_submit.data_classes import dataclass
from batch_submit.errors import ExitCode, UsageError
from batch_submit.plan.container_text import check_arguments
from batch_submit.plan.dates import fill_dates, parse_day
from batch_submit.plan.identity import normalise_run_id
from batch_submit.plan.schema import did_you_mean
from batch_submit.plan.secret_references import FORMS, is_literal
from batch_submit.plan.secrets import is_secret, mask, mask_arguments
from batch_submit.plan.sourced import Problem
from batch_submit.plan.yaml_scalars import FALSES, TRUES
from batch_submit.plan.yaml_tree import Mapping as Block
from batch_submit.plan.yaml_tree import Node, Scalar, parse_yaml
from batch_submit.plan.yaml_tree import Sequence as Items

#: More runs than that are several files.
MOST_RUNS = 10_000
DEFAULT_PARALLEL = 4
_TOP = ("defaults", "dates", "runs")
#: Flags of the whole call, or such as leave nobody to see how a run ends.
_NOT_A_RUNS = ("many", "max-parallel", "dry-run", "json", "format", "verbose", "wait", "no-wait", "help", "insecure")
_ARGUMENTS = "args"
_MERGED = "conf"
_CONF = f"--{_MERGED}="
#: Whose texts are the job's own arguments.
_OF_THE_JOB = (_ARGUMENTS, "app-arg", "app-args")
_FILLED = ("run-id", "name")
#: From the worst to the harmless: what may still run, what broke, what failed, what was stopped, what never began.
_WORST_FIRST = (
    ExitCode.UNKNOWN,
    ExitCode.INTERNAL,
    ExitCode.FAILED,
    ExitCode.TIMED_OUT,
    ExitCode.KILLED,
    ExitCode.REFUSED,
    ExitCode.HOST_NOT_READY,
    ExitCode.USAGE,
    ExitCode.UNREACHABLE,
)

#: A value of a flag: ``True`` and ``False`` switch one, a list repeats it, a map is ``key=value`` repeated.
Value = str | bool | tuple[str, ...] | Mapping[str, str]
Flags = Mapping[str, Value]


@dataclass(frozen=True)
class RunRequest:
    """One run of the file.

    Parameters
    ----------
    run_id
        In YARN's grammar.
    day
        ISO; "" when the file names none.
    flags
        By their long names without dashes in front; run id and day among them.
    where
        ``file:line``.
    """

    run_id: str
    day: str
    flags: Flags
    where: str

    def argv(self) -> tuple[str, ...]:
        """The words behind ``submit``."""
        words: list[str] = []
        for name, value in self.flags.items():
            if name != _ARGUMENTS:
                words += _words(name, value)
        arguments = self.flags.get(_ARGUMENTS, ())
        given = (arguments,) if isinstance(arguments, str) else tuple(arguments) if isinstance(arguments, tuple) else ()
        return (*words, "--", *given) if given else tuple(words)

    def shown(self) -> tuple[str, ...]:
        """The same for people: what is a secret is masked, a reference to one stands as it is."""
        words = self.argv()
        return tuple(
            _shown_pair(word) if word.startswith(_CONF) else hidden
            for word, hidden in zip(words, mask_arguments(words), strict=True)
        )


def _shown_pair(word: str) -> str:
    key, assigned, value = word.removeprefix(_CONF).partition("=")
    return f"{_CONF}{key}{assigned}{mask(key, value)}" if is_literal(key, value) else word


def _words(name: str, value: Value) -> list[str]:
    if isinstance(value, bool):
        return [f"--{name}"] if value else [f"--no-{name}"] if name in ("save-logs",) else []
    if isinstance(value, str):
        return [f"--{name}={value}"]
    texts = [f"{key}={text}" for key, text in value.items()] if isinstance(value, Mapping) else value
    return [f"--{name}={text}" for text in texts]


def merged(*layers: Flags) -> dict[str, Value]:
    """Layers of flags; a later one wins, and ``conf`` is merged by key."""
    out: dict[str, Value] = {}
    for layer in layers:
        for name, value in layer.items():
            then = out.get(name)
            both = name == _MERGED and isinstance(then, Mapping) and isinstance(value, Mapping)
            out[name] = (
                {**then, **value} if both and isinstance(then, Mapping) and isinstance(value, Mapping) else value
            )
    return out


def read_runs(text: str, name: str, typed: Flags) -> tuple[list[RunRequest], list[Problem]]:
    """The runs of a file, and all its problems.

    Parameters
    ----------
    typed
        The flags of the call, which beat those of the file.
    """
    tree = parse_yaml(text, name)
    reader = _Reader(name, [one for one in tree.problems if not _is_day(one)])
    if not isinstance(tree.root, Block):
        reader.problem(1, "", "expected the keys defaults, dates and runs", "write a map")
        return [], reader.problems
    root = tree.root
    for key in root.entries:
        if key not in _TOP:
            reader.problem(root.key_lines.get(key, root.line), key, "is not known here", did_you_mean(key, _TOP))
    defaults = reader.flags(root.entries.get("defaults"), "defaults")
    days = reader.days(root.entries.get("dates"))
    templates = reader.templates(root, has_dates=days is not None)
    requests: list[RunRequest] = []
    if len(templates) * (len(days) if days is not None else 1) > MOST_RUNS:
        reader.problem(root.line, "", f"more than {MOST_RUNS} runs", "split the file")
        return [], reader.problems
    for day in days if days is not None else [None]:
        for line, flags in templates:
            request = reader.request(line, merged(defaults, flags, typed), day)
            if request is not None:
                requests.append(request)
    reader.look_for_twins(requests)
    if not requests and not reader.problems:
        reader.problem(root.line, "", "there is no run in it", "add runs: or dates:")
    return requests, reader.problems


def grouped(found: Iterable[tuple[RunRequest, Sequence[str]]]) -> list[str]:
    """Problems of runs as lines; what is wrong with each day of a template is told once."""
    runs: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for request, lines in found:
        runs.setdefault((request.where, tuple(lines)), []).append(request.run_id)
    out: list[str] = []
    for (where, lines), ids in runs.items():
        more = f" and {len(ids) - 1} more" if len(ids) > 1 else ""
        out += [f"{where}: {ids[0]}{more}: {lines[0]}", *lines[1:]]
    return out


def _is_day(problem: Problem) -> bool:
    """A day without quotes is read as it is written here, whatever YAML 1.1 makes of it."""
    place = problem.key.replace("[", ".").split(".")
    return "as a date" in problem.message and ("dates" in place or "date" in place)


class _Reader:
    """Turns the file's tree into requests, collecting problems on the way."""

    def __init__(self, name: str, problems: Iterable[Problem]) -> None:
        self.name = name
        self.problems = list(problems)

    def problem(self, line: int, key: str, message: str, hint: str = "") -> None:
        """Note a problem once: a template is looked at for each day."""
        found = Problem(key, f"{self.name}:{line}", message, hint)
        if found not in self.problems:
            self.problems.append(found)

    def flags(self, node: Node | None, place: str) -> dict[str, Value]:
        """The flags of a block."""
        if node is None or (isinstance(node, Scalar) and node.is_null):
            return {}
        if not isinstance(node, Block):
            self.problem(node.line, place, "expected a map of flags", "write flag: value, as in queue: ml-queue")
            return {}
        out: dict[str, Value] = {}
        for key, value in node.entries.items():
            line, flag = node.key_lines.get(key, node.line), key.lstrip("-").replace("_", "-")
            if flag in _NOT_A_RUNS:
                self.problem(line, f"{place}.{key}", "is not a run's to say", "it belongs to the call, or nowhere")
                continue
            found = self._value(value, line, f"{place}.{key}")
            if found is not None:
                self._secrets(flag, found, value, f"{place}.{key}")
                out[flag] = found
        return out

    def _secrets(self, flag: str, value: Value, node: Node, place: str) -> None:
        """A secret itself may not stand here: each run is a call, whose words everybody on the host can read."""
        texts = () if isinstance(value, (bool, Mapping)) else (value,) if isinstance(value, str) else value
        lines = node.key_lines if isinstance(node, Block) else {}
        if flag == _MERGED:
            pairs = value.items() if isinstance(value, Mapping) else [one.partition("=")[::2] for one in texts]
            for key, text in pairs:
                if is_literal(key, text):
                    what = "is a secret" if is_secret(key) else "holds a secret"
                    words = f"{what}, and would stand in a command line, which everybody on the host can read"
                    hint = f"write a reference in its place: {FORMS}"
                    self.problem(lines.get(key, node.line), f"{place}.{key}", words, hint)
            return
        if flag in _OF_THE_JOB:
            texts = texts if flag != "app-args" else tuple(one for text in texts for one in text.split())
            found = check_arguments(texts, quotes_all=True)
        else:
            shown = value.values() if isinstance(value, Mapping) else texts
            found = ["holds a secret, which everybody on the host could read"] if mask("", [*shown]) != [*shown] else []
        for one in found:
            self.problem(node.line, place, one, "have the job read it from a file or a Hadoop credential provider")

    def _value(self, node: Node, line: int, place: str) -> Value | None:
        if isinstance(node, Scalar):
            if node.is_null:
                return None
            return node.text in TRUES if not node.quoted and node.text in TRUES | FALSES else node.text
        if isinstance(node, Items):
            texts = [item.text for item in node.items if isinstance(item, Scalar)]
            if len(texts) == len(node.items):
                return tuple(texts)
        elif all(isinstance(item, Scalar) for item in node.entries.values()):
            return {key: item.text for key, item in node.entries.items() if isinstance(item, Scalar)}
        self.problem(line, place, "holds a list or a map inside a list or a map", "write plain texts")
        return None

    def templates(self, root: Block, *, has_dates: bool) -> list[tuple[int, dict[str, Value]]]:
        """The entries of ``runs``; with a range of days and no ``runs``, ``defaults`` alone."""
        node = root.entries.get("runs")
        if node is None:
            return [(root.key_lines.get("defaults", root.line), {})] if has_dates else []
        if not isinstance(node, Items):
            self.problem(node.line, "runs", "expected a list of runs", "write - run_id: …")
            return []
        return [(one.line, self.flags(one, f"runs[{number}]")) for number, one in enumerate(node.items)]

    def days(self, node: Node | None) -> list[date] | None:
        """The days of ``dates``, in order; ``None`` without it."""
        if node is None:
            return None
        if isinstance(node, Items):
            return [day for item in node.items if (day := self._day(item, "dates")) is not None]
        if not isinstance(node, Block):
            self.problem(node.line, "dates", "expected from and to, or a list of days")
            return []
        for key in node.entries:
            if key not in ("from", "to", "every_days"):
                self.problem(node.line, f"dates.{key}", "is not known here", "known: from, to, every_days")
        first, last = self._end_of_range(node, "from"), self._end_of_range(node, "to")
        step = node.entries.get("every_days", Scalar("1", node.line))
        if not isinstance(step, Scalar) or not step.text.isdecimal() or not 0 < int(step.text) <= MOST_RUNS:
            self.problem(step.line, "dates.every_days", "expected a whole number of days, 1 or more")
            return []
        if first is None or last is None:
            return []
        if first > last:
            self.problem(node.line, "dates", f"from {first} is after to {last}", "turn them around")
            return []
        count = min((last - first).days // int(step.text), MOST_RUNS)
        return [first + timedelta(days=int(step.text) * number) for number in range(count + 1)]

    def _end_of_range(self, node: Block, key: str) -> date | None:
        if key in node.entries:
            return self._day(node.entries[key], f"dates.{key}")
        self.problem(node.line, f"dates.{key}", "is missing", "write from: 2024-01-01 and to: 2024-01-31")
        return None

    def _day(self, node: Node, place: str) -> date | None:
        text = node.text if isinstance(node, Scalar) else ""
        try:
            return parse_day(text)
        except UsageError:
            self.problem(node.line, place, f"{text!r} is not a day", "write it as 2024-01-31")
            return None

    def request(self, line: int, flags: dict[str, Value], day: date | None) -> RunRequest | None:
        """One run; ``None`` when it has a problem."""
        named = flags.get("date")
        if day is not None and named is not None:
            self.problem(line, "date", "is given twice: here and by dates", "leave one of the two out")
            return None
        if day is None and isinstance(named, str):
            day = self._day(Scalar(named, line), "date")
            if day is None:
                return None
        given = flags.get("run-id")
        if not isinstance(given, str) or not given.strip() or given == "auto":
            self.problem(
                line, "run_id", "is missing", "by it a repeat finds what has run: run_id: train-{{ ds_nodash }}"
            )
            return None
        try:
            for name in _FILLED:
                text = flags.get(name)
                if isinstance(text, str) and ("{{" in text or "%" in text):
                    if day is None:
                        raise UsageError(
                            f"{text!r} holds a date, and the run has none", next_step="add date: or dates:"
                        )
                    flags[name] = fill_dates(text, day, where=name)
            run_id = normalise_run_id(str(flags["run-id"])).value
        except UsageError as error:
            self.problem(line, "run_id", error.message, error.next_step)
            return None
        if day is not None:
            flags["date"] = day.isoformat()
        return RunRequest(run_id, day.isoformat() if day is not None else "", flags, f"{self.name}:{line}")

    def look_for_twins(self, requests: Sequence[RunRequest]) -> None:
        """One run id is one run."""
        seen: dict[str, RunRequest] = {}
        for one in requests:
            first = seen.setdefault(one.run_id, one)
            if first is not one:
                line = int(one.where.rpartition(":")[2])
                other = first.where if first.where != one.where else f"{first.day} and {one.day}"
                self.problem(line, "run_id", f"{one.run_id} is another run's too ({other})", "put {{ ds }} into it")


def worst_of(codes: Iterable[int]) -> int:
    """The exit code of many: 0 only if all are, else the worst by the order of this file.

    A call that somebody else has ended (by a signal, 128 and more) says nothing of its application: that is not known.
    """
    found = {int(ExitCode.UNKNOWN) if code > 128 else code for code in codes if code != ExitCode.SUCCEEDED}
    order = [int(code) for code in _WORST_FIRST]
    return min(found, key=lambda code: order.index(code) if code in order else -1, default=int(ExitCode.SUCCEEDED))
