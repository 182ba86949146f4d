"""Where a cluster's claims lie, and what is claimed of all runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

from batch_submit.adapters.claims import ClaimFolder
from batch_submit.adapters.http_session import HttpSession
from batch_submit.adapters.webhdfs import WebHdfs
from batch_submit.backends.base import Backend
from batch_submit.backends.yarn import YarnBackend
from batch_submit.data_classes import dataclass
from batch_submit.errors import NotFound
from batch_submit.operations.claiming import CLAIM_NONE, Claims
from batch_submit.operations.context import Context
from batch_submit.plan.claims import Claim, Held, most_telling, newest
from batch_submit.plan.storage import hdfs_path, qualify, storage_root
from batch_submit.plan.tags import is_run_id


@dataclass(frozen=True)
class RunClaims:
    """A run's folder, as it was listed.

    Parameters
    ----------
    modified_ms
        When something was put into it last; milliseconds since the epoch by the NameNode's clock.
    """

    run_id: str
    folder: ClaimFolder
    modified_ms: int

    def held(self) -> Held:
        """What is claimed of its newest try; a claim that can't be read is none.

        Raises
        ------
        ClusterRefused, ClusterUnreachable
            It can't be looked at.
        """
        number, steps = newest(self.folder.names() or ())
        name = most_telling(number, steps)
        claim = None
        if name:
            with suppress(ValueError):
                claim = Claim.from_json(self.folder.read(name))
        return Held(number, steps, claim)


@dataclass(frozen=True)
class ClaimPlace:
    """The folder that holds a folder for each run.

    Parameters
    ----------
    shared
        It is named by ``execution.claims_dir``: its users share a group, which a new folder takes from the one that it
        is made in.
    """

    webhdfs: WebHdfs
    session: HttpSession
    path: str
    shared: bool

    def of_run(self, run_id: str) -> ClaimFolder:
        """The folder of one run."""
        place = f"{self.path}/{run_id}"
        if self.shared:
            return ClaimFolder(self.webhdfs, self.session, place, folder_mode="770", file_mode="640")
        return ClaimFolder(self.webhdfs, self.session, place)

    def runs(self) -> Iterator[RunClaims]:
        """The runs that have claims; none when there is no such folder.

        Raises
        ------
        ClusterRefused, ClusterUnreachable
            It can't be listed.
        """
        try:
            found = self.webhdfs.list(self.path)
        except NotFound:
            return
        for one in found:
            run_id = one.path.rpartition("/")[2]
            if one.is_folder and is_run_id(run_id):
                yield RunClaims(run_id, self.of_run(run_id), one.modified_ms)

    def delete(self, claims: RunClaims) -> bool:
        """Delete a run's claims, unless something was claimed since they were listed."""
        try:
            if self.webhdfs.status(claims.folder.path).modified_ms != claims.modified_ms:
                return False
        except NotFound:
            return True
        return self.webhdfs.ask("DELETE", claims.folder.path, "DELETE", recursive="true").get("boolean") is True


def claim_place(context: Context, backend: Backend) -> ClaimPlace | None:
    """Where the claims of a backend's user lie; ``None`` for a backend without claims.

    Raises
    ------
    UsageError
        ``execution.claims_dir`` lies on another file system.
    """
    if not isinstance(backend, YarnBackend):
        return None
    servers = backend.servers
    if servers.webhdfs is None or servers.session is None:
        return None
    named = context.config.get("execution.claims_dir")
    if named is None or not named.value:
        return ClaimPlace(servers.webhdfs, servers.session, f"{servers.home_folder}/.batch-submit/runs", shared=False)
    root = storage_root(context.config, backend.name, config_folder=context.config_folder)
    base = hdfs_path(qualify(str(named.value), root=root, backend=backend.name), servers.default_fs)
    return ClaimPlace(servers.webhdfs, servers.session, base, shared=True)


def open_claims(context: Context, run_id: str, backend: Backend, choice: str, *, explicit: bool = True) -> Claims:
    """The claims of a run, not looked at yet.

    Parameters
    ----------
    explicit
        The run id was given; ours are random, and nothing is claimed.
    choice
        ``--claim``: `CLAIM_AUTO` or `CLAIM_NONE`.

    Raises
    ------
    UsageError
        ``execution.claims_dir`` lies on another file system.
    """
    made = Claims(context, run_id, backend.user, nonce=context.services.clock.random_text(16))
    if not explicit:
        return replace(made, none_because="the run id is random")
    if not isinstance(backend, YarnBackend):
        return replace(made, none_because=f"backend {backend.name}")
    if choice == CLAIM_NONE:
        context.services.terminal.note(
            f"run {made.run_id} is not claimed (--claim {CLAIM_NONE}): a call on another host may submit it too"
        )
        return replace(made, none_because=f"--claim {CLAIM_NONE}")
    place = claim_place(context, backend)
    if place is None:
        return replace(made, none_because="no NameNode with a web address is known")
    return replace(made, folder=place.of_run(made.run_id), shared=place.shared)
