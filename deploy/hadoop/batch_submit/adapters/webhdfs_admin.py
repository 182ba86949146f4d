"""HDFS as one side of a transfer and as a tree with owners and modes, over :class:`~batch_submit.adapters.webhdfs`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from batch_submit.adapters.hdfs_checksum import has_checksum, read_checksum
from batch_submit.adapters.stores import Done, Verified, compare_bytes
from batch_submit.adapters.webhdfs import WebHdfs
from batch_submit.errors import ClusterRefused, ClusterUnreachable, NotFound
from batch_submit.plan.transfer import Item

#: Below this, reading a file back costs less than loading numpy.
CHECKSUM_FROM_BYTES = 8 << 20
_BELOW_A_FILE = "is not a directory"


class HdfsStore:
    """HDFS under absolute paths.

    Parameters
    ----------
    webhdfs
        The NameNodes.
    checksum_from_bytes
        Files of this length and more are compared by HDFS's own checksum where we can compute it.
    """

    def __init__(self, webhdfs: WebHdfs, *, checksum_from_bytes: int = CHECKSUM_FROM_BYTES) -> None:
        self._webhdfs = webhdfs
        self._checksum_from_bytes = checksum_from_bytes

    def find(self, path: str) -> Item | None:
        """See :class:`~batch_submit.adapters.stores.Store`."""
        try:
            reply = self._webhdfs.ask("GET", path, "GETFILESTATUS")
        except NotFound:
            return None
        except ClusterRefused as error:
            # The NameNode answers a question below a file as one about permissions (seen on 3.5.0).
            if any(_BELOW_A_FILE in line for line in error.details):
                return None
            raise
        return _item("", _mapping(reply.get("FileStatus"), path))

    def list(self, path: str) -> Iterator[Item]:
        """See :class:`~batch_submit.adapters.stores.Store`. Asked for in pages: a folder may hold a million files."""
        after = ""
        while True:
            # A NameNode heeds only the lower-case name, whatever the documents say (seen on 3.5.0), HttpFS the other.
            asked = {"startafter": after, "startAfter": after} if after else {}
            try:
                reply = self._webhdfs.ask("GET", path, "LISTSTATUS_BATCH", **asked)
            except ClusterRefused as error:
                if after or not any("LISTSTATUS_BATCH" in line for line in error.details):
                    raise
                yield from self._list_at_once(path)
                return
            page = _mapping(reply.get("DirectoryListing"), path)
            found = _statuses(_mapping(page.get("partialListing"), path), path)
            if after and any(item.name == after for item in found):
                raise ClusterUnreachable("the NameNode answers with the same page again", where=path)
            yield from found
            left = page.get("remainingEntries")
            if not isinstance(left, int) or left <= 0 or not found:
                return
            after = found[-1].name

    def _list_at_once(self, path: str) -> Iterator[Item]:
        """As Hadoop before 2.8 can."""
        yield from _statuses(self._webhdfs.ask("GET", path, "LISTSTATUS"), path)

    def make_folder(self, path: str, mode: str = "") -> None:
        """See :class:`~batch_submit.adapters.stores.Store`."""
        wanted = {"permission": mode} if mode else {}
        if self._webhdfs.ask("PUT", path, "MKDIRS", **wanted).get("boolean") is not True:
            raise ClusterRefused("HDFS did not make the folder", where=path)

    def set_mode(self, path: str, mode: str) -> None:
        """See :class:`~batch_submit.adapters.stores.Store`."""
        self._webhdfs.ask("PUT", path, "SETPERMISSION", permission=mode)

    def set_owner(self, path: str, owner: str, group: str) -> None:
        """See :class:`~batch_submit.adapters.stores.Store`. Only HDFS's superuser may give files away."""
        wanted = {name: value for name, value in (("owner", owner), ("group", group)) if value}
        try:
            self._webhdfs.ask("PUT", path, "SETOWNER", **wanted)
        except ClusterRefused as error:
            error.next_step = "run it as HDFS's superuser (who started the NameNode), or ask for: hdfs dfs -chown"
            raise

    def delete(self, path: str) -> None:
        """See :class:`~batch_submit.adapters.stores.Store`."""
        self._webhdfs.ask("DELETE", path, "DELETE", recursive="false")

    def put(
        self, local: Path, path: str, *, temporary: str, overwrite: bool, done: Done, check: Callable[[str], None]
    ) -> None:
        """See :class:`~batch_submit.adapters.stores.Store`."""
        self._webhdfs.upload(
            local,
            path,
            overwrite=overwrite,
            progress=lambda sent, _total: done(sent),
            temporary=temporary,
            check=check,
        )

    def read(self, path: str) -> Iterator[bytes]:
        """See :class:`~batch_submit.adapters.stores.Store`."""
        yield from self._webhdfs.open_range(path)

    def compare(self, local: Path, path: str) -> Verified:
        """See :class:`~batch_submit.adapters.stores.Store`.

        By HDFS's own checksum, which moves nothing, where it is worth it and we can compute it. It is of what is
        stored, in an encryption zone something else than the content: where it differs, the content decides.
        """
        length = local.stat().st_size
        if length == 0:
            return Verified.LENGTH
        if length >= self._checksum_from_bytes:
            wanted = read_checksum(self._webhdfs.checksum(path))
            if wanted is not None and has_checksum(local, wanted):
                return Verified.CHECKSUM
        return compare_bytes(local, self.read(path))


def _statuses(reply: Mapping[str, Any], path: str) -> list[Item]:
    found = _mapping(reply.get("FileStatuses"), path).get("FileStatus") or []
    items = [_item(str(fields.get("pathSuffix") or ""), fields) for fields in found if isinstance(fields, Mapping)]
    return [item for item in items if item.name]  # a file is a list of itself, without a name


def _item(name: str, fields: Mapping[str, Any]) -> Item:
    def number(key: str) -> int:
        value = fields.get(key)
        return value if isinstance(value, int) else 0

    kind = fields.get("type")
    return Item(
        name,
        kind == "DIRECTORY",
        number("length"),
        owner=str(fields.get("owner") or ""),
        group=str(fields.get("group") or ""),
        mode=str(fields.get("permission") or ""),
        modified_ms=number("modificationTime"),
        problem="" if kind in ("DIRECTORY", "FILE") else f"is a {str(kind or 'nameless thing').lower()}",
    )


def _mapping(value: object, path: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ClusterUnreachable("the NameNode's answer is not one of WebHDFS", where=path)
    return value
