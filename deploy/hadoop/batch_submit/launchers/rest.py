"""Launch over REST: what spark-submit's YARN client does, with WebHDFS and the ResourceManager's own service, no JVM.

The application id is reserved, and recorded by the caller, before anything is posted; posting the same id again is
harmless while the same ResourceManager counts (seen on Hadoop 3.5.0). So a repeat after any crash posts it again.

Whoever posts an id again may not be alone with it: the call that reserved it may still run on another host. So it puts
its files into a folder of its own inside the application's, because a file that changes under an accepted application
makes its localisation fail. Who reserved it takes back only its own, and looks before it says "not submitted".
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from batch_submit.adapters import submission
from batch_submit.adapters.conf_archive import conf_archive
from batch_submit.adapters.delegation import DelegationTokens
from batch_submit.adapters.http_session import HttpSession
from batch_submit.adapters.resource_manager import ResourceManager
from batch_submit.adapters.shared_folder import SharedFolder
from batch_submit.adapters.staging import IN_MEMORY_BYTES, StagingFolder, size_of_file
from batch_submit.adapters.terminal import Terminal
from batch_submit.adapters.visibility import APPLICATION, PRIVATE
from batch_submit.adapters.webhdfs import FileStatus, WebHdfs
from batch_submit.adapters.webhdfs_errors import SafeMode
from batch_submit.data_classes import dataclass
from batch_submit.errors import (
    BatchSubmitError,
    ClusterRefused,
    ClusterUnreachable,
    HostNotReady,
    Interrupted,
    NotFound,
    OutcomeUnknown,
    TryPassedOver,
    UsageError,
)
from batch_submit.launchers.posting import IdRecord, Poster
from batch_submit.launchers.rest_errors import (
    NeedsSparkSubmit,
    internal,
    not_posted_again,
    refuse_too_large,
    unless_posted,
    words,
)
from batch_submit.model import Result, judge
from batch_submit.plan.rest.properties import properties_text
from batch_submit.plan.rest.resources import (
    ARCHIVE,
    CONF_ARCHIVE,
    CONF_ARCHIVE_FILE,
    LIBRARIES,
    Resource,
    Staged,
    dist_cache,
    remote_jars,
)
from batch_submit.plan.rest.submission import RestJob, context_json, spark_properties
from batch_submit.plan.secrets import MASK, mask
from batch_submit.plan.uris import cluster_path, quoted_path
from batch_submit.services import Clock, SignalCount

#: Stands in a dry run for the id that the ResourceManager would give.
ANY_APPLICATION = "application_<cluster timestamp>_<sequence>"
_EARLIER_POST = "an earlier call may have posted it"


@dataclass(frozen=True)
class RestLauncher:
    """Stages the files of a job and posts it.

    Parameters
    ----------
    session
        HTTP in the name of the user, for the DataNodes.
    folders
        The Hadoop configuration that travels with the application.
    default_fs
        Such as ``hdfs://host:port``: the file system that `webhdfs` speaks for.
    staging_base
        Folder below which ``.sparkStaging`` lies: the user's home, or ``spark.yarn.stagingDir``/user.
    shared
        Where files lie that are the same for many runs.
    spark_folder
        Spark's own configuration on this host; "" for none.
    tokens
        Of a cluster with Kerberos.
    completed_kept
        How many ended applications the ResourceManager keeps, by this host's configuration, if that says.
    """

    resource_manager: ResourceManager
    webhdfs: WebHdfs
    session: HttpSession
    folders: Sequence[str]
    default_fs: str
    staging_base: str
    shared: SharedFolder
    clock: Clock
    terminal: Terminal
    spark_folder: str = ""
    tokens: DelegationTokens | None = None
    completed_kept: str | None = None
    _written: dict[str, FileStatus] = field(default_factory=dict)
    _folders: dict[str, StagingFolder] = field(default_factory=dict)

    def asked_whether_able(self, job: RestJob) -> submission.Reserved:
        """Begin a submission as far as nothing is recorded of it; the id that was reserved for it.

        Asking alone does not tell: a DataNode's port may be closed, a gateway may answer with a page to log in, and a
        server older than Hadoop 3 sends a redirect for an answer. So the staging folder is made, a small file put
        there, and the token fetched, all of which `launch` needs anyway.

        Raises
        ------
        NeedsSparkSubmit
            REST submissions are switched off (403), a gateway hides them, or WebHDFS does not serve us; nothing is
            left behind.
        SafeMode
            Nor could Spark's client write.
        MissingFile
            A file of this host can't be read.
        """
        try:
            reserved = submission.reserve(self.resource_manager)
        except (ClusterRefused, ClusterUnreachable, HostNotReady) as error:
            raise NeedsSparkSubmit(f"the ResourceManager takes no submission over REST: {words(error)}") from error
        refuse_too_large(job.size, reserved)
        folder = self._folder(reserved.application_id)
        try:
            self._tried(job, folder)
        except (UsageError, SafeMode):
            self._undo(folder)
            raise
        except BatchSubmitError as error:
            self._undo(folder)
            raise NeedsSparkSubmit(f"WebHDFS does not serve us: {words(error)}") from error
        except BaseException:
            self._undo(folder)
            raise
        return reserved

    def _tried(self, job: RestJob, folder: StagingFolder) -> None:
        """Write a small file of the job, or an empty one in the place of the configuration where it has none."""
        folder.make()
        own = (one for one in self._cached(job) if not (one.is_remote or one.shared or one.secret))
        small = next((one for one in own if size_of_file(Path(one.source)) <= IN_MEMORY_BYTES), None)
        if small is not None:
            self._written[f"{folder.path}/{small.staged_name}"] = folder.put_file(Path(small.source), small.staged_name)
        else:
            folder.put(CONF_ARCHIVE_FILE, b"")
        with suppress(ClusterRefused):  # then its files go into the staging folder
            self.shared.files()
        if self.tokens is not None:
            self.tokens.fetch()

    def launch(
        self,
        job: RestJob,
        signals: SignalCount,
        record: IdRecord,
        reserved: submission.Reserved | None = None,
    ) -> str:
        """Submit; the application id. `reserved` is an id that was given for it already.

        Raises
        ------
        ClusterRefused
            The cluster says no, in its own words; nothing of it is left in staging.
        Interrupted
            A signal came before the POST; nothing of it is left in staging.
        OutcomeUnknown
            The reply to the POST was lost and the ResourceManager stays away; or another call has posted it, or may.
        TryPassedOver
            The run goes on without this try; nothing of it is left in staging.
        """
        reserved = reserved or submission.reserve(self.resource_manager)
        refuse_too_large(job.size, reserved)
        folder = self._folder(reserved.application_id)
        folder.shared = record.shared
        try:
            application_id = record.reserved(reserved.application_id)
            if application_id == reserved.application_id:
                context = self._staged(job, application_id, folder, signals)
                record.posting()
        except BaseException as error:
            self._undo(folder)
            if isinstance(error, Exception) and folder.shared:
                unless_posted(reserved.application_id, error, self.resource_manager, record)
            if isinstance(error, Exception) and not isinstance(error, BatchSubmitError):
                raise internal(error) from error
            raise
        if application_id != reserved.application_id:
            self._undo(folder)  # what `asked_whether_able` has put there
            return self._post_beside(job, application_id, signals, record)
        return self._post(context, signals, folder, record)

    def post_again(self, job: RestJob, signals: SignalCount, record: IdRecord) -> str:
        """Stage and post under the id that another call reserved and may have posted, in the same epoch.

        Raises
        ------
        OutcomeUnknown
            It could not be staged or posted: the earlier post may still show, so that no other id may take its place.
            Or it is so old that the ResourceManager may have forgotten it.
        TryPassedOver
            As for :meth:`launch`.
        """
        application_id = record.reserved_id
        try:
            self._poster.refuse_if_forgotten(application_id, self.completed_kept)
        except OutcomeUnknown:
            raise
        except BatchSubmitError as error:
            raise not_posted_again(application_id, error) from error
        return self._post_beside(job, application_id, signals, record)

    def _post_beside(self, job: RestJob, application_id: str, signals: SignalCount, record: IdRecord) -> str:
        """Stage beside whoever else posts this id, and post it."""
        folder = self._folder(application_id, f"again-{os.urandom(4).hex()}")
        try:
            context = self._staged(job, application_id, folder, signals)
            record.posting()
        except BaseException as error:
            self._undo(folder)  # it alone: the rest of the application's folder may be in use
            if isinstance(error, BatchSubmitError) and not isinstance(error, TryPassedOver):
                raise not_posted_again(application_id, error) from error
            raise
        return self._post(context, signals, folder, record, _EARLIER_POST)

    def shown(self, job: RestJob) -> dict[str, Any]:
        """Return what would be posted and staged, for people and programs to read: asks nobody, holds no secret.

        Returns
        -------
        dict
            ``context`` (the body of the POST; sizes and times of files are null where only the cluster knows them),
            ``staging`` (``folder``, and per file ``name``, ``source``, ``bytes``), ``shared`` (the same: what is put
            there unless it lies there), ``properties`` (the driver's, secrets masked), ``spark_version``.
        """
        now_ms = int(self.clock.now_utc().timestamp() * 1000)
        folder = self._folder(ANY_APPLICATION)
        place, common = f"{self.default_fs}{folder.path}", f"{self.default_fs}{self.shared.path}"
        staged: dict[str, Staged] = {}
        files: list[dict[str, Any]] = []
        shared: list[dict[str, Any]] = []
        for one in self._cached(job):
            if one.is_remote:
                staged[one.link] = Staged(self._uri(cluster_path(one.source, self.default_fs)), None, None)
                continue
            size = size_of_file(Path(one.source))
            name = self.shared.name_of(Path(one.source)) if one.shared else one.staged_name
            held_in, listed = (common, shared) if one.shared else (place, files)
            staged[one.link] = Staged(f"{held_in}/{quoted_path(name)}", size, None)
            listed.append({"name": name, "source": one.source, "bytes": size})
        staged |= {f"{LIBRARIES}/{posixpath.basename(one)}": Staged(one, None, None) for one in remote_jars(job.conf)}
        staged[CONF_ARCHIVE] = Staged(f"{place}/{CONF_ARCHIVE_FILE}", None, None)
        files.append({"name": CONF_ARCHIVE_FILE, "source": ",".join(self.folders), "bytes": None})
        properties = spark_properties(job, now_ms)
        return {
            "context": context_json(job, ANY_APPLICATION, staged, place, now_ms),
            "staging": {"folder": place, "files": files},
            "shared": {"folder": common, "files": shared},
            "properties": {key: mask(key, value) for key, value in sorted(properties.items())}
            | dict.fromkeys(sorted(job.plan.secrets.keys() & properties.keys()), MASK),
            "spark_version": job.facts.version,
        }

    def _folder(self, application_id: str, inside: str = "") -> StagingFolder:
        path = posixpath.join(self.staging_base, ".sparkStaging", application_id, inside).rstrip("/")
        return self._folders.setdefault(path, StagingFolder(self.webhdfs, self.session, path))

    @property
    def _poster(self) -> Poster:
        return Poster(self.resource_manager, self.clock, self.terminal)

    def _post(
        self,
        context: Mapping[str, Any],
        signals: SignalCount,
        folder: StagingFolder,
        record: IdRecord,
        doubt: str = "",
    ) -> str:
        """Post what is staged in `folder`; a refusal takes that away, and nothing that another call may use."""
        application_id = str(context["application-id"])
        self.terminal.debug(f"staged in {folder.path}; posting {application_id}")
        try:
            self._poster.post(context, doubt)
        except OutcomeUnknown:
            raise  # an application may use what lies there
        except BatchSubmitError as error:
            self._undo(folder)
            if folder.shared:
                unless_posted(application_id, error, self.resource_manager, record)
            raise
        report = self._poster.accepted(context, signals)
        verdict = judge(report) if report is not None else None
        if verdict is not None:
            # It has ended, mostly by a refusal, which the caller reads from the application: nobody uses any of it.
            self._clean_up(self._folder(application_id), whole=True)
        if verdict is not None and verdict.result is Result.REFUSED:
            self._cancel_tokens()
        return application_id

    def _staged(
        self, job: RestJob, application_id: str, folder: StagingFolder, signals: SignalCount | None = None
    ) -> dict[str, Any]:
        """Put the files of this host where the containers get them from, and return what is posted."""
        now_ms = int(self.clock.now_utc().timestamp() * 1000)
        folder.make()
        cached = self._cached(job)
        staged = {}
        for one in cached:
            staged[one.link] = self._placed(one, folder)
            if signals is not None and signals.received:
                raise Interrupted(signals.received[0])
        for one, at in self._libraries(job):
            cached.append(one)
            staged[one.link] = at
        home = f"{self.default_fs}{self._folder(application_id).path}"
        texts = {
            "__spark_conf__.properties": properties_text(spark_properties(job, now_ms)),
            "__spark_dist_cache__.properties": properties_text(
                dist_cache(cached, staged, self._uri(f"{folder.path}/{CONF_ARCHIVE_FILE}"))
            ),
        }
        archive = conf_archive(self.folders, texts, self.spark_folder)
        staged[CONF_ARCHIVE] = self._at(folder.put(CONF_ARCHIVE_FILE, archive))
        tokens = self.tokens.fetch() if self.tokens is not None else {}  # last: what is posted next takes them along
        return context_json(job, application_id, staged, home, now_ms, tokens)  # the master deletes `home`, all of it

    def _cached(self, job: RestJob) -> list[Resource]:
        """What YARN brings to the containers, but for the archive of the configuration."""
        libraries = job.conf.get("spark.yarn.archive", "")
        return [*job.resources, *([Resource(LIBRARIES, libraries, ARCHIVE)] if libraries else [])]

    def _libraries(self, job: RestJob) -> Iterator[tuple[Resource, Staged]]:
        """Spark's jars in HDFS, as ``spark.yarn.jars`` names them: one listing per folder.

        Raises
        ------
        NotFound
            A pattern that fits nothing.
        """
        for pattern in remote_jars(job.conf):
            folder, name = posixpath.split(cluster_path(pattern, self.default_fs))
            found = self.webhdfs.list(folder)
            fitting = [one for one in found if not one.is_folder and fnmatchcase(posixpath.basename(one.path), name)]
            if not fitting:
                raise NotFound(f"no file fits {pattern}", where="spark.yarn.jars", next_step="correct it, or unset it")
            for one in fitting:
                at = self._at(one, self.shared.visibility.of(one))
                yield Resource(f"{LIBRARIES}/{posixpath.basename(one.path)}", at.uri), at

    def _placed(self, one: Resource, folder: StagingFolder) -> Staged:
        if one.is_remote:
            return self._looked_at(one.source)
        if one.shared:
            try:
                held = self.shared.provide(Path(one.source))
                return self._at(held, self.shared.visibility.of(held))
            except ClusterRefused as error:  # it is a team's, or full
                self.terminal.note(f"{one.link} goes into the run's staging folder: {words(error)}")
        written = self._written.pop(f"{folder.path}/{one.staged_name}", None)
        held = written or folder.put_file(Path(one.source), one.staged_name, secret=one.secret)
        return self._at(held, APPLICATION if one.secret else PRIVATE)

    def _at(self, held: FileStatus, visibility: str = PRIVATE) -> Staged:
        return Staged(self._uri(held.path), held.length, held.modified_ms, visibility)

    def _looked_at(self, uri: str) -> Staged:
        held = self.shared.status(cluster_path(uri, self.default_fs))
        return self._at(held, self.shared.visibility.of(held))

    def _uri(self, path: str) -> str:
        return f"{self.default_fs}{quoted_path(path)}"

    def _undo(self, folder: StagingFolder) -> None:
        """Nothing of it will be used: take away what was staged, and the token."""
        self._clean_up(folder)
        self._cancel_tokens()

    def _clean_up(self, folder: StagingFolder, *, whole: bool = False) -> None:
        try:
            folder.remove(whole=whole)
        except BatchSubmitError as error:
            self.terminal.debug(f"{folder.path} may be left behind: {error.message}")

    def _cancel_tokens(self) -> None:
        for problem in self.tokens.cancel() if self.tokens is not None else ():
            self.terminal.debug(f"a delegation token is left to expire: {problem}")
