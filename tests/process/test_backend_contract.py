"""Both backends pass the suite of :mod:`tests.contracts.backend_suite`: yarn by a recorder, local with it as driver."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import date
from pathlib import Path

import pytest

from batch_submit.adapters.clock import SystemClock
from batch_submit.adapters.hadoop_conf import HadoopConf
from batch_submit.adapters.http import StdlibSession
from batch_submit.adapters.processes import Processes, this_host
from batch_submit.adapters.resource_manager import ResourceManager
from batch_submit.adapters.rm_replies import Lifetime
from batch_submit.adapters.terminal import Terminal
from batch_submit.adapters.webhdfs import WebHdfs
from batch_submit.backends.base import Backend
from batch_submit.backends.local import LocalBackend
from batch_submit.backends.yarn import YarnBackend
from batch_submit.errors import OutcomeUnknown
from batch_submit.model import State
from batch_submit.plan.command import Toolchain, build_plan
from batch_submit.plan.config import Sourced
from batch_submit.plan.submission import JobSpec, ShippedFile, SubmissionPlan
from batch_submit.services import Cluster
from ml_pipeline_framework.contract import JobType
from tests.contracts.backend_suite import BackendSuite, World, submitted
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

    OUTPUTS_SEEN = 0

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
        )
        environment = {**door.env, "HADOOP_USER_NAME": "alice"}
        backend = YarnBackend(cluster, environment, door.folder / "launch", clock, Terminal())
        yield YarnWorld(door, backend, "application_1700000000000_9999")
        session.close()

    def test_a_limit_that_the_cluster_does_not_hold_counts_as_not_set(
        self, world: YarnWorld, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        backend = world.backend
        assert isinstance(backend, YarnBackend)
        application_id = submitted(world)
        off_ms = 0
        monkeypatch.setattr(
            backend.servers.resource_manager, "set_lifetime", lambda _id, asked: Lifetime(int(asked) + off_ms)
        )
        assert backend.limit_lifetime(application_id, 60.0) is True
        off_ms = 1999
        assert backend.limit_lifetime(application_id, 60.0) is True
        off_ms = -3_600_000
        assert backend.limit_lifetime(application_id, 60.0) is False

    @pytest.mark.parametrize("below", ["", "/alice"])
    def test_a_staging_folder_of_the_configuration_is_cleaned_too(self, world: YarnWorld, below: str) -> None:
        backend, webhdfs = world.backend, world.door.webhdfs
        assert isinstance(backend, YarnBackend) and backend.servers.webhdfs is not None
        backend.staging_dirs = ("hdfs://127.0.0.1:9000/staging", "s3a://elsewhere/staging")
        left = [f"{base}/.sparkStaging/{world.unknown_id}" for base in ("/user/alice", f"/staging{below}")]
        for path in left:
            backend.servers.webhdfs.mkdirs(path)
        assert backend.after_failure(world.unknown_id) == [f"deleted {path}" for path in left]
        assert not set(left) & set(webhdfs.nodes)

    def test_where_the_logs_are_told_by_ourselves(self, world: YarnWorld) -> None:
        assert world.backend.hints("application_1_1")["logs"] == "batch-submit logs application_1_1"


# A supervisor outlives its maker on purpose; in our program the maker's process ends, here it lives on.
@pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")
class TestLocal(BackendSuite):
    """Backend ``local``."""

    OUTPUTS_SEEN = 1

    @pytest.fixture
    def world(self, laptop: Door) -> World:
        """This host."""
        laptop.recorder(stderr="a driver's words\n")
        laptop.holds("wait_after")
        backend = LocalBackend(laptop.state / "local", laptop.env, SystemClock(), "alice")
        return LocalWorld(laptop, backend, "local-nobody-knows-it")

    @pytest.mark.parametrize("restarted", [False, True])
    def test_an_end_that_nobody_saw_makes_room_for_another_try_only_after_a_restart_of_this_host(
        self, world: LocalWorld, monkeypatch: pytest.MonkeyPatch, restarted: bool
    ) -> None:
        backend = world.backend
        assert isinstance(backend, LocalBackend)
        here = replace(this_host("edge-1"), machine="m1")
        monkeypatch.setattr(Processes, "here", lambda self: here)
        place = backend.folder / "r1" / "1"
        place.mkdir(parents=True)
        boot_id = "another" if restarted else here.boot_id
        gone = {"pid": 1, "start": -1, "driver_pid": 1, "driver_start": -1, "started_ms": 1_700_000_000_000}
        (place / "process.json").write_text(json.dumps({**gone, "boot_id": boot_id}), encoding="utf-8")
        (place / "about.json").write_text(json.dumps({**asdict(here), "boot_id": boot_id}), encoding="utf-8")
        (listed,) = backend.applications()
        if restarted:
            assert (listed.state, backend.report("local-r1").state) == (State.KILLED, State.KILLED)
            return
        assert listed.state is State.UNKNOWN
        for look in (lambda: backend.report("local-r1"), lambda: backend.find_run("r1")):
            with pytest.raises(OutcomeUnknown, match="supervisor was killed") as caught:
                look()
            assert "driver.log" in caught.value.next_step
