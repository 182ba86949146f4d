"""The parameters of the data processing job."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, ClassVar

from ml_pipeline_framework.contract.artifacts import METRICS_FILE
from ml_pipeline_framework.contract.job_types import JobType
from ml_pipeline_framework.contract.options import canonical, names, problems_in
from ml_pipeline_framework.contract.params import Params, param
from ml_pipeline_framework.contract.problems import ParamProblem
from ml_pipeline_framework.contract.quality import (
    DEFAULT_QUARANTINE,
    QUALITY,
    canonical_quality,
    quality_problems,
    read_checks,
)
from ml_pipeline_framework.contract.steps import Step, canonical_step, read_steps, step_problems
from ml_pipeline_framework.contract.tables import (
    INPUT,
    OUTPUT,
    canonical_tables,
    input_problems,
    output_problems,
    path_problems,
    read_table,
    with_paths,
)

_ONLY_INPUT, _ONLY_OUTPUT = "data", "output"


@dataclass(frozen=True, kw_only=True)
class DataProcessingParams(Params):
    """What one data processing run is told. Paths are used in the job as they stand here."""

    job_type: ClassVar[JobType] = JobType.DATA_PROCESSING
    INPUT_FIELDS: ClassVar[tuple[str, ...]] = ("input_path",)
    OUTPUT_FIELDS: ClassVar[tuple[str, ...]] = ("output_path", "metrics_path")
    PATH_FIELDS: ClassVar[tuple[str, ...]] = ("input_path", "output_path", "rejected_path", "metrics_path")
    FLAG_ALIASES: ClassVar[Mapping[str, str]] = MappingProxyType({"inputs": "sources", "outputs": "targets"})

    sources: Mapping[str, object] = param(
        "mapping", "tables to read: name -> {path, format, schema, ...}", section="job", key="inputs"
    )
    steps: tuple[Mapping[str, object], ...] = param("mappings", "what is done, in order", default=(), section="job")
    quality: Mapping[str, object] = param(
        "mapping", "checks of the main table before it is split or written: {checks, quarantine_path}", section="job"
    )
    targets: Mapping[str, object] = param(
        "mapping",
        "what is written: name -> {path, table, format, mode, partition_by, ...}",
        section="job",
        key="outputs",
    )
    input_path: str = param(
        "text",
        "path of the only input, or of the one that names none",
        default="",
        section="data_config",
        key="raw_data_path",
    )
    output_path: str = param(
        "text",
        "path of the only output, or of the one that names none",
        default="",
        section="data_config",
        key="processed_data_path",
    )
    rejected_path: str = param(
        "text",
        "folder of lines that can't be read and rows whose values can't be converted",
        default="rejected/data_processing",
        section="job",
    )
    main_table: str = param("text", "the table that steps change; default the first input", default="", section="job")
    metrics_path: str = param(
        "text", "where the report goes; default metrics/data_processing/<run_id>/metrics.json", default=""
    )

    @classmethod
    def _normalise(cls, values: dict[str, Any]) -> None:
        if "sources" in values:
            values["sources"] = canonical_tables(values["sources"], INPUT)
            if not values["sources"] and values.get("input_path"):
                values["sources"] = {_ONLY_INPUT: {}}
        if "targets" in values:
            values["targets"] = canonical_tables(values["targets"], OUTPUT)
            if not values["targets"] and values.get("output_path"):
                values["targets"] = {_ONLY_OUTPUT: {}}
        if "steps" in values:
            values["steps"] = tuple(canonical_step(one) for one in values["steps"])
        if values.get("quality"):
            values["quality"] = canonical(canonical_quality(values["quality"]), QUALITY)
        if "main_table" in values and not values["main_table"]:
            # JSON objects are written sorted: which input came first is known only now.
            values["main_table"] = next(iter(values.get("sources", ())), "")

    @classmethod
    def _derived(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        if values["metrics_path"]:
            return {}
        return {"metrics_path": f"metrics/data_processing/{values['run_id']}/{METRICS_FILE}"}

    @classmethod
    def _across(cls, values: Mapping[str, Any], label: Callable[[str], str]) -> list[ParamProblem]:
        if not {"sources", "steps", "targets", "quality", "main_table"} <= set(values):
            return []
        inputs, outputs, main = values["sources"], values["targets"], values["main_table"]
        problems = input_problems(label("sources"), inputs)
        if inputs and main not in inputs:
            hint = f"inputs: {', '.join(sorted(inputs))}"
            problems.append(ParamProblem(label("main_table"), f"{main!r} is not an input", hint))
        found, tables = step_problems(label("steps"), values["steps"], inputs, main)
        problems += found + _quality_problems(label("quality"), values["quality"])
        problems += output_problems(label("targets"), outputs, tables)
        problems += _which_path(label, "input_path", "sources", inputs, values.get("input_path", ""))
        problems += _which_path(label, "output_path", "targets", outputs, values.get("output_path", ""))
        if not problems:
            placed = {name: _placed(outputs, one, values.get("output_path", "")) for name, one in outputs.items()}
            read = {name: _placed(inputs, one, values.get("input_path", "")) for name, one in inputs.items()}
            problems += path_problems(label("targets"), read, placed)
            problems += _aside_problems(values, label, {**read, **placed})
        return problems

    def with_paths(self, qualify: Callable[[str], str]) -> DataProcessingParams:
        """As the base class; the paths of inputs, outputs and quarantine count as well."""
        found = super().with_paths(qualify)
        return replace(
            found,
            sources={
                name: with_paths(one, qualify, ("path", "schema_path")) for name, one in self._mappings("sources")
            },
            targets={name: with_paths(one, qualify, ("path",)) for name, one in self._mappings("targets")},
            quality=with_paths(_placed_quality(self.quality), qualify, ("quarantine_path",)),
            steps=tuple(
                {**one, "quality": with_paths(_placed_quality(_mapping(one["quality"])), qualify, ("quarantine_path",))}
                if "quality" in one
                else one
                for one in self.steps
            ),
        )

    def inputs(self) -> tuple[str, ...]:
        """Return the paths that must hold data before the job starts; patterns are not among them."""
        paths = [path for one in self.tables_read().values() for path in one["path"]]
        return tuple(path for path in paths if not set(path) & set("*?[{"))

    def outputs(self) -> tuple[str, ...]:
        """As the base class: of every output."""
        return tuple(one["path"] for one in self.tables_written().values())

    def aside(self) -> tuple[str, ...]:
        """Return the folders of rows that are put aside; each run has a folder of its own in them."""
        quarantines = [str(one.options["quarantine_path"]) for one in self.steps_read() if one.op == "quality"]
        return tuple(dict.fromkeys([self.rejected_path, *quarantines]))

    def tables_read(self) -> dict[str, dict[str, Any]]:
        """Return the inputs by name, the main one first, with all defaults; ``path`` is a tuple."""
        given = dict(self._mappings("sources"))
        order = sorted(given, key=lambda name: (name != self.main_table, name))
        return {name: read_table(_placed(given, given[name], self.input_path), INPUT) for name in order}

    def tables_written(self) -> dict[str, dict[str, Any]]:
        """Return the outputs by name, sorted, with all defaults."""
        given = dict(self._mappings("targets"))
        return {name: read_table(_placed(given, one, self.output_path), OUTPUT) for name, one in sorted(given.items())}

    def steps_read(self) -> list[Step]:
        """Return the steps with all defaults, the section ``quality`` among them as a step of its own.

        It stands before the first step that splits the main table, else at the end; its index is -1.
        """
        found = read_steps([_with_quarantine(one) for one in self.steps], self.main_table)
        if not self.quality:
            return found
        splits = [place for place, one in enumerate(found) if one.op == "split" and one.table == self.main_table]
        place = splits[0] if splits else len(found)
        section = {"quality": _placed_quality(self.quality)}
        own = replace(read_steps([section], self.main_table)[0], index=-1)
        return [*found[:place], own, *found[place:]]

    @staticmethod
    def checks_of(step: Step) -> list[dict[str, Any]]:
        """Return the checks of a step ``quality`` with all defaults."""
        return read_checks(step.options)

    def _mappings(self, field: str) -> list[tuple[str, dict[str, Any]]]:
        return [(name, _mapping(one)) for name, one in getattr(self, field).items()]


def _aside_problems(
    values: Mapping[str, Any], label: Callable[[str], str], tables: Mapping[str, Mapping[str, Any]]
) -> list[ParamProblem]:
    """Return folders of rows put aside, and reports, that lie in an input or output: they would go when it goes."""
    aside = {label(name): str(values.get(name) or "") for name in ("rejected_path", "metrics_path")}
    if values["quality"]:
        aside[f"{label('quality')}.quarantine_path"] = str(_placed_quality(values["quality"])["quarantine_path"])
    for place, one in enumerate(values["steps"]):
        if one.get("quality"):
            found = _placed_quality(_mapping(one["quality"]))["quarantine_path"]
            aside[f"{label('steps')}[{place}].quality.quarantine_path"] = str(found)
    problems = []
    for key, path in aside.items():
        for name, table in tables.items():
            for where in (one.rstrip("/") for one in names(table.get("path"))):
                if path and (path.rstrip("/") + "/").startswith(where + "/"):
                    problems.append(ParamProblem(key, f"{path} lies in {name} ({where})", "give another path"))
    return problems


def _mapping(value: Any) -> dict[str, Any]:
    return dict(value)


def _placed_quality(section: Mapping[str, Any]) -> dict[str, Any]:
    """Return a quality section with the place of its quarantine; an empty one stays empty."""
    return {"quarantine_path": DEFAULT_QUARANTINE, **section} if section else {}


def _with_quarantine(step: Mapping[str, Any]) -> Mapping[str, Any]:
    return {**step, "quality": _placed_quality(step["quality"])} if "quality" in step else step


def _quality_problems(place: str, section: Mapping[str, Any]) -> list[ParamProblem]:
    if not section:
        return []
    return problems_in(place, section, QUALITY, "quality") + quality_problems(place, section)


def _placed(all_of: Mapping[str, Any], one: Mapping[str, Any], path: str) -> dict[str, Any]:
    """Return an input or output with its path: a flag beats what the only one says, and fills the gap of another."""
    takes = path and (len(all_of) == 1 or one.get("path") is None)
    return {**one, "path": path} if takes else dict(one)


def _which_path(
    label: Callable[[str], str], field: str, section: str, given: Mapping[str, Any], path: str
) -> list[ParamProblem]:
    """Return what is unclear about the paths of the inputs, or of the outputs."""
    what = "input" if field == "input_path" else "output"
    if not given:
        hint = f"give {what}s, or --{what}-path for a single one"
        return [ParamProblem(label(section), f"there is no {what}", hint)]
    without = [name for name, one in given.items() if isinstance(one, Mapping) and not names(one.get("path"))]
    place = f"{label(section)}.{without[0]}.path" if without else ""
    if not path:
        return [ParamProblem(place, "is missing", f"or give --{what}-path")] if without else []
    if len(given) > 1 and len(without) != 1:
        message = f"is the path of one {what}, and {len(without)} of {len(given)} name none"
        hint = f"leave out {label(field)}, or the path of just one of {', '.join(sorted(given))}"
        return [ParamProblem(label(field), message, hint)]
    return []
