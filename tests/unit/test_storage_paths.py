"""What a bare path means: on a cluster the default filesystem, on a laptop a file; and back again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_submit.plan.backend_choice import LOCAL, YARN
from batch_submit.plan.config import Config, Sourced
from batch_submit.plan.storage import has_scheme, local_path, qualify, storage_root


def root_of(value: str | None, backend: str, base: str = "") -> str:
    values = {("storage_root",): Sourced(value, "c.yaml:1", base)} if value is not None else {}
    return storage_root(Config(None, values), backend, config_folder="/home/me")


@pytest.mark.parametrize(
    ("value", "backend", "root"),
    [
        (None, YARN, "/ml-pipeline"),
        (None, LOCAL, "/home/me/ml-pipeline"),
        ("", YARN, "/ml-pipeline"),
        ("/data/", YARN, "/data"),
        ("/", YARN, "/"),
        ("hdfs://nn:8020/data/", YARN, "hdfs://nn:8020/data"),
        ("/data/", LOCAL, "/data"),
        ("out/../data", LOCAL, "/home/me/data"),
        ("file:///data", LOCAL, "file:///data"),
    ],
)
def test_the_storage_root(value: str | None, backend: str, root: str) -> None:
    assert root_of(value, backend) == root


def test_a_relative_local_root_starts_at_the_file_that_names_it() -> None:
    assert root_of("data", LOCAL, base="/etc/ours") == "/etc/ours/data"


@pytest.mark.parametrize(
    ("path", "root", "backend", "qualified"),
    [
        ("in/a.parquet", "/ml", YARN, "/ml/in/a.parquet"),
        ("/in/a.parquet", "/ml", YARN, "/in/a.parquet"),
        ("a", "/", YARN, "/a"),
        ("a", "hdfs://nn/ml", YARN, "hdfs://nn/ml/a"),
        ("s3a://b/a", "/ml", YARN, "s3a://b/a"),
        ("in/a", "/ml", LOCAL, "file:///ml/in/a"),
        ("/in/a", "/ml", LOCAL, "file:///in/a"),
        ("a", "/", LOCAL, "file:///a"),
        ("a", "file:///ml", LOCAL, "file:///ml/a"),
        ("hdfs://nn/a", "/ml", LOCAL, "hdfs://nn/a"),
        # Seen with Spark 4.3: "%20" and "%3D" are not decoded but make folders of these names.
        ("p/dt=1/my file", "/home/my stuff", LOCAL, "file:///home/my stuff/p/dt=1/my file"),
        ("a%20b", "/ml", LOCAL, "file:///ml/a%20b"),
    ],
)
def test_what_spark_is_given(path: str, root: str, backend: str, qualified: str) -> None:
    assert qualify(path, root=root, backend=backend) == qualified


@given(st.text("abc/ =%#?+ä", min_size=1))
def test_a_local_path_comes_back_from_its_uri(name: str) -> None:
    path = "/" + name
    assert local_path(qualify(path, root="/ml", backend=LOCAL)) == path


@given(st.text(min_size=1), st.sampled_from([LOCAL, YARN]))
def test_a_qualified_path_stays_as_it_is(name: str, backend: str) -> None:
    once = qualify(name, root="/ml", backend=backend)
    assert qualify(once, root="/other", backend=backend) == once


@pytest.mark.parametrize(
    ("uri", "path"),
    [("/a b", "/a b"), ("file:/a", "/a"), ("file:///a%20b", "/a%20b"), ("hdfs://nn/a", ""), ("file://host/a", "")],
)
def test_local_path(uri: str, path: str) -> None:
    assert local_path(uri) == path


@pytest.mark.parametrize(
    ("path", "answer"), [("hdfs://nn/a", True), ("file:/a", True), ("a:b", False), ("/a:/b", False), ("", False)]
)
def test_has_scheme(path: str, answer: bool) -> None:
    assert has_scheme(path) is answer
