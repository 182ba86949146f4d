"""The files that a job takes along: read from the configuration, and checked for what would get lost on the way."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence

from batch_submit.data_classes import dataclass
from batch_submit.errors import UsageError
from batch_submit.plan.merged import Config
from batch_submit.plan.sourced import Sourced
from batch_submit.plan.storage import has_scheme
from batch_submit.plan.submission import JobSpec, ShippedFile
from batch_submit.plan.uris import decoded

_PLAIN_FOLDER = re.compile(r"[\w.\-]+", re.ASCII)
#: What Spark's client puts into the container under names of its own.
_SPARKS_OWN = ("__spark_conf__", "__spark_libs__", "__pyfiles__", "__app__.jar")


@dataclass(frozen=True)
class Places:
    """Folders that bare local paths are looked up from, absolute."""

    cwd: str
    config_folder: str
    #: Where the scripts of the built-in jobs lie (``run_training.py`` ...).
    job_scripts: str = ""


def shipped_file(sourced: Sourced, places: Places) -> ShippedFile:
    """A file ``path[#alias]``: relative to the file that names it; from a flag, to the working directory."""
    path, _, alias = str(sourced.value).partition("#")
    if not has_scheme(path) and not path.startswith("/"):
        path = posixpath.normpath(posixpath.join(sourced.base or places.cwd, path))
    elif path.startswith("file:"):
        path = path.removeprefix("file://").removeprefix("file:")
    return ShippedFile(path, alias or _name_of(path), sourced.origin, bool(alias))


def shipped_files(configs: Sequence[Config], key: str, places: Places) -> tuple[ShippedFile, ...]:
    """The files of a job; of a pipeline its own, and those of its stages that are not among them."""
    found: list[ShippedFile] = []
    for config in configs:
        there = {(one.path, one.link) for one in found}
        listed = [shipped_file(item, places) for item in config.items(("job", key))]
        found += [one for one in listed if (one.path, one.link) not in there]
    return tuple(found)


def refuse_contradictions(spec: JobSpec) -> None:
    """Commas split Spark's lists, of two files of one name Spark keeps one in silence, and some names are its own."""
    problems = []
    links: dict[str, ShippedFile] = {}
    unpacked = {id(one) for one in spec.archives}
    for one in spec.shipped:
        problems += _name_problems(one)
        earlier = links.setdefault(one.link, one)
        if earlier.path == one.path and (id(earlier) in unpacked) != (id(one) in unpacked):
            problems.append(
                f"{one.path} ({one.origin}) is both a file and an archive called {one.link}; give one of them an alias"
                " (path#alias)"
            )
        elif earlier is not one and earlier.path != one.path:
            problems.append(
                f"{one.path} ({one.origin}) and {earlier.path} ({earlier.origin}) are both called {one.link} in the"
                " container; give one of them an alias (path#alias)"
            )
    if problems:
        raise UsageError(
            "the files to ship contradict each other", details=problems, next_step="change job_specific_config"
        )


def _name_problems(one: ShippedFile) -> list[str]:
    where, problems = f"({one.origin}): ", []
    if "," in one.path:
        problems.append(f"{one.path} {where}Spark splits its file lists at commas; rename the file")
    if "," in one.link and one.aliased:
        problems.append(f"{one.path}#{one.link} {where}Spark splits its file lists at commas; rename the alias")
    if one.link.partition("/")[0] in _SPARKS_OWN:
        problems.append(f"{one.path} {where}{one.link} is a name of Spark's own in the container; use another")
    *folders, _ = parts = one.link.split("/")
    if {"", ".", ".."} & set(parts):
        problems.append(f"{one.path}#{one.link} {where}an alias is a place below the container's folder; correct it")
    elif not all(_PLAIN_FOLDER.fullmatch(name) for name in folders):  # YARN's mkdir -p does not quote it
        problems.append(f"{one.path}#{one.link} {where}a folder of an alias has letters, digits, dots and dashes only")
    return problems


def names_in_container(spec: JobSpec) -> list[str]:
    """Every name that a container's launch script would hold."""
    return [name for one in spec.shipped for name in (one.link, _name_of(one.path))]


def _name_of(path: str) -> str:
    """The last name of a path, or of a URI, which Spark decodes."""
    return posixpath.basename(decoded(path) if has_scheme(path) else path)
