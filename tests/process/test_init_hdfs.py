"""``init-hdfs``: the tree made once, looked at, put right, and never anything above it."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from tests.process.canned_webhdfs import Node, Remote
from tests.process.door import CONFIG, Door

AS_HDFS = {"HADOOP_USER_NAME": "hdfs"}
AS_ALICE = {"HADOOP_USER_NAME": "alice"}
ROOT = "/ml-pipeline"
WRITES = {"MKDIRS", "SETPERMISSION", "SETOWNER", "DELETE", "CREATE", "RENAME"}


def writes(door: Door) -> list[str]:
    return [operation for operation in door.webhdfs.operations() if operation in WRITES]


def test_a_tree_is_made_once(door: Door) -> None:
    made = door.run("init-hdfs", "--json", env=AS_ALICE)
    assert made.code == 0, made.err
    assert made.json["root"] == "hdfs://127.0.0.1:9000/ml-pipeline"
    assert (made.json["changed"], made.json["folders"], len(made.json["differences"])) == (True, 14, 14)
    assert {f"{ROOT}/data/training", f"{ROOT}/predictions", f"{ROOT}/metrics"} <= set(door.webhdfs.nodes)
    assert all(node.permission == "755" for path, node in door.webhdfs.nodes.items() if path.startswith(ROOT))

    door.webhdfs.asked.clear()
    again = door.run("init-hdfs", env=AS_ALICE)
    assert (again.code, again.out) == (
        0,
        "hdfs://127.0.0.1:9000/ml-pipeline: 14 folders, all as configured; nothing to change\n",
    )
    assert writes(door) == []


def test_check_and_dry_run_change_nothing(door: Door) -> None:
    missing = door.run("init-hdfs", "--check", env=AS_ALICE)
    assert missing.code == 3 and f"{ROOT}/data/input       missing" in missing.out
    shown = door.run("init-hdfs", "--dry-run", "--json", env=AS_ALICE)
    assert shown.code == 0 and not shown.json["changed"] and not shown.json["clean"]
    assert writes(door) == []

    assert door.run("init-hdfs", env=AS_ALICE).code == 0
    door.webhdfs.nodes[f"{ROOT}/logs"].permission = "777"
    door.webhdfs.nodes[f"{ROOT}/models"].owner = "bob"
    del door.webhdfs.nodes[f"{ROOT}/configs"]
    door.webhdfs.asked.clear()
    drift = door.run("init-hdfs", "--check", "--owner", "alice:etl", "--mode", "755", "--json", env=AS_ALICE)
    assert drift.code == 3
    assert drift.json["differences"] == [
        {"path": f"{ROOT}/models", "field": "owner", "found": "bob", "wanted": "alice"},
        {"path": f"{ROOT}/configs", "field": "missing", "found": "", "wanted": "755"},
        {"path": f"{ROOT}/logs", "field": "mode", "found": "777", "wanted": "755"},
    ]
    assert writes(door) == []
    assert door.run("init-hdfs", "--check", "--mode", "755", env=AS_ALICE).code == 3
    assert door.run("init-hdfs", "--owner", "alice:etl", "--mode", "755", env=AS_HDFS).code == 0
    assert door.run("init-hdfs", "--check", "--owner", "alice:etl", "--mode", "755", env=AS_ALICE).code == 0


def test_owner_group_and_mode_of_the_configuration(door: Door) -> None:
    door.write_config(CONFIG + "storage: {owner: ml-pipeline, group: ml-team, mode: 750}\n")
    done = door.run("init-hdfs", env=AS_HDFS)
    assert done.code == 0, done.err
    node = door.webhdfs.nodes[f"{ROOT}/data/output"]
    assert (node.owner, node.group, node.permission) == ("ml-pipeline", "ml-team", "750")
    flags = door.run("init-hdfs", "--owner", ":others", "--mode", "1777", env=AS_HDFS)
    assert flags.code == 0 and "group ml-team -> others" in flags.out
    node = door.webhdfs.nodes[ROOT]
    assert (node.owner, node.group, node.permission) == ("ml-pipeline", "others", "1777")


def test_only_the_superuser_gives_folders_away(door: Door) -> None:
    refused = door.run("init-hdfs", "--owner", "ml-pipeline", env=AS_ALICE)
    assert refused.code == 4
    assert refused.said("User alice is not a super user", "14 changes were made before this and stay", "superuser")
    assert f"{ROOT}/predictions" in door.webhdfs.nodes
    assert door.run("init-hdfs", "--check", env=AS_ALICE).code == 0


def test_recursive_puts_everything_below_right(door: Door) -> None:
    assert door.run("init-hdfs", env=AS_ALICE).code == 0
    nodes = door.webhdfs.nodes
    nodes[f"{ROOT}/models/m"] = Node(permission="700", owner="bob")
    nodes[f"{ROOT}/models/m/part"] = Node(b"x", permission="777", owner="bob")
    nodes["/user/alice/mine"] = Node(b"x", permission="600")
    flags = ["--owner", "alice:etl", "--mode", "755"]
    assert door.run("init-hdfs", "--check", *flags, env=AS_HDFS).code == 0, "without --recursive only the tree"
    repaired = door.run("init-hdfs", "--recursive", *flags, "--json", env=AS_HDFS)
    assert repaired.code == 0, repaired.err
    assert len(repaired.json["differences"]) == 4
    assert (nodes[f"{ROOT}/models/m"].permission, nodes[f"{ROOT}/models/m"].owner) == ("755", "alice")
    assert nodes[f"{ROOT}/models/m/part"].permission == "644"
    assert nodes["/user/alice/mine"].permission == "600"
    assert door.run("init-hdfs", "--check", "--recursive", *flags, env=AS_HDFS).code == 0


@pytest.mark.parametrize("root", ["/", "/user", "/user/alice", "hdfs://127.0.0.1:9000/tmp"])
def test_nothing_above_a_root_of_our_own_is_changed(door: Door, root: str) -> None:
    env = {**AS_HDFS, "BATCH_SUBMIT_STORAGE_ROOT": root}
    refused = door.run("init-hdfs", "--recursive", "--mode", "755", env=env)
    assert refused.code == 2 and refused.said("refusing to change owners or modes", "next: set storage_root")
    assert door.webhdfs.asked == []


@pytest.mark.parametrize(
    ("flags", "code", "words"),
    [
        (["--recursive"], 2, "nothing is"),
        (["--owner", "a:b:c"], 2, "USER:GROUP"),
        (["--mode", "rwxr-xr-x"], 2, "not an octal mode"),
        (["--spark", "--recursive"], 2, "--spark makes no folders"),
    ],
)
def test_calls_that_are_wrong(door: Door, flags: list[str], code: int, words: str) -> None:
    outcome = door.run("init-hdfs", *flags, env=AS_ALICE)
    assert outcome.code == code and words in outcome.err and "next: " in outcome.err
    assert door.webhdfs.asked == []


def test_a_file_in_the_way(door: Door) -> None:
    door.webhdfs.nodes[ROOT] = Node()
    door.webhdfs.nodes[f"{ROOT}/models"] = Node(b"x")
    assert door.run("init-hdfs", "--check", env=AS_ALICE).out.count("is a file, not a folder") == 1
    outcome = door.run("init-hdfs", env=AS_ALICE)
    assert outcome.code == 2 and f"{ROOT}/models" in outcome.err
    assert writes(door) == []


@pytest.mark.parametrize(
    ("remote", "code", "words"),
    [
        (Remote(403, "AccessControlException", "Permission denied: user=alice"), 4, "Permission denied: user=alice"),
        (Remote(403, "NSQuotaExceededException", "The NameSpace quota is exceeded"), 4, "The NameSpace quota"),
        (Remote(403, "SafeModeException", "Name node is in safe mode."), 5, "HDFS is in safe mode"),
    ],
)
def test_what_hdfs_says_no_to(door: Door, remote: Remote, code: int, words: str) -> None:
    door.webhdfs.fail["MKDIRS"] = remote
    outcome = door.run("init-hdfs", env=AS_ALICE)
    assert outcome.code == code and words in outcome.err


def test_plain_folders_for_backend_local(laptop: Door, tmp_path: Path) -> None:
    root = tmp_path / "work" / "ml-pipeline"
    made = laptop.run("init-hdfs", "--mode", "750", "--owner", "nobody")
    assert made.code == 0 and made.said("owner and group are not looked at")
    assert stat.S_IMODE((root / "data" / "training").stat().st_mode) == 0o750
    assert laptop.run("init-hdfs", "--mode", "750").out.endswith("nothing to change\n")
    (root / "logs").chmod(0o700)
    (root / "logs" / "f").write_text("x")
    (root / "logs" / "f").chmod(0o777)
    outside = tmp_path / "outside"
    outside.write_text("x")
    outside.chmod(0o600)
    (root / "logs" / "link").symlink_to(outside)
    drift = laptop.run("init-hdfs", "--check", "--mode", "750")
    assert drift.code == 3 and "mode 700 instead of 750" in drift.out
    assert laptop.run("init-hdfs", "--recursive", "--mode", "750").code == 0
    assert stat.S_IMODE((root / "logs" / "f").stat().st_mode) == 0o640
    assert stat.S_IMODE(outside.stat().st_mode) == 0o600
    refused = laptop.run("init-hdfs", "--mode", "750", env={"BATCH_SUBMIT_STORAGE_ROOT": str(tmp_path / "home")})
    assert refused.code == 2 and "more than the storage tree" in refused.err
