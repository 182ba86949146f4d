"""The aggregated logs of an application as a source of log files."""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from batch_submit.adapters.aggregated_logs import ifile, tfile
from batch_submit.adapters.aggregated_logs.layout import Kind, folders, node_file
from batch_submit.adapters.aggregated_logs.parts import Part
from batch_submit.adapters.aggregated_logs.remote_file import DamagedLogs, HdfsFile, Shelf, UnsupportedLogs, exactly
from batch_submit.container_logs import LogFile
from batch_submit.data_classes import dataclass
from batch_submit.errors import ClusterRefused, NotFound

if TYPE_CHECKING:
    from batch_submit.adapters.hadoop_conf import HadoopConf
    from batch_submit.adapters.webhdfs import WebHdfs

_LONGEST_TAIL = 32


@dataclass(frozen=True)
class _Upload:
    """One file that a NodeManager uploaded."""

    file: HdfsFile
    node: str
    uploaded_ms: int
    modified_ms: int


class AggregatedLogs:
    """Reads what the NodeManagers uploaded, through WebHDFS; one application at a time.

    ``files`` looks at every file once, for its list; ``read`` then goes straight to a log file. Where everything is
    wanted, ``stream_all`` needs a single pass.

    Parameters
    ----------
    webhdfs
        Of the filesystem that holds the logs.
    conf
        The site's configuration: where logs are uploaded to.

    Attributes
    ----------
    partial
        Why something may be missing, "" when everything is there; certain after ``files`` or at the end of
        ``stream_all``.
    """

    def __init__(self, webhdfs: WebHdfs, conf: HadoopConf) -> None:
        self._webhdfs = webhdfs
        self._conf = conf
        self._shelf = Shelf()
        self._found: dict[tuple[str, str, str], list[Part]] = {}
        self._folder = ""
        self._problems: list[str] = []
        self._errors: list[ClusterRefused] = []

    @property
    def name(self) -> str:
        """``HDFS`` and the folder, once it is known."""
        return f"HDFS {self._folder}".rstrip()

    @property
    def partial(self) -> str:
        """See the attributes."""
        return "; ".join(dict.fromkeys(self._problems))

    def files(self, application_id: str, owner: str, *, nodes: Collection[str] | None = None) -> list[LogFile]:
        """What there is to read, by container and name; what was uploaded in pieces counts as one file.

        Parameters
        ----------
        owner
            Who submitted the application.
        nodes
            ``host:port`` of the NodeManagers of interest: the files of the others are not opened.

        Raises
        ------
        NotFound
            There are no aggregated logs (yet).
        DamagedLogs, UnsupportedLogs
            Not one of the files can be read.
        ClusterRefused, ClusterUnreachable
            See :class:`~batch_submit.container_logs.LogSource`.
        """
        self._found = {}
        found: dict[tuple[str, str, str], LogFile] = {}
        for upload in self._uploads(application_id, owner, nodes):
            for part in self._parts(upload, application_id, whole=False):
                self._found.setdefault((upload.node, part.container_id, part.name), []).append(part)
        if not self._found and self._errors:
            raise self._errors[0]
        for (node, container_id, name), parts in self._found.items():
            found[node, container_id, name] = LogFile(
                container_id,
                name,
                sum(part.size for part in parts),
                node,
                max(part.modified_ms for part in parts),
                all(part.complete for part in parts),
            )
        return sorted(found.values(), key=lambda file: (file.container_id, file.name, file.node))

    def read(self, file: LogFile, *, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """See :meth:`~batch_submit.container_logs.LogSource.read`; the file is one that ``files`` named."""
        parts = self._found.get((file.node, file.container_id, file.name))
        if parts is None:
            raise NotFound(f"{file.container_id} has no log file {file.name}", where=self.name)
        size = sum(part.size for part in parts)
        begin = max(0, size + start) if start < 0 else start
        left = size - begin if length is None else min(length, size - begin)
        for part in parts:
            if left <= 0:
                return
            wanted = min(left, part.size - begin)
            if wanted > 0:
                yield from part.read(begin, wanted)
                left -= wanted
            begin = max(0, begin - part.size)

    def stream_all(
        self, application_id: str, owner: str, *, nodes: Collection[str] | None = None
    ) -> Iterator[tuple[LogFile, Iterator[bytes]]]:
        """Everything in one pass, in the order in which it lies there: a log file, and its content in pieces.

        The content has to be read before the next pair is asked for; what is not read by then is passed over. Pieces
        of a long-running application's file come as files of their own. Raises what :meth:`files` raises, while it
        goes on.
        """
        any_found = False
        for upload in self._uploads(application_id, owner, nodes):
            for part in self._parts(upload, application_id, whole=True):
                any_found = True
                file = LogFile(part.container_id, part.name, part.size, upload.node, part.modified_ms, part.complete)
                yield file, self._tolerant(part, upload.node)
        if not any_found and self._errors:
            raise self._errors[0]

    def _uploads(self, application_id: str, owner: str, nodes: Collection[str] | None) -> list[_Upload]:
        """The NodeManagers' files, oldest piece first; notes what can't be read."""
        self._problems, self._errors = [], []
        self._folder = ""
        uploads: list[_Upload] = []
        names = folders(application_id, owner, self._conf.remote_log_dirs(), self._conf.default_fs)
        refused: ClusterRefused | None = None
        for folder in names:
            try:
                there = self._webhdfs.list(folder)
            except NotFound:
                continue
            except ClusterRefused as error:
                refused = refused or error
                continue
            for status in there:
                known = node_file(posixpath.basename(status.path))
                if known.kind is Kind.NODE and not status.is_folder:
                    self._folder = self._folder or folder
                    if nodes is None or known.node in nodes:
                        file = HdfsFile(self._webhdfs, status, self._shelf)
                        uploads.append(_Upload(file, known.node, known.uploaded_ms, status.modified_ms))
                elif known.kind is Kind.UNFINISHED:
                    self._problems.append(f"{known.node or 'a node'} is still uploading")
                elif known.kind is Kind.ARCHIVE:
                    self._problems.append(
                        f"{status.path} is a Hadoop archive: yarn logs -applicationId {application_id}"
                    )
        self._folder = self._folder or names[0]
        if not uploads:
            self._raise_nothing(application_id, names, refused, nodes or ())
        return sorted(uploads, key=lambda upload: (upload.node, upload.uploaded_ms, upload.file.path))

    def _raise_nothing(
        self,
        application_id: str,
        names: tuple[str, ...],
        refused: ClusterRefused | None,
        not_of_nodes: Collection[str],
    ) -> None:
        if refused is not None:
            raise refused
        if any("archive" in problem for problem in self._problems):
            raise UnsupportedLogs("a Hadoop archive (.har) of aggregated logs", self._folder)
        message = f"HDFS holds no aggregated logs of {application_id}"
        if not_of_nodes:
            message += f" from {', '.join(sorted(not_of_nodes))}"
        raise NotFound(
            message + (f" ({self.partial})" if self.partial else ""),
            details=[f"looked at {name}" for name in names],
            next_step="aggregation takes a moment after the end; check the owner, and yarn.log-aggregation-enable",
        )

    def _parts(self, upload: _Upload, application_id: str, *, whole: bool) -> Iterator[Part]:
        """The parts of one upload. A damaged one ends with a note: the other nodes' logs are still worth reading."""
        last: Part | None = None
        try:
            for part in _readers(upload.file, application_id, whole):
                self._note_early_end(last)
                part.modified_ms = part.modified_ms or upload.modified_ms
                yield part
                last = part
            self._note_early_end(last)
        except (DamagedLogs, UnsupportedLogs) as error:
            self._errors.append(error)
            self._problems.append(f"{upload.node}: {error.message}")
            if last is not None:
                last.complete = False

    def _note_early_end(self, part: Part | None) -> None:
        """What a part says of itself is certain when the one after it was asked for."""
        if part is not None and not part.complete:
            self._problems.append(f"{part.name} of {part.container_id} ends before its announced length")

    def _tolerant(self, part: Part, node: str) -> Iterator[bytes]:
        try:
            yield from part.read(0, part.size)
        except DamagedLogs as error:
            self._errors.append(error)
            self._problems.append(f"{node}: {error.message}")


def _readers(file: HdfsFile, application_id: str, whole: bool) -> Iterator[Part]:
    """The format by what stands in the file: the folder's name is the site's word for it, and old files stay."""
    tail = exactly(file, max(0, file.size - _LONGEST_TAIL), min(file.size, _LONGEST_TAIL))
    if tail.endswith(tfile.MAGIC):
        return tfile.parts(file, whole=whole)
    if tail == ifile.uuid(application_id):
        return ifile.parts(file, tail, whole=whole)
    head = exactly(file, 0, min(file.size, _LONGEST_TAIL))
    if head.startswith(tfile.MAGIC) or head == ifile.uuid(application_id):
        raise DamagedLogs("it has no end: it was cut off while it was written", file.path)
    raise UnsupportedLogs("a file that is neither TFile nor IFile", file.path)
