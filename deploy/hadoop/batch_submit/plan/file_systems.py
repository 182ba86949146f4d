"""Which file system a path lies on, by ``/proc/self/mountinfo`` (``man 5 proc``), and whether hosts share it."""

from __future__ import annotations

import posixpath
import re

#: Types that several hosts mount at once. SQLite's write-ahead log needs memory that all its users share, which no two
#: hosts have (https://sqlite.org/wal.html); the older rollback journal needs file locks only.
NETWORK = frozenset(
    (
        *("nfs", "nfs3", "nfs4", "cifs", "smb", "smb2", "smb3", "smbfs", "ncpfs", "afs", "openafs", "coda"),
        *("ceph", "glusterfs", "lustre", "gpfs", "mmfs", "beegfs", "fhgfs", "pvfs2", "orangefs", "panfs"),
        *("9p", "virtiofs", "vboxsf", "prl_fs", "gfs", "gfs2", "ocfs2", "davfs", "acfs", "stornext", "cvfs"),
    )
)
#: FUSE mounts that stay on this host; all others of that kind (sshfs, gluster, s3fs …) are taken for shared.
_LOCAL_FUSE = frozenset(("fuseblk", "fuse.fuse-overlayfs", "fuse.lxcfs", "fuse.ntfs", "fuse.ntfs-3g", "fuse.exfat"))
_OCTAL = re.compile(r"\\([0-7]{3})")


def type_of(mountinfo: str, path: str) -> str:
    """The type of the file system of an absolute path without links; "" when the text does not tell.

    Parameters
    ----------
    mountinfo
        Lines of ``36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue``: the fifth field is
        the mount point with blanks as ``\\040``, the first after the lone ``-`` the type. Of two mounts in one place
        the later one counts.
    """
    best, found = -1, ""
    for line in mountinfo.splitlines():
        before, separator, after = line.partition(" - ")
        fields = before.split()
        if not separator or len(fields) < 5 or not after.split():
            continue
        point = _OCTAL.sub(lambda match: chr(int(match[1], 8)), fields[4])
        inside = point == "/" or path == point or path.startswith(f"{posixpath.normpath(point)}/")
        if inside and len(point) >= best:
            best, found = len(point), after.split()[0]
    return found


def is_network(kind: str) -> bool:
    """Whether several hosts may write to a file system of this type at once."""
    kind = kind.lower()
    if kind == "fuse" or kind.startswith("fuse."):
        return kind not in _LOCAL_FUSE
    return kind in NETWORK
