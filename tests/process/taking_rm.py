"""A ResourceManager of paper that takes submissions over REST, in the shapes of Hadoop 3.5.0."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pyspark

from tests.process.canned_replies import Asked, Reply, json_reply
from tests.process.canned_rm import CannedResourceManager
from tests.process.door import RECORDER, RUNNING, Step
from tests.process.scripted_application import CLUSTER_TIMESTAMP, Application

#: Spark's jars as they are shared by a host where the launcher ``rest`` can take a job.
SHARED_JARS = "spark.yarn.jars=local:/opt/spark/jars/*"


class TakingResourceManager(CannedResourceManager):
    """The canned one, with ``POST apps/new-application`` and ``POST apps``.

    Attributes
    ----------
    steps
        What becomes of a submitted application.
    hold_reply_to_post
        ``POST apps`` is carried out and answered only when this is set.
    posted
        The ids that were posted, in their order.
    kills_are_slow
        A kill is taken, and the application does not end.
    answers_to_post
        What ``POST apps`` answers, one after the other, without taking anything; then it takes what comes.
    lose_replies_to_post
        So many times ``POST apps`` is carried out, and the answer is none of a ResourceManager.
    most
        ``maximum-resource-capability``.
    epoch
        The time in the ids that are given out.
    settings
        What ``/conf`` tells by name.
    """

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[Step] = [RUNNING]
        self.hold_reply_to_post: threading.Event | None = None
        self.posted: list[str] = []
        self.kills_are_slow = False
        self.answers_to_post: list[Reply] = []
        self.lose_replies_to_post = 0
        self.most: dict[str, Any] = {"memory": 8192, "vCores": 4}
        self.epoch = CLUSTER_TIMESTAMP
        self.settings: dict[str, str] = {}
        self.given = 0

    def answer(self, asked: Asked) -> Reply:
        """The reply to one request; a held one holds up nobody else."""
        reply = super().answer(asked)
        if self.hold_reply_to_post is not None and (asked.method, asked.path) == ("POST", "/ws/v1/cluster/apps"):
            self.hold_reply_to_post.wait(60)
        return reply

    def _route(self, asked: Asked) -> Reply:
        if (asked.method, asked.path) == ("POST", "/ws/v1/cluster/apps/new-application"):
            self.given += 1
            application_id = f"application_{self.epoch}_{self.given:04d}"
            return json_reply(200, {"application-id": application_id, "maximum-resource-capability": self.most})
        if (asked.method, asked.path) == ("POST", "/ws/v1/cluster/apps"):
            if self.answers_to_post:
                return self.answers_to_post.pop(0)
            reply = self._taken(asked.body, asked.user)
            if self.lose_replies_to_post:
                self.lose_replies_to_post -= 1
                return Reply(202, b"<html>cut", "text/html")  # no JSON: the answer is lost
            return reply
        if asked.path == "/conf" and asked.query.get("name") in self.settings:
            name = asked.query["name"]
            told = {"key": name, "value": self.settings[name], "isFinal": False, "resource": "yarn-default.xml"}
            return json_reply(200, {"property": told})
        return super()._route(asked)

    def _info(self) -> dict[str, Any]:
        return {**super()._info(), "id": self.epoch, "startedOn": self.epoch}

    def _kill(self, asked: Asked, application: Application) -> Reply:
        if not self.kills_are_slow:
            return super()._kill(asked, application)
        self.kills.append((application.fields["id"], asked.user))
        return json_reply(202, {"state": "KILLING"}, {"Location": f"{self.url}{asked.path}"})

    def _taken(self, context: dict[str, Any], user: str) -> Reply:
        application_id = str(context["application-id"])
        self.posted.append(application_id)
        if application_id not in self.applications:
            self.add(
                context["application-name"],
                user=user,
                tags=context["application-tags"]["tag"],
                steps=self.steps,
                id=application_id,
            )
        return json_reply(202, {})


def spark_home(folder: Path) -> str:
    """A Spark that is whole but for its spark-submit, which is the recorder."""
    home = folder / "spark"
    (home / "bin").mkdir(parents=True)
    (home / "bin" / "spark-submit").symlink_to(RECORDER / "spark-submit")
    for part in ("jars", "python"):
        (home / part).symlink_to(Path(pyspark.__file__).parent / part)
    return str(home)
