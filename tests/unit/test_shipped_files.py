"""The files that a job takes along: where they are found, and what would get lost on the way."""

from __future__ import annotations

import pytest

from batch_submit.errors import (
    UsageError,
)
from tests.unit.test_job_spec import refused, spec


def test_files_are_found_from_the_file_that_names_them_and_may_be_remote_or_aliased() -> None:
    job = spec(
        """\
job_specific_config:
  custom:
    files: [conf/lookup.csv, "../x.csv#y.csv", hdfs://nn/z.csv, file:///abs/q.csv]
    archives: ["env.tar.gz#env"]
    additional_jars: [/lib/a.jar]
    additional_py_files: [b.py]
"""
    )
    assert [(one.path, one.link, one.argument()) for one in job.files] == [
        ("/conf/conf/lookup.csv", "lookup.csv", "/conf/conf/lookup.csv"),
        ("/x.csv", "y.csv", "/x.csv#y.csv"),
        ("hdfs://nn/z.csv", "z.csv", "hdfs://nn/z.csv"),
        ("/abs/q.csv", "q.csv", "/abs/q.csv"),
    ]
    assert job.archives[0].argument() == "/conf/env.tar.gz#env"
    assert [one.origin for one in job.jars] == ["c.yaml:5"]
    assert {one.path for one in job.local_files()} == {
        "/cwd/my_job.py",
        "/conf/conf/lookup.csv",
        "/x.csv",
        "/abs/q.csv",
        "/conf/env.tar.gz",
        "/lib/a.jar",
        "/conf/b.py",
    }


def test_files_that_spark_would_mix_up_are_refused_all_at_once() -> None:
    error = refused(
        UsageError, 'job_specific_config: {custom: {files: [a/x.csv, b/x.csv, "c,d.csv"], archives: [my_job.py]}}'
    )
    assert len(error.details) == 3
    assert any("/conf/c,d.csv (c.yaml:1): Spark splits its file lists at commas" in line for line in error.details)
    assert any("/conf/b/x.csv" in line and "both called x.csv" in line and "alias" in line for line in error.details)
    assert any("both called my_job.py" in line for line in error.details)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ('files: ["x.csv#a,b"]', "/conf/x.csv#a,b (c.yaml:1): Spark splits its file lists at commas; rename the alias"),
        ("files: [x.csv#__spark_conf__]", "__spark_conf__ is a name of Spark's own"),
        ("archives: [x.zip#__spark_libs__]", "__spark_libs__ is a name of Spark's own"),
        ("files: [x.csv#__pyfiles__/x.csv]", "__pyfiles__/x.csv is a name of Spark's own"),
        ("files: [__app__.jar]", "__app__.jar is a name of Spark's own"),
        (
            "files: [x.csv#../../x.csv]",
            "x.csv#../../x.csv (c.yaml:1): an alias is a place below the container's folder",
        ),
        ("files: [x.csv#/etc/x.csv]", "an alias is a place below the container's folder"),
        ("files: [x.csv#..]", "an alias is a place below the container's folder"),
        ("archives: [x.zip#a//b]", "an alias is a place below the container's folder"),
        ("files: ['x.csv#a b/x.csv']", "a folder of an alias has letters, digits, dots and dashes only"),
        ("{files: [x.zip], archives: [x.zip]}", "is both a file and an archive called x.zip"),
    ],
)
def test_a_name_that_the_container_can_not_have_is_refused(keys: str, said: str) -> None:
    keys = keys if keys.startswith("{") else f"{{{keys}}}"
    error = refused(UsageError, f"job_specific_config: {{custom: {keys}}}")
    assert len(error.details) == 1 and said in error.details[0], error.details


def test_a_file_may_be_an_archive_under_another_name() -> None:
    job = spec("job_specific_config: {custom: {files: [x.zip], archives: [x.zip#x]}}")
    assert (job.files[0].link, job.archives[0].link) == ("x.zip", "x")


def test_the_same_file_named_twice_is_no_conflict() -> None:
    assert len(spec("job_specific_config: {custom: {files: [x.csv, ./x.csv]}}").files) == 2
