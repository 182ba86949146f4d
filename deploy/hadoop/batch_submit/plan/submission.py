"""What leaves the planning: what the job is (:class:`JobSpec`) and how it is launched (:class:`SubmissionPlan`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from datetime import date

from batch_submit.data_classes import dataclass
from batch_submit.plan.identity import Fingerprint
from batch_submit.plan.sourced import Sourced
from batch_submit.plan.storage import has_scheme
from batch_submit.plan.uris import quoted_fragment, quoted_path
from ml_pipeline_framework.contract import JobType, Params

#: Stands in argv where a launcher puts the path of the 0600 file with the secret properties.
SECRETS_PLACEHOLDER = "<path you fill>"


@dataclass(frozen=True)
class ShippedFile:
    """A file that travels with the run: a local path or a remote URI, and the name it has in the container."""

    path: str
    link: str
    origin: str
    #: The alias was written out (``path#alias``), so it must be written out to Spark too.
    aliased: bool = False
    #: Nobody but its owner may read the copy in staging.
    secret: bool = False

    @property
    def is_remote(self) -> bool:
        """Whether the path names a filesystem, so that it is not looked for on this host."""
        return has_scheme(self.path)

    def argument(self) -> str:
        """The text for ``--files`` and its like.

        Spark takes it as a URI when there is an alias, and decodes both parts; a local path alone it takes as it is
        (``Utils.resolveURI``).
        """
        if not self.aliased:
            return self.path
        return f"{self.path if self.is_remote else quoted_path(self.path)}#{quoted_fragment(self.link)}"


@dataclass(frozen=True)
class JobSpec:
    """One job, checked, with every value's source; times are seconds, paths are absolute."""

    job_type: JobType
    name: str
    run_id: str
    original_run_id: str
    day: date
    backend: str
    deploy_mode: str
    storage_root: str
    script: ShippedFile
    arguments: tuple[str, ...]
    params: Params | None
    conf: Mapping[str, Sourced]
    py_files: tuple[ShippedFile, ...] = ()
    files: tuple[ShippedFile, ...] = ()
    archives: tuple[ShippedFile, ...] = ()
    jars: tuple[ShippedFile, ...] = ()
    user_tags: tuple[str, ...] = ()
    timeout_s: float | None = None
    wait_timeout_s: float | None = None
    notices: tuple[str, ...] = ()
    #: Another user than the one who asks; "" for none.
    proxy_user: str = ""

    @property
    def queue(self) -> str:
        """The queue asked for; "" leaves it to the cluster."""
        queue = self.conf.get("spark.yarn.queue")
        return str(queue.value) if queue is not None else ""

    @property
    def shipped(self) -> tuple[ShippedFile, ...]:
        """Everything that travels with the job and was named by somebody."""
        return (self.script, *self.py_files, *self.files, *self.archives, *self.jars)

    def local_files(self) -> tuple[ShippedFile, ...]:
        """Everything that must exist on this host before a launch."""
        return tuple(one for one in self.shipped if not one.is_remote)


@dataclass(frozen=True)
class SubmissionPlan:
    """What is launched: a complete argv without secrets, what it needs around it, and what identifies it."""

    spec: JobSpec
    argv: tuple[str, ...]
    environment: Mapping[str, str]
    #: Spark properties whose keys are secret; they go into a file of mode 0600, never into argv.
    secrets: Mapping[str, str]
    tags: tuple[str, ...]
    fingerprint: Fingerprint
    notices: tuple[str, ...] = ()
    #: Where each Spark property of the command came from.
    origins: Mapping[str, str] = field(default_factory=dict)
    #: Every Spark property but the secret ones, by its full name.
    conf: Mapping[str, str] = field(default_factory=dict)
    #: Local paths that this tool adds to the job's own: the shipped package, the file of parameters.
    own_py_files: tuple[str, ...] = ()
    own_files: tuple[str, ...] = ()
    #: What the script gets, as it is to arrive.
    arguments: tuple[str, ...] = ()
