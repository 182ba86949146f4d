"""What the jobs write, by name: the folder of a model, its pointer, the metrics of a run; and how a model is named."""

from __future__ import annotations

import re
from dataclasses import dataclass

METRICS_FILE = "metrics.json"

#: Inside ``models/<name>/<version>/``: a Spark ``PipelineModel``, what is known of it, and, written last, the list of
#: all its files. A folder without its manifest is not a model.
PIPELINE_FOLDER = "pipeline"
METADATA_FILE = "metadata.json"
MANIFEST_FILE = "manifest.json"
#: Beside the versions: which one is the latest. Moves only after a whole version is in place.
LATEST_FILE = "latest.json"
LATEST = "latest"

#: Spark property by which the submitter hands on the git revision of the project.
GIT_REVISION_KEY = "spark.batchSubmit.gitRevision"

_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}"
_REFERENCE = re.compile(rf"({_NAME})(?:@({_NAME}))?")


@dataclass(frozen=True)
class ModelReference:
    """How a model is named: ``name@version``, ``name`` or ``name@latest`` (the latest one), or the path of its folder.

    Exactly one of ``name`` and ``path`` is set; ``version`` is :data:`LATEST` when none was given.
    """

    name: str = ""
    version: str = ""
    path: str = ""


def model_reference(text: str) -> ModelReference:
    """Read a reference; a text with a slash is a path.

    Raises
    ------
    ValueError
        For a text that is neither.
    """
    if "/" in text:
        return ModelReference(path=text)
    match = _REFERENCE.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is neither name@version, nor a name, nor a path with a slash")
    return ModelReference(name=match.group(1), version=match.group(2) or LATEST)


def reference_problem(text: str) -> str:
    """Check of a parameter that names a model; "" when it does."""
    try:
        model_reference(text)
    except ValueError as error:
        return str(error)
    return ""
