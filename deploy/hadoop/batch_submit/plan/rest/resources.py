"""What is localised: files of this host that go into staging, and what lies in the cluster already."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from batch_submit.data_classes import dataclass
from batch_submit.plan.storage import has_scheme
from batch_submit.plan.submission import ShippedFile, SubmissionPlan
from batch_submit.plan.uris import quoted_fragment, quoted_path

FILE, ARCHIVE = "FILE", "ARCHIVE"
KEYTAB, PRINCIPAL = "spark.kerberos.keytab", "spark.kerberos.principal"
CONF_ARCHIVE, LIBRARIES, PYTHON_FILES = "__spark_conf__", "__spark_libs__", "__pyfiles__"
CONF_ARCHIVE_FILE = f"{CONF_ARCHIVE}.zip"


@dataclass(frozen=True)
class Resource:
    """Something that a container gets under a name.

    Parameters
    ----------
    link
        Its name in the container's working directory.
    source
        A path of this host, or a URI of the cluster's file system, which is not copied.
    kind
        ``FILE``, or ``ARCHIVE`` for what YARN unpacks.
    only_driver
        Executors do not get it: the script, a keytab.
    shared
        The same for many runs: it goes into the shared folder, once, and into the run's staging only where that folder
        does not take it.
    secret
        Nobody but its owner may read the copy in staging, which has the name `link`: a keytab, a key store.
    staged_as
        The name of the copy in staging where another file has its own already.
    """

    link: str
    source: str
    kind: str = FILE
    only_driver: bool = False
    shared: bool = False
    secret: bool = False
    staged_as: str = ""

    @property
    def is_remote(self) -> bool:
        """Whether it lies in a file system of the cluster."""
        return has_scheme(self.source)

    @property
    def staged_name(self) -> str:
        """The name under which a copy lies in staging: that of the file, as Spark names it, unless another has it."""
        return self.link if self.secret else self.staged_as or posixpath.basename(self.source)


@dataclass(frozen=True)
class Staged:
    """Where a resource lies, and what YARN compares before it hands it out (``None`` in a dry run)."""

    uri: str  # percent-encoded
    size: int | None
    timestamp_ms: int | None
    visibility: str = "PRIVATE"


def resources_of(plan: SubmissionPlan, python_zips: Sequence[str]) -> list[Resource]:
    """Return what the containers of a plan get, but for Spark's jars and the archive of the configuration.

    Parameters
    ----------
    python_zips
        pyspark and py4j: paths or URIs.
    """
    spec = plan.spec
    found = [Resource(spec.script.link, spec.script.path, only_driver=True)]
    found += [Resource(one.link, one.path) for one in spec.jars]
    found += [Resource(posixpath.basename(path), path) for path in plan.own_files]
    found += [Resource(one.link, one.path, secret=one.secret) for one in spec.files]
    found += [Resource(one.link, one.path, ARCHIVE) for one in spec.archives]
    found += [
        Resource(link_of(path), path.partition("#")[0] if has_scheme(path) else path, shared=True)
        for path in python_zips
    ]
    found += [
        Resource(_python_link(one.link), one.path, shared=one.path in plan.own_py_files) for one in python_files(plan)
    ]
    if keytab := plan.conf.get(KEYTAB, ""):
        found.append(Resource(keytab_link(plan), keytab, only_driver=True, secret=True))
    return _apart(found)


def _apart(resources: Sequence[Resource]) -> list[Resource]:
    """Give every file of this host a name of its own in staging: of two folders' files the names may be the same."""
    taken: dict[str, str] = {}
    out = []
    for one in resources:
        if not (one.is_remote or one.secret):
            name = next(
                name
                for number in range(len(resources) + 1)
                if taken.get(name := f"{number}-{one.staged_name}" if number else one.staged_name, one.source)
                == one.source
            )
            taken[name] = one.source
            one = replace(one, staged_as="" if name == one.staged_name else name)
        out.append(one)
    return out


def link_of(path: str) -> str:
    """The name in a container of a local path, or of a URI that may carry it behind a ``#``."""
    return path.partition("#")[2] if has_scheme(path) and "#" in path else posixpath.basename(path)


def keytab_link(plan: SubmissionPlan) -> str:
    """Return the name of the keytab in the driver's container: one that no file of the user has (``Client.scala``)."""
    return f"{posixpath.basename(plan.conf[KEYTAB])}-{plan.spec.run_id}"


def local_jars(conf: Mapping[str, str]) -> list[str]:
    """Return the entries of ``spark.yarn.jars`` that every node has: they stand on the class path."""
    return [one for one in _jars(conf) if one.startswith("local:")]


def remote_jars(conf: Mapping[str, str]) -> list[str]:
    """Return the patterns of ``spark.yarn.jars`` whose files YARN localises, one by one, into ``__spark_libs__``."""
    return [] if conf.get("spark.yarn.archive") else [one for one in _jars(conf) if not one.startswith("local:")]


def _jars(conf: Mapping[str, str]) -> list[str]:
    return [one.strip() for one in conf.get("spark.yarn.jars", "").split(",") if one.strip()]


def python_files(plan: SubmissionPlan) -> list[ShippedFile]:
    """Return the Python files of a plan, this tool's own first."""
    own = [ShippedFile(path, posixpath.basename(path), "this tool") for path in plan.own_py_files]
    return [*own, *plan.spec.py_files]


def _python_link(name: str) -> str:
    """Single modules lie in a folder of their own, which is on the path; zips and eggs are on the path themselves."""
    return f"{PYTHON_FILES}/{name}" if name.endswith(".py") else name


def python_path(python_zips: Sequence[str], py_files: Sequence[ShippedFile]) -> list[str]:
    """Return the entries of ``PYTHONPATH`` in Spark's order, in YARN's words for any platform.

    An archive with an alias is named by it; Spark's client names the file, which is not there then.
    """
    links = [one.link for one in py_files]
    entries = [f"{{{{PWD}}}}/{PYTHON_FILES}"] if any(link.endswith(".py") for link in links) else []
    archives = [link for link in links if not link.endswith(".py")]
    return entries + [f"{{{{PWD}}}}/{link}" for link in (*map(link_of, python_zips), *archives)]


def doubled(resources: Iterable[Resource]) -> list[str]:
    """Return a line for every name that two different resources would have in the container."""
    problems: list[str] = []
    by_link: dict[str, Resource] = {}
    for one in resources:
        other = by_link.setdefault(one.link, one)
        if other.source != one.source:
            problems.append(f"{other.source} and {one.source} are both called {one.link}")
    return list(dict.fromkeys(problems))


def dist_cache(resources: Iterable[Resource], staged: Mapping[str, Staged], conf_archive: str) -> dict[str, str]:
    """Return ``__spark_dist_cache__.properties``: what executors get."""
    shown = [one for one in resources if not one.only_driver]
    placed = [staged[one.link] for one in shown]
    return {
        "spark.yarn.cache.filenames": ",".join(
            f"{at.uri}#{quoted_fragment(one.link)}" for one, at in zip(shown, placed, strict=True)
        ),
        "spark.yarn.cache.sizes": ",".join(str(at.size) for at in placed),
        "spark.yarn.cache.timestamps": ",".join(str(at.timestamp_ms) for at in placed),
        "spark.yarn.cache.visibilities": ",".join(at.visibility for at in placed),
        "spark.yarn.cache.types": ",".join(one.kind for one in shown),
        "spark.yarn.cache.confArchive": conf_archive,
    }


def argument_of(one: ShippedFile) -> str:
    """Return a file as Spark notes it in its configuration: a URI, with its alias."""
    return f"{uri_of(one.path)}#{quoted_fragment(one.link)}" if one.aliased else uri_of(one.path)


def uri_of(path: str) -> str:
    """A path of this host as a URI; a URI as it is."""
    return path if has_scheme(path) else f"file://{quoted_path(path)}"
