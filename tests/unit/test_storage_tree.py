"""The tree under the storage root: what it is, what differs, what is never touched."""

from __future__ import annotations

import pytest

from batch_submit.errors import ConfigError, UsageError
from batch_submit.plan.config import Config
from batch_submit.plan.sourced import Sourced
from batch_submit.plan.storage import hdfs_path
from batch_submit.plan.storage_tree import (
    Difference,
    Ownership,
    differences,
    file_mode,
    ownership,
    refuse_shared_root,
    split_owner,
    tree,
)
from batch_submit.plan.transfer import Item

WANTED = Ownership("ml", "team", "750")


def config(**values: object) -> Config:
    return Config(
        None, {("storage", name): Sourced(value, f"c.yaml:{at}") for at, (name, value) in enumerate(values.items())}
    )


def test_the_tree_of_the_issue_with_its_parents_first() -> None:
    paths = tree("/ml")
    below = {path.removeprefix("/ml/") for path in paths[1:]}
    data = {"data/raw", "data/training", "data/validation", "data/input", "data/output"}
    others = {"models", "artifacts", "configs", "logs", "checkpoints", "metrics", "predictions"}
    assert below == data | others | {"data"}
    assert paths[0] == "/ml" and paths.index("/ml/data") < paths.index("/ml/data/input")


@pytest.mark.parametrize(
    ("found", "wanted", "fields"),
    [
        (None, WANTED, ["missing"]),
        (Item("", False), WANTED, ["file"]),
        (Item("", True, owner="ml", group="team", mode="750"), WANTED, []),
        (Item("", True, owner="root", group="team", mode="755"), WANTED, ["owner", "mode"]),
        (Item("", True, owner="root", group="x", mode="700"), Ownership(group="team"), ["group"]),
        (Item("", True, owner="root", group="x", mode="700"), Ownership(), []),
    ],
)
def test_what_differs(found: Item | None, wanted: Ownership, fields: list[str]) -> None:
    assert [one.field for one in differences("/ml/data", found, wanted)] == fields


def test_what_differs_says_how() -> None:
    (one,) = differences("/ml", Item("", True, mode="1777"), Ownership(mode="755"))
    assert one == Difference("/ml", "mode", "1777", "755")


def test_files_never_become_programs() -> None:
    assert [file_mode(mode) for mode in ("755", "1777", "750", "700")] == ["644", "666", "640", "600"]
    assert differences("/ml/f", Item("", False, mode="644"), Ownership(mode="755"), folder=False) == ()
    (one,) = differences("/ml/f", Item("", False, mode="755"), Ownership(mode="755"), folder=False)
    assert one.wanted == "644"


@pytest.mark.parametrize(("text", "parts"), [("ml", ("ml", "")), ("ml:team", ("ml", "team")), (":team", ("", "team"))])
def test_owner_and_group(text: str, parts: tuple[str, str]) -> None:
    assert split_owner(text) == parts


@pytest.mark.parametrize("text", ["", ":", "a:", "a:b:c", "a b", "a/b", "a,b"])
def test_what_no_owner_is(text: str) -> None:
    with pytest.raises(UsageError, match="USER:GROUP"):
        split_owner(text)


@pytest.mark.parametrize(
    ("typed", "mode"),
    [("755", "755"), ("0755", "755"), (700, "700"), ("1777", "1777"), ("055", "55")],
)
def test_modes(typed: object, mode: str) -> None:
    assert ownership(config(mode=typed)).mode == mode


def test_all_bad_values_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        ownership(config(owner="a b", group="x:y", mode="2775"))
    assert len(caught.value.details) == 3
    assert "c.yaml:2: storage.mode" in caught.value.details[2]


@pytest.mark.parametrize(
    "root",
    ["/", "//", "/user", "/user/", "/tmp", "/user/alice", "/home/alice", "/apps", "/x/..", "/srv", "/srv/people/alice"],
)
def test_what_is_never_repaired(root: str) -> None:
    with pytest.raises(UsageError, match="more than the storage tree"):
        refuse_shared_root(root, home="/srv/people/alice")


@pytest.mark.parametrize("root", ["/ml-pipeline", "/user/alice/ml", "/data/ml", "/srv/people/alice/ml", "/srv/peo"])
def test_roots_of_our_own(root: str) -> None:
    refuse_shared_root(root, home="/srv/people/alice")


@pytest.mark.parametrize(
    ("typed", "path"),
    [
        ("/a/b", "/a/b"),
        ("/a//b/", "/a/b"),
        ("//a", "/a"),
        ("/", "/"),
        ("hdfs://nn:8020/a%20b", "/a%20b"),
        ("hdfs://NN/a", "/a"),
        ("hdfs:///a", "/a"),
        ("hdfs:/a", "/a"),
        ("/a:b/c", "/a:b/c"),
    ],
)
def test_a_path_of_the_default_filesystem(typed: str, path: str) -> None:
    assert hdfs_path(typed, "hdfs://nn:8020") == path


@pytest.mark.parametrize(
    ("typed", "default_fs", "words"),
    [
        ("hdfs://other/a", "hdfs://nn:8020", "not on the default filesystem"),
        ("hdfs://nn:9000/a", "hdfs://nn:8020", "not on the default filesystem"),
        ("s3a://bucket/a", "hdfs://nn:8020", "not on the default filesystem"),
        ("file:///a", "hdfs://nn", "not on the default filesystem"),
        ("/a/../b", "hdfs://nn", "without .."),
        ("a/b", "hdfs://nn", "not an absolute path"),
        ("/a", "s3a://bucket", "only HDFS"),
        ("/a", "", "only HDFS"),
    ],
)
def test_no_path_of_the_default_filesystem(typed: str, default_fs: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        hdfs_path(typed, default_fs)
