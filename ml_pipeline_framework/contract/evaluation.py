"""The parameters of the evaluation job."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar

from ml_pipeline_framework.contract.artifacts import LATEST, reference_problem
from ml_pipeline_framework.contract.job_types import JobType
from ml_pipeline_framework.contract.metric_names import MAX_REGRESSION, gate_problems
from ml_pipeline_framework.contract.model_user import ModelUserParams
from ml_pipeline_framework.contract.params import param
from ml_pipeline_framework.contract.problems import ParamProblem
from ml_pipeline_framework.contract.threshold_rules import threshold_rule_problem
from ml_pipeline_framework.contract.values import not_empty, within

#: Words for the model to compare with, beside a reference: the pointer of the same name, and the version before.
PREVIOUS = "previous"


def _rival_problem(text: str) -> str:
    return "" if text in (LATEST, PREVIOUS) else reference_problem(text)


@dataclass(frozen=True, kw_only=True)
class EvaluationParams(ModelUserParams):
    """What one evaluation run is told. Paths are used in the job as they stand here."""

    job_type: ClassVar[JobType] = JobType.EVALUATION
    INPUT_FIELDS: ClassVar[tuple[str, ...]] = ("input_path",)
    OUTPUT_FIELDS: ClassVar[tuple[str, ...]] = ("metrics_path",)
    PATH_FIELDS: ClassVar[tuple[str, ...]] = ("input_path", "metrics_path", "models_path")
    MODEL_FIELDS: ClassVar[tuple[str, ...]] = ("model", "compare_with")
    FLAG_ALIASES: ClassVar[Mapping[str, str]] = MappingProxyType({"output-path": "metrics_path"})

    input_path: str = param(
        "text", "labelled rows to measure on", section="data_config", key="evaluation_data_path", check=not_empty
    )

    # which rows, and what is true of them
    label_column: str = param("text", "the label, where it is not called as in training", default="", section="job")
    label_expression: str = param(
        "text", "SQL that makes the label, where it is not made as in training", default="", section="job"
    )
    held_out_only: bool = param(
        "flag",
        "measure only the rows that the model's split holds out: for the training data",
        default=False,
        section="job",
    )

    # what is reported
    segment_columns: tuple[str, ...] = param(
        "texts", "columns whose values are measured apart as well", default=(), section="job"
    )
    choose_threshold: str = param(
        "text",
        "rule for the threshold that would be best on this data (f1, youden, cost:fp=1,fn=5); it is only reported",
        default="",
        section="job",
        check=threshold_rule_problem,
    )
    permutation_importance: bool = param(
        "flag", "how much worse the model gets when a column is shuffled", default=False, section="job"
    )
    permutation_repeats: int = param("integer", "shuffles per column", default=5, section="job", check=within(1, 100))
    permutation_rows: int = param(
        "integer",
        "rows, about, that the shuffled columns are scored on",
        default=10_000,
        section="job",
        check=within(100, 1_000_000),
    )
    seed: int = param(
        "integer",
        "start of the random numbers of samples and shuffles",
        default=42,
        section="job",
        check=within(0, 2**31 - 1),
    )
    drift: bool = param(
        "flag", "compare the rows with the histograms of the training rows", default=True, section="job"
    )

    # what must hold
    compare_with: str = param(
        "text",
        "another version measured on the same rows: name@version, a path, latest, or previous (the version before)",
        default="",
        section="job",
        check=_rival_problem,
    )
    gate: Mapping[str, object] = param(
        "mapping", "conditions that must hold, such as min_auc: 0.7; one that fails is the run's failure", section="job"
    )
    register: bool = param(
        "flag", "make a model that passes its gate the latest of its name", default=False, section="job"
    )

    @classmethod
    def _across(cls, values: Mapping[str, Any], label: Callable[[str], str]) -> list[ParamProblem]:
        conditions = values.get("gate", {})
        place = label("gate")
        problems = [ParamProblem(f"{place}.{one.key}", one.message, one.hint) for one in gate_problems(conditions)]
        if MAX_REGRESSION in conditions and values.get("compare_with") == "":
            hint = f"set {label('compare_with')} to a version, latest or previous"
            problems.append(ParamProblem(f"{place}.{MAX_REGRESSION}", "has no model to compare with", hint))
        rival, model = values.get("compare_with"), values.get("model") or values.get("model_name")
        if rival and rival == model:
            problems.append(
                ParamProblem(label("compare_with"), f"{rival!r} is the model that is evaluated", "name another")
            )
        if values.get("register") and values.get("gate") == {}:
            hint = f"give {label('gate')} a condition, such as min_auc: 0.7"
            problems.append(ParamProblem(label("register"), "needs a gate", hint))
        return problems
