"""Both backends pass the suite of :mod:`tests.contracts.backend_suite`: yarn by a recorder, local with it as driver."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest

from batch_submit.adapters.clock import SystemClock
from batch_submit.adapters.hadoop_conf import HadoopConf
from batch_submit.adapters.http import StdlibSession
from batch_submit.adapters.resource_manager import ResourceManager
from batch_submit.adapters.terminal import Terminal
from batch_submit.adapters.webhdfs import WebHdfs
from batch_submit.backends.base import Backend
from batch_submit.backends.local import LocalBackend
from batch_submit.backends.yarn import YarnBackend
from batch_submit.plan.command import Toolchain, build_plan
from batch_submit.plan.config import Sourced
from batch_submit.plan.submission import JobSpec, ShippedFile, SubmissionPlan
from batch_submit.services import Cluster
from ml_pipeline_framework.contract import JobType
from tests.contracts.backend_suite import BackendSuite, World
from tests.process.door import RECORDER, RUNNING, Door, until


@dataclass
class RecordedWorld:
    """What both worlds share: a job whose spark-submit is the recorder."""

    door: Door
    backend: Backend
    unknown_id: str

    def spec(self, run_id: str) -> JobSpec:
        """A job without arguments."""
        job = str(self.door.work / "job.py")
        return JobSpec(
            job_type=JobType.CUSTOM,
            name="a job",
            run_id=run_id,
            original_run_id="",
            day=date(2013, 12, 31),
            backend=self.backend.name,
            deploy_mode="cluster" if self.backend.name == "yarn" else "client",
            storage_root="/ml-pipeline",
            script=ShippedFile(job, "job.py", "test"),
            arguments=(),
            params=None,
            conf={"spark.x": Sourced("1", "test")},
        )

    def plan(self, run_id: str, number: int = 1) -> SubmissionPlan:
        """Its command for one try."""
        tools = Toolchain(spark_submit=str(RECORDER / "spark-submit"))
        return build_plan(self.spec(run_id), tools, try_number=number)


class YarnWorld(RecordedWorld):
    """Applications of the canned ResourceManager."""

    def finish(self, application_id: str, *, well: bool) -> None:
        """See :class:`World`."""
        self.door.rm.applications[application_id].end("FINISHED", "SUCCEEDED" if well else "FAILED", "")


class LocalWorld(RecordedWorld):
    """The recorder as a driver that waits at a gate; each finish opens it for those that wait, and makes a new one."""

    def finish(self, application_id: str, *, well: bool) -> None:
        """See :class:`World`."""
        gate = Path(str(self.door.settings()["wait_after"]))
        self.door.recorder(**{**self.door.settings(), "status": 0 if well else 1})
        gate.touch()
        until(lambda: self.backend.report(application_id).state.terminal, f"{application_id} ends")
        gate.unlink()


class TestYarn(BackendSuite):
    """Backend ``yarn``."""

    @pytest.fixture
    def world(self, door: Door) -> Iterator[World]:
        """A cluster of paper."""
        door.submits(RUNNING)
        clock, session = SystemClock(), StdlibSession("alice")
        cluster = Cluster(
            key="paper",
            user="alice",
            resource_manager=ResourceManager([door.rm.url], session, user="alice"),
            webhdfs=WebHdfs([door.webhdfs.url], session, user="alice"),
            conf=HadoopConf.load(door.folder / "conf"),
            default_fs="hdfs://127.0.0.1:9000",
            overrides={},
        )
        environment = {**door.env, "HADOOP_USER_NAME": "alice"}
        backend = YarnBackend(cluster, environment, door.folder / "launch", clock, Terminal())
        yield YarnWorld(door, backend, "application_1700000000000_9999")
        session.close()


# A supervisor outlives its maker on purpose; in our program the maker's process ends, here it lives on.
@pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")
class TestLocal(BackendSuite):
    """Backend ``local``."""

    @pytest.fixture
    def world(self, laptop: Door) -> World:
        """This host."""
        laptop.recorder(stderr="a driver's words\n")
        laptop.holds("wait_after")
        backend = LocalBackend(laptop.state / "local", laptop.env, SystemClock(), "alice")
        return LocalWorld(laptop, backend, "local-nobody-knows-it")
