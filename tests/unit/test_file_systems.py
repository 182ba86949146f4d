"""Whether hosts share a file system, by recorded lines of ``/proc/self/mountinfo``."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from batch_submit.ledger import SqliteLedger, database
from batch_submit.plan.file_systems import is_network, type_of
from tests.unit.test_ledger import RUN

#: From an edge host with homes on NFS; a blank in a mount point is ``\040``.
EDGE = """\
22 28 0:20 / /sys rw,nosuid,nodev,noexec,relatime shared:7 - sysfs sysfs rw
28 1 253:0 / / rw,relatime shared:1 - xfs /dev/mapper/rl-root rw,seclabel,attr2,inode64
35 28 0:31 / /proc/sys/fs/binfmt_misc rw,relatime shared:16 - autofs systemd-1 rw,fd=29,pgrp=1
95 28 0:45 / /home rw,relatime shared:50 - autofs auto.home rw,fd=6,pgrp=1423,timeout=300,minproto=5,indirect
102 95 0:46 / /home/alice rw,nosuid,relatime shared:51 - nfs4 filer1:/vol/home/alice rw,vers=4.1,rsize=65536,hard
110 28 0:50 / /data/shared\\040files rw,relatime shared:60 - cifs //nas/shared rw,vers=3.1.1
120 28 0:61 / /gluster rw,relatime shared:70 - fuse.glusterfs host1:/vol rw,user_id=0,allow_other
130 28 0:70 / /mnt/hdd rw,relatime - fuseblk /dev/sdb1 rw,user_id=0,group_id=0
140 28 253:3 / /var/lib rw,relatime shared:90 - xfs /dev/mapper/rl-var rw
141 140 0:80 / /var/lib rw,relatime shared:91 - tmpfs tmpfs rw,size=1024k
"""


@pytest.mark.parametrize(
    ("path", "kind", "shared"),
    [
        ("/home/alice/.local/state/batch-submit/runs/c/alice/ledger.db", "nfs4", True),
        ("/home/alice", "nfs4", True),
        ("/home/alice2/ledger.db", "autofs", False),  # not below /home/alice
        ("/data/shared files/x", "cifs", True),
        ("/gluster/x", "fuse.glusterfs", True),
        ("/mnt/hdd/x", "fuseblk", False),
        ("/var/lib/x", "tmpfs", False),  # the later of two mounts in one place
        ("/srv/x", "xfs", False),
        ("/", "xfs", False),
    ],
)
def test_the_longest_mount_point_counts(path: str, kind: str, shared: bool) -> None:
    assert type_of(EDGE, path) == kind
    assert is_network(kind) is shared


@pytest.mark.parametrize("text", ["", "nonsense", "1 2 3 - ", "28 1 253:0 / /else rw - xfs /dev/a rw", "a - b\nc"])
def test_what_does_not_tell_is_no_network(text: str) -> None:
    assert type_of(text, "/home/alice/x") == ""
    assert not is_network("")


@pytest.mark.parametrize("kind", ["nfs", "NFS4", "smb3", "lustre", "9p", "fuse.sshfs", "fuse", "ceph", "gpfs"])
def test_types_that_hosts_share(kind: str) -> None:
    assert is_network(kind)


@pytest.mark.parametrize("kind", ["ext4", "xfs", "btrfs", "zfs", "tmpfs", "overlay", "fuse.fuse-overlayfs", "autofs"])
def test_types_of_one_host(kind: str) -> None:
    assert not is_network(kind)


def test_this_hosts_own_mounts_are_read(tmp_path: Path) -> None:
    assert database.file_system(Path("/proc/self/mountinfo")) == "proc"
    assert database.file_system(tmp_path) not in ("", "proc")


def mode_of(ledger: SqliteLedger) -> str:
    with closing(sqlite3.connect(ledger.path)) as connection:
        (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
    return str(mode)


def test_where_hosts_share_it_there_is_no_write_ahead_log_and_that_is_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(EDGE.replace("/home/alice rw", f"{tmp_path} rw"), encoding="utf-8")
    said: list[str] = []
    ledger = SqliteLedger(tmp_path / "runs", note=said.append)
    with monkeypatch.context() as moved:
        moved.setattr(database, "_MOUNTS", mounts)
        for _ in range(3):
            ledger.save(RUN)
        assert mode_of(ledger) == "delete"
        assert said == [
            "the ledger lies on a file system that hosts share (nfs4): it does without SQLite's write-ahead log"
        ]
    ledger.save(RUN)
    assert mode_of(ledger) == "wal"
    monkeypatch.setattr(database, "_MOUNTS", mounts)  # the home has been moved onto the filer
    for _ in range(2):
        ledger.save(RUN)
    assert mode_of(ledger) == "delete" and len(said) == 2
    assert ledger.load("nightly") == RUN
