"""What every job's parameters have in common: JSON, configuration and flags in, all problems at once out."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, TypeVar

from ml_pipeline_framework.contract.job_types import JobType
from ml_pipeline_framework.contract.problems import ContractError, ParamProblem, nearest
from ml_pipeline_framework.contract.tracking import tracking_problems
from ml_pipeline_framework.contract.values import coerce, from_text, matching

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class _Spec:
    """How one parameter is written, read and checked."""

    kind: str
    doc: str
    section: str
    key: str
    aliases: tuple[str, ...]
    check: Callable[[Any], str] | None


def param(
    kind: str,
    doc: str,
    *,
    default: object = MISSING,
    section: str = "",
    key: str = "",
    aliases: tuple[str, ...] = (),
    check: Callable[[Any], str] | None = None,
) -> Any:
    """Declare a parameter: a dataclass field that knows its place in the configuration, its aliases and its check.

    A check sees values of the right type only, and no value that equals an optional parameter's default.
    """
    metadata = {"spec": _Spec(kind, doc, section, key, aliases, check)}
    if kind == "mapping":
        return field(default_factory=dict, metadata=metadata, hash=False)
    if kind in ("mappings", "values"):
        return field(default=MISSING if default is MISSING else (), metadata=metadata, hash=False)
    return field(metadata=metadata) if default is MISSING else field(default=default, metadata=metadata)


def _spec(one: Field[Any]) -> _Spec:
    spec: _Spec = one.metadata["spec"]
    return spec


def _required(one: Field[Any]) -> bool:
    return one.default is MISSING and one.default_factory is MISSING


P = TypeVar("P", bound="Params")


@dataclass(frozen=True, kw_only=True)
class Params:
    """What one run of a job is told. Frozen; every way of making one checks all of it and reports all problems.

    Mapping fields are plain dicts, so that they survive ``dataclasses.asdict`` and ``json``: treat them as read-only.
    """

    job_type: ClassVar[JobType]
    INPUT_FIELDS: ClassVar[tuple[str, ...]] = ()
    OUTPUT_FIELDS: ClassVar[tuple[str, ...]] = ()
    PATH_FIELDS: ClassVar[tuple[str, ...]] = ()
    NEEDS: ClassVar[tuple[str, ...]] = ()
    FLAG_ALIASES: ClassVar[Mapping[str, str]] = MappingProxyType({})
    #: Sections whose unknown keys are an error; in the others they belong to other jobs.
    STRICT_SECTIONS: ClassVar[tuple[str, ...]] = ("job",)

    run_id: str = param(
        "text",
        "the run's identity",
        check=matching(r"[a-z0-9][a-z0-9._-]{0,62}", "a run id (1 to 63 of a-z 0-9 . _ -, a letter or digit first)"),
    )
    name: str = param("text", "the run's label", default="")
    mlflow: Mapping[str, object] = param("mapping", "MLflow tracking, as the section mlflow", section="job")

    def __post_init__(self) -> None:
        clean, problems = self._checked({one.name: getattr(self, one.name) for one in fields(self)}, lambda name: name)
        if problems:
            raise ContractError(problems)
        for name, value in {**clean, **self._derived(clean)}.items():
            object.__setattr__(self, name, value)

    # Overridden per job -----------------------------------------------------------------------------------------------

    @classmethod
    def _derived(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values of empty fields that follow from other fields."""
        return {}

    @classmethod
    def _across(cls, values: Mapping[str, Any], label: Callable[[str], str]) -> list[ParamProblem]:
        """Return what is wrong between fields; `values` holds only fields that are right by themselves."""
        return []

    @classmethod
    def _normalise(cls, values: dict[str, Any]) -> None:
        """Rewrite values that have several spellings into the one that is stored."""

    # Checking ---------------------------------------------------------------------------------------------------------

    @classmethod
    def _checked(
        cls, values: Mapping[str, object], label: Callable[[str], str]
    ) -> tuple[dict[str, Any], list[ParamProblem]]:
        """Return the values in stored form, and every problem, each under the name that `label` gives its field."""
        clean: dict[str, Any] = {}
        problems: list[ParamProblem] = []
        for one in fields(cls):
            spec = _spec(one)
            if one.name not in values:
                if _required(one):
                    problems.append(ParamProblem(label(one.name), "is missing", spec.doc))
                else:
                    clean[one.name] = {} if one.default is MISSING else one.default
                continue
            if values[one.name] is None and one.default is None:  # an optional value that nobody gave
                clean[one.name] = None
                continue
            try:
                value = coerce(spec.kind, values[one.name])
            except ValueError as error:
                problems.append(ParamProblem(label(one.name), str(error), spec.doc))
                continue
            wrong = spec.check(value) if spec.check and (_required(one) or value != one.default) else ""
            if wrong:
                problems.append(ParamProblem(label(one.name), wrong, spec.doc))
            else:
                clean[one.name] = value
        cls._normalise(clean)
        problems += tracking_problems(clean.get("mlflow", {}), label("mlflow"))
        return clean, problems + cls._across(clean, label)

    @classmethod
    def _made(
        cls: type[P], values: Mapping[str, object], label: Callable[[str], str], problems: list[ParamProblem]
    ) -> P:
        clean, more = cls._checked(values, label)
        seen = {problem.key for problem in problems}  # one fault, one problem: an unreadable value is not also missing
        problems = problems + [problem for problem in more if problem.key not in seen]
        if problems:
            raise ContractError(problems)
        return cls(**clean)

    def with_paths(self: P, qualify: Callable[[str], str]) -> P:
        """Return these parameters with every path of data replaced by ``qualify(path)``; empty ones stay empty.

        The edge knows the storage root, the job does not. A job whose paths lie inside mappings extends this.
        """
        found = {name: getattr(self, name) for name in self.PATH_FIELDS}
        changed: dict[str, Any] = {name: qualify(path) for name, path in found.items() if path}
        return replace(self, **changed)

    def inputs(self) -> tuple[str, ...]:
        """Return the paths that must hold data before the job starts; the edge looks for them before a launch.

        A job whose inputs lie inside mappings, or are written by itself, extends this.
        """
        return tuple(path for name in self.INPUT_FIELDS if (path := getattr(self, name)))

    def outputs(self) -> tuple[str, ...]:
        """Return the paths that the job writes, its report left out."""
        return tuple(path for name in self.OUTPUT_FIELDS if name != "metrics_path" and (path := getattr(self, name)))

    def needs(self) -> tuple[str, ...]:
        """Return the Python packages that the nodes need for this run, by the names that they are imported by."""
        return self.NEEDS

    # JSON -------------------------------------------------------------------------------------------------------------

    def to_json(self) -> str:
        """Return the parameters as JSON: sorted keys, ASCII, one trailing newline; the same text for equal values."""
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        values |= {"schema_version": SCHEMA_VERSION, "job_type": self.job_type.value}
        return json.dumps(values, sort_keys=True, indent=2, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls: type[P], text: str) -> P:
        """Read what `to_json` wrote.

        Raises
        ------
        ContractError
            Not JSON, another job type or schema version, an unknown key, a wrong type or value.
        """
        try:
            values = json.loads(text)
        except ValueError as error:
            raise ContractError([ParamProblem("params", f"is not JSON: {error}", "write it with to_json")]) from error
        if not isinstance(values, dict):
            raise ContractError([ParamProblem("params", "is not a JSON object", "write it with to_json")])
        problems = []
        for key, wanted in (("schema_version", SCHEMA_VERSION), ("job_type", cls.job_type.value)):
            found = values.pop(key, None)
            if found != wanted or isinstance(found, bool):
                hint = "use the same version of the toolkit on both sides" if key == "schema_version" else ""
                problems.append(ParamProblem(key, f"is {found!r}, this job reads {wanted!r}", hint))
        known = [one.name for one in fields(cls)]
        problems += [ParamProblem(k, "is not a parameter", nearest(k, known)) for k in values if k not in known]
        return cls._made({k: v for k, v in values.items() if k in known}, lambda name: name, problems)

    # Configuration ----------------------------------------------------------------------------------------------------

    @classmethod
    def places(cls) -> dict[str, dict[str, str]]:
        """Return, per section of the configuration, which key means which field."""
        places: dict[str, dict[str, str]] = {"model_config": {}, "data_config": {}, "job": {}}
        for one in fields(cls):
            spec = _spec(one)
            for key in (spec.key or one.name, *spec.aliases):
                if spec.section:
                    places[spec.section][key] = one.name
            places["job"] |= dict.fromkeys((one.name, *spec.aliases), one.name)
        places["job"] |= {flag.replace("-", "_"): name for flag, name in cls.FLAG_ALIASES.items()}
        return places

    @classmethod
    def from_config(
        cls: type[P],
        config: Mapping[str, Mapping[str, object]],
        *,
        defaults: Mapping[str, str],
        flags: Sequence[str] = (),
    ) -> P:
        """Read the parameters out of a configuration, with flags laid over it before anything is called missing.

        Parameters
        ----------
        config : mapping
            ``model_config``, ``data_config`` and ``job`` (what the job's own section says beyond the edge's keys), as
            they stand in YAML. ``job`` wins over the other two. ``None`` means: not given. An unknown key is an error
            in the sections of ``STRICT_SECTIONS``; elsewhere it belongs to another job and is passed over.
        defaults : mapping
            Values that the caller derives (``run_id``, ``name``), under the field's name; the configuration wins.
        flags : sequence of str
            As for `with_flags`.

        Raises
        ------
        ContractError
            All problems at once, each with its key as it stands in the configuration, or with its flag.
        """
        values, labels, problems = cls._read_config(config)
        problems += [
            ParamProblem(k, "is not a parameter", "in defaults") for k in defaults if k not in cls.places()["job"]
        ]
        values = {**defaults, **values}
        typed, flag_labels, flag_problems = cls._read_flags(flags)
        for name, value in typed.items():
            old = values.get(name)
            values[name] = cls._laid_over(name, old, value) if isinstance(old, Mapping) else value
        labels |= flag_labels
        homes = {one.name: (_spec(one).section or "job", _spec(one).key or one.name) for one in fields(cls)}
        return cls._made(
            {name: value for name, value in values.items() if name in homes},
            lambda name: labels.get(name, ".".join(homes[name])),
            problems + flag_problems,
        )

    @classmethod
    def _read_config(
        cls, config: Mapping[str, Mapping[str, object]]
    ) -> tuple[dict[str, object], dict[str, str], list[ParamProblem]]:
        """Return values by field, the key that gave each, and what is not known or said twice."""
        places = cls.places()
        values: dict[str, object] = {}
        labels: dict[str, str] = {}
        problems = [ParamProblem(k, "is not a section", nearest(k, places)) for k in config if k not in places]
        for section, known in places.items():
            given: dict[str, str] = {}
            for key, value in config.get(section, {}).items():
                if key not in known:
                    if section in cls.STRICT_SECTIONS:
                        problems.append(ParamProblem(f"{section}.{key}", "is not known", nearest(key, known)))
                elif value is not None:
                    name = known[key]
                    if name in given:
                        problems.append(ParamProblem(f"{section}.{key}", f"says the same as {given[name]}", "keep one"))
                    given[name] = key
                    values[name], labels[name] = value, f"{section}.{key}"
        return values, labels, problems

    # Flags ------------------------------------------------------------------------------------------------------------

    @classmethod
    def _flags(cls) -> dict[str, str]:
        flags = {one.name: one.name for one in fields(cls)}
        for one in fields(cls):
            flags |= dict.fromkeys(_spec(one).aliases, one.name)
        return {k.replace("_", "-"): name for k, name in flags.items()} | dict(cls.FLAG_ALIASES)

    @classmethod
    def _read_flags(cls, argv: Sequence[str]) -> tuple[dict[str, Any], dict[str, str], list[ParamProblem]]:
        """Return values by field, the flag that gave each, and what could not be read."""
        known, kinds = cls._flags(), {one.name: _spec(one).kind for one in fields(cls)}
        values: dict[str, Any] = {}
        labels: dict[str, str] = {}
        problems: list[ParamProblem] = []
        rest = list(argv)
        while rest:
            flag, mark, text = rest.pop(0).partition("=")
            name = known.get(flag[2:].replace("_", "-")) if flag.startswith("--") else None
            if not mark and rest and flag.startswith("--") and not rest[0].startswith("--"):
                text, mark = rest.pop(0), " "
            if name is None:
                what = "is not a flag of this job" if flag.startswith("--") else "is not a flag"
                problems.append(ParamProblem(flag, what, nearest(flag, [f"--{one}" for one in known])))
            elif not mark:
                problems.append(ParamProblem(flag, "has no value", f"write {flag}=VALUE"))
            elif name in values and kinds[name] != "mapping":
                problems.append(ParamProblem(flag, f"says the same as {labels[name]}", "keep one"))
            else:
                labels[name] = flag
                try:
                    value = coerce(kinds[name], from_text(kinds[name], text))
                except ValueError as error:
                    problems.append(ParamProblem(flag, str(error)))
                else:
                    values[name] = {**values.get(name, {}), **value} if isinstance(value, dict) else value
        return values, labels, problems

    def with_flags(self: P, argv: Sequence[str]) -> P:
        """Return these parameters with flags laid over them: ``--input-path X``, ``--key=value``.

        Lists are comma separated; mappings are ``name=value,name=value`` or JSON and merge by key. Paths that followed
        from other values follow the new ones.

        Raises
        ------
        ContractError
            An unknown flag (with the nearest name), a flag without a value or given twice, a wrong value.
        """
        given, labels, problems = self._read_flags(argv)
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        empty = {one.name: "" for one in fields(self) if one.name in self.OUTPUT_FIELDS}
        for name, value in self._derived({**values, **empty}).items():
            if values[name] == value:
                values[name] = ""
        for name, value in given.items():
            values[name] = self._laid_over(name, values[name], value)
        return self._made(values, lambda name: labels.get(name, name), problems)

    @classmethod
    def _laid_over(cls, name: str, old: Any, new: Any) -> Any:
        """Return a flag's value over the present one: mappings merge by key, anything else is replaced."""
        return {**old, **new} if isinstance(new, dict) else new

    @classmethod
    def from_argv(cls: type[P], argv: Sequence[str]) -> P:
        """Read the arguments of a job: ``--params FILE``, flags laid over it, or flags alone.

        Raises
        ------
        ContractError
            As `from_json` and `with_flags`; also for a file that can't be read.
        """
        rest = list(argv)
        file = ""
        for position, one in enumerate(rest):
            if one == "--params" or one.startswith("--params="):
                words = rest[position : position + (1 if "=" in one else 2)]
                file = one.partition("=")[2] if "=" in one else "".join(words[1:])
                if not file:
                    raise ContractError([ParamProblem("--params", "has no value", "write --params FILE")])
                del rest[position : position + len(words)]
                break
        if not file:
            values, labels, problems = cls._read_flags(rest)
            return cls._made(values, lambda name: labels.get(name, f"--{name.replace('_', '-')}"), problems)
        try:
            text = Path(file).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            hint = "the submitter ships it into the working directory; by hand, give its full path"
            raise ContractError([ParamProblem("--params", f"{file} can't be read: {error}", hint)]) from error
        params = cls.from_json(text)
        return params.with_flags(rest) if rest else params
