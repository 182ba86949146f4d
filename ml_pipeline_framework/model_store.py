"""Models in their folder: ``<models>/<name>/<version>/``, whole or not at all, and the pointer to the latest.

Inside a version: ``pipeline/`` (a Spark ``PipelineModel``), ``metadata.json`` (what is known of it, see
``docs/models.md``) and ``manifest.json``, written last: the files and their sizes, and the run that wrote them. The
whole folder is written under a temporary name and renamed. ``latest.json`` beside the versions moves only after that.
"""

from __future__ import annotations

import difflib
import json
import posixpath
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyspark
from py4j.protocol import Py4JJavaError
from pyspark.ml import PipelineModel
from pyspark.sql import SparkSession

from ml_pipeline_framework import datasets
from ml_pipeline_framework.contract import (
    LATEST,
    LATEST_FILE,
    MANIFEST_FILE,
    METADATA_FILE,
    PIPELINE_FOLDER,
    model_reference,
)
from ml_pipeline_framework.errors import DataError, ModelError

METADATA_SCHEMA_VERSION = 1


@dataclass(frozen=True)
class StoredModel:
    """A complete model: its folder, and its ``metadata.json``."""

    path: str
    metadata: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The model's name."""
        return str(self.metadata.get("name", ""))

    @property
    def version(self) -> str:
        """The version's name, which is that of its folder."""
        return str(self.metadata.get("version", ""))

    def pipeline(self) -> PipelineModel:
        """Load the pipeline.

        Raises
        ------
        ModelError
            When this Spark can't read it; the message names both versions of Spark.
        """
        place = f"{self.path}/{PIPELINE_FOLDER}"
        try:
            return PipelineModel.load(place)
        except Exception as error:  # Spark raises anything from KeyError to Py4JJavaError for a foreign format
            reason = str(error).strip().split("\n")[0]
            raise ModelError(
                f"the model {place} can't be loaded by Spark {pyspark.__version__}; it was written by Spark "
                f"{self.written_by or 'an unknown version'}: {reason}; use the same minor version of Spark for both, "
                "or train again"
            ) from error

    @property
    def written_by(self) -> str:
        """The version of Spark that wrote it; "" when the metadata does not say it."""
        return str(self.metadata.get("versions", {}).get("spark") or "")

    def version_warnings(self) -> list[str]:
        """Return what is worth saying about the version of Spark that wrote the model, before it is loaded.

        Spark reads what an older minor version of the same major one wrote, and promises no more (MLlib guide, "ML
        persistence: backwards compatibility").
        """
        writer, reader = _numbers(self.written_by), _numbers(pyspark.__version__)
        if not writer or (writer[0] == reader[0] and writer[1] <= reader[1]):
            return []
        return [
            f"the model {self.name}@{self.version} was written by Spark {self.written_by} and is read by Spark "
            f"{pyspark.__version__}: Spark does not promise to read it, nor to score alike; compare its metrics, or "
            "train again"
        ]


def _numbers(version: str) -> tuple[int, ...]:
    """Return the major and minor number of a version; nothing for what is none."""
    parts = version.split(".")[:2]
    return tuple(int(one) for one in parts) if len(parts) == 2 and all(one.isdigit() for one in parts) else ()


def locate(spark: SparkSession, reference: str, models_path: str) -> str:
    """Return the folder of the model called `reference` (``name@version``, ``name``, path).

    Raises
    ------
    DataError
        Nothing of that name; the message lists the versions that there are.
    """
    wanted = model_reference(reference)
    if wanted.path:
        return wanted.path.rstrip("/")
    folder = f"{models_path.rstrip('/')}/{wanted.name}"
    if not datasets.exists(spark, folder):
        there = datasets.names_in(spark, models_path)
        close = difflib.get_close_matches(wanted.name, there, 1, 0.6)
        hint = f"did you mean {close[0]!r}? " if close else ""
        raise DataError(
            f"no model {wanted.name!r} under {models_path}; {hint}models there: {', '.join(there) or 'none'}; train it "
            "first"
        )
    version = wanted.version if wanted.version != LATEST else _latest(spark, folder, wanted.name)
    if not datasets.exists(spark, f"{folder}/{version}"):
        said = f"{LATEST_FILE} of {wanted.name!r} names" if wanted.version == LATEST else "there is no"
        gone = (
            ", which is not there" if wanted.version == LATEST else f" of the model {wanted.name!r} under {models_path}"
        )
        raise DataError(f"{said} version {version!r}{gone}; {_versions(spark, folder, wanted.name)}")
    return f"{folder}/{version}"


def _latest(spark: SparkSession, folder: str, name: str) -> str:
    """Return the version that the pointer names."""
    pointer = f"{folder}/{LATEST_FILE}"
    if not datasets.exists(spark, pointer):
        raise DataError(
            f"{folder} has no {LATEST_FILE}: no training has ended well, or no version has passed its gate; "
            f"{_versions(spark, folder, name)}"
        )
    try:
        version = json.loads(datasets.read_text(spark, pointer))["version"]
        if not isinstance(version, str) or model_reference(f"{name}@{version}").version != version:
            raise ValueError(f"{version!r} is no version")
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{pointer} is damaged ({error}); {_versions(spark, folder, name)}, or train again, which writes it anew"
        ) from error
    return version


def _versions(spark: SparkSession, folder: str, name: str) -> str:
    """Say which versions there are, and how one is named."""
    there = [one for one in datasets.names_in(spark, folder) if one != LATEST_FILE]
    return f"versions there: {', '.join(there)}; name one: {name}@{there[-1]}" if there else "no version is there"


def open_model(spark: SparkSession, reference: str, models_path: str) -> StoredModel:
    """Find a model, check that it is complete, and read its metadata.

    Complete means: every file of the manifest is there with its size (one listing; nothing is read).

    Raises
    ------
    DataError
        No such model, or one that was not written whole or has lost files since.
    ModelError
        Its metadata is of another generation of this package.
    """
    path = locate(spark, reference, models_path)
    if not datasets.exists(spark, path):
        raise DataError(f"no model at {path}; check the path, or name it as NAME@VERSION")
    if not datasets.exists(spark, f"{path}/{MANIFEST_FILE}"):
        raise DataError(f"{path} has no {MANIFEST_FILE}: it is not a model of this toolkit, or was not written whole")
    _check_files(spark, path)
    metadata = _json(spark, f"{path}/{METADATA_FILE}")
    found = metadata.get("schema_version")
    if found != METADATA_SCHEMA_VERSION:
        raise ModelError(
            f"{path}/{METADATA_FILE} has schema version {found!r}, this package reads {METADATA_SCHEMA_VERSION}: use "
            "the version of the toolkit that trained it, or train again"
        )
    return StoredModel(path, metadata)


def _check_files(spark: SparkSession, path: str) -> None:
    listed = _json(spark, f"{path}/{MANIFEST_FILE}").get("files")
    if not isinstance(listed, Mapping) or METADATA_FILE not in listed:
        raise DataError(f"{path}/{MANIFEST_FILE} does not list the model's files: train the model again")
    there = datasets.sizes_in(spark, path)
    wrong = [f"{name} is missing" for name in listed if name not in there]
    wrong += [
        f"{name} has {there[name]:,} bytes, not {size:,}"
        for name, size in listed.items()
        if name in there and there[name] != size
    ]
    if wrong:
        more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise DataError(
            f"the model {path} is damaged: {'; '.join(wrong[:3])}{more}; restore it from a copy, use another version, "
            "or train again"
        )


def owner(spark: SparkSession, path: str) -> str | None:
    """Return the run that wrote the model at `path`; "" when nothing says it; None when nothing lies there."""
    if not datasets.exists(spark, path):
        return None
    try:
        return str(_json(spark, f"{path}/{MANIFEST_FILE}").get("run_id", ""))
    except DataError:
        return ""


def save(spark: SparkSession, path: str, model: PipelineModel, metadata: Mapping[str, Any], *, replace: bool) -> None:
    """Save a model whole or not at all; `replace` only what the caller knows for its own.

    Raises
    ------
    OutputError
        Something lies at `path`, or the file system refuses.
    """

    def write(place: str) -> None:
        model.write().save(f"{place}/{PIPELINE_FOLDER}")
        text = json.dumps(metadata, indent=2, sort_keys=True, allow_nan=False) + "\n"
        datasets.write_text(spark, f"{place}/{METADATA_FILE}", text)
        manifest = {"run_id": metadata["run_id"], "files": datasets.sizes_in(spark, place)}
        datasets.write_text(spark, f"{place}/{MANIFEST_FILE}", json.dumps(manifest, indent=2, sort_keys=True) + "\n")

    datasets.save_whole(spark, path, write, replace=replace)


def point_latest(spark: SparkSession, path: str, run_id: str) -> None:
    """Make the model at `path` the latest of its name; the pointer is replaced in one step."""
    folder, version = posixpath.split(path.rstrip("/"))
    text = json.dumps({"version": version, "run_id": run_id}, sort_keys=True) + "\n"
    datasets.replace_text(spark, f"{folder}/{LATEST_FILE}", text)


def _json(spark: SparkSession, path: str) -> dict[str, Any]:
    try:
        found = json.loads(datasets.read_text(spark, path))
    except (ValueError, Py4JJavaError) as error:
        raise DataError(f"{path} can't be read as JSON: {error}; train the model again") from error
    if not isinstance(found, dict):
        raise DataError(f"{path} does not hold a JSON object; train the model again")
    return found
