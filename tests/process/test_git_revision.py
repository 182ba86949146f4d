"""A run knows the git revision of the project that its configuration lies in; without one it runs all the same."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from batch_submit.adapters.git_revision import git_revision
from tests.process.door import Door

IDENTITY = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b"}


def git(folder: Path, *arguments: str) -> str:
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), **IDENTITY}
    return subprocess.run(["git", *arguments], cwd=folder, env=env, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository with one commit and a tag on it."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    folder = tmp_path / "a project"
    folder.mkdir()
    git(folder, "init", "-q")
    (folder / "job_config.yaml").write_text("spark_config: {}\n")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "first")
    git(folder, "tag", "v1")
    return folder


def test_the_commit_and_whether_files_differ_from_it(project: Path) -> None:
    commit = git(project, "rev-parse", "HEAD").strip()
    assert git_revision(project, os.environ) == commit
    (project / "new.txt").write_text("not tracked: no part of any commit")
    assert git_revision(project, os.environ) == commit
    (project / "job_config.yaml").write_text("spark_config: {num_executors: 3}\n")
    assert git_revision(project, os.environ) == f"{commit}-dirty"


def test_outside_a_repository_and_without_git_there_is_none(project: Path, tmp_path: Path) -> None:
    bare = {"PATH": os.environ["PATH"], "GIT_CEILING_DIRECTORIES": str(tmp_path)}
    assert git_revision(tmp_path, bare) == ""
    assert git_revision(project, {"PATH": str(tmp_path)}) == ""
    assert git_revision(tmp_path / "nowhere", os.environ) == ""


def test_it_travels_as_a_spark_property(door: Door, project: Path) -> None:
    (project / "job.py").write_text("pass\n")
    config = str(project / "job_config.yaml")
    script = str(project / "job.py")
    path = {"PATH": f"{door.env['PATH']}:{os.environ['PATH']}"}
    done = door.run("submit", "-t", "custom", "--script", script, "-c", config, "--dry-run", "--json", env=path)
    assert done.code == 0, done.err
    commit = git(project, "rev-parse", "HEAD").strip()
    assert f"spark.batchSubmit.gitRevision={commit}" in done.json["argv"]
    assert done.json["origins"]["spark.batchSubmit.gitRevision"] == "git"
