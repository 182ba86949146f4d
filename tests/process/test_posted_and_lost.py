"""Posted over REST, and then the ResourceManager does not say, or says no: what a call may claim about it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.process.canned_replies import Reply, remote_exception
from tests.process.canned_webhdfs import CannedWebHdfs
from tests.process.door import RUNNING, SUCCEEDED, Door, Outcome
from tests.process.taking_rm import SHARED_JARS, TakingResourceManager

TOO_LARGE = ("BadRequestException", "Requested more memory than configured max")


class Forgetful(TakingResourceManager):
    """Takes applications and forgets so many of them at once; may refuse a second post."""

    forgets = 0
    refuses_again: Reply | None = None

    def _taken(self, context: dict[str, Any], user: str) -> Reply:
        if self.posted and self.refuses_again is not None:
            self.posted.append(str(context["application-id"]))
            return self.refuses_again
        reply = super()._taken(context, user)
        if self.forgets:
            self.forgets -= 1
            self.applications.clear()
        return reply


@pytest.fixture
def rm() -> Iterator[Forgetful]:
    with Forgetful() as server:
        server.steps = [SUCCEEDED]
        yield server


IMPATIENT = (
    "from batch_submit.launchers import posting",
    "from batch_submit.operations import lifetimes, submit",
    "posting.ACCEPT_PATIENCE_S = submit._ACCEPT_PATIENCE_S = lifetimes.NO_WAIT_PATIENCE_S = 2.0",
)


def submit(host: Door, *flags: str) -> Outcome:
    return host.submit(
        "--verbose", "--conf", SHARED_JARS, "--run-id", "r1", *flags, program=host.changed_program(*IMPATIENT)
    )


@pytest.mark.parametrize("wait", [(), ("--no-wait",)], ids=["wait", "no-wait"])
def test_one_that_was_taken_and_is_gone_is_posted_again(host: Door, rm: Forgetful, wait: tuple[str, ...]) -> None:
    rm.forgets = 1
    done = submit(host, *wait)
    assert done.code == 0, done.err
    assert len(rm.posted) == 2 and set(rm.posted) == set(rm.applications)


def test_one_that_does_not_stay_is_no_success(host: Door, rm: Forgetful) -> None:
    rm.forgets = 99
    done = submit(host, "--no-wait")
    assert done.code == 8 and done.out == "", done.err
    assert done.said("does not show it any more, though it was posted again", "same run id"), done.err
    assert host.last_try["state"] == "LAUNCHING" and len(set(rm.posted)) == 1
    rm.forgets = 0
    assert submit(host, "--no-wait").code == 0 and set(rm.posted) == set(rm.applications)


def test_without_waiting_success_means_accepted(host: Door, rm: Forgetful) -> None:
    rm.steps = [("NEW_SAVING", "UNDEFINED", {})]
    done = submit(host, "--no-wait")
    assert done.code == 8 and done.out == "", done.err
    assert done.said("has not said that it accepts it", " status application_"), done.err
    assert submit(host, "--no-wait").code == 8 and len(rm.posted) == 1  # a repeat attaches, and knows no more
    (one,) = rm.applications.values()
    one.steps = [RUNNING]
    assert submit(host, "--no-wait").code == 0 and len(rm.posted) == 1  # a repeat attaches


def test_an_application_without_its_time_limit_is_not_left_without_a_word(host: Door, rm: Forgetful) -> None:
    rm.steps, rm.fail_lifetimes = [("NEW_SAVING", "UNDEFINED", {})], 99
    done = submit(host, "--no-wait", "--timeout", "1h")
    assert done.code == 8 and done.said("NOTHING ends it at that time", " wait application_"), done.err


@pytest.mark.parametrize("status", [400, 403])
def test_a_repeat_that_is_refused_again_says_so_in_the_servers_words(
    host: Door, rm: Forgetful, webhdfs: CannedWebHdfs, status: int
) -> None:
    rm.answers_to_post = [remote_exception(status, *TOO_LARGE), remote_exception(status, *TOO_LARGE)]
    for _ in range(2):
        done = submit(host)
        assert done.code == 4 and done.said("configured max"), done.err
        assert host.last_try["state"] == "NOT_SUBMITTED"
        assert [path for path in webhdfs.nodes if "/.sparkStaging/" in path and path.endswith((".py", ".zip"))] == []
    assert submit(host).code == 0 and len(rm.applications) == 1


@pytest.mark.parametrize("answer", [(403, "ForbiddenException"), (500, "WebApplicationException")])
def test_a_no_to_the_second_post_says_nothing_of_the_first(host: Door, rm: Forgetful, answer: tuple[int, str]) -> None:
    """The answer to the first was lost, and it may be on its way; a gateway refuses the second."""
    rm.lose_replies_to_post, rm.forgets = 1, 1
    rm.refuses_again = remote_exception(*answer, "too many requests")
    done = submit(host, "--no-wait")
    assert done.code == 8 and done.out == "", done.err
    assert done.said("the answer to the submission of", "was lost", "same run id"), done.err
    assert host.last_try["state"] == "LAUNCHING" and len(set(rm.posted)) == 1
