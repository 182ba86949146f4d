"""What spark-submit wrote: the id it hints at, and the cause when there is no application.

The texts are as Spark 4 and Hadoop 3 write them, cut to the lines that matter.
"""

from __future__ import annotations

import pytest

from batch_submit.errors import (
    BatchSubmitError,
    ClusterRefused,
    ClusterUnreachable,
    HostNotReady,
    MissingFile,
)
from batch_submit.plan.submit_output import cause_of, hinted_id

INFO = "26/03/29 01:02:03 INFO"
ID = "application_1785360606021_0002"

# --- the hint ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("output", "application_id"),
    [
        (f"{INFO} YarnClientImpl: Submitted application {ID}\n", ID),
        (f"{INFO} Client: Application report for {ID} (state: ACCEPTED)\n", ID),
        (f"{INFO} YarnClientImpl: Submitted application application_1785360606021_1234567\n", ID[:-4] + "1234567"),
        # A wrapper of the site lists what else runs before and after Spark's own line.
        (f"application_1785360606021_0001 RUNNING\nSubmitted application {ID}\napplication_1785360606021_0003", ID),
        ("", ""),
        ("26/03/29 01:02:03 WARN NativeCodeLoader: Unable to load native-hadoop library\n", ""),
        ("application_1785360606021_0001 RUNNING\n", ""),
        ("Submitted application application_1_1\n", ""),
    ],
)
def test_only_sparks_own_lines_hint_at_an_id(output: str, application_id: str) -> None:
    assert hinted_id(output) == application_id


# --- the cause --------------------------------------------------------------------------------------------------------

SAFE_MODE = """\
26/03/29 01:02:03 INFO Client: Preparing resources for our AM container
Exception in thread "main" org.apache.hadoop.hdfs.server.namenode.SafeModeException: Cannot create directory \
/user/alice/.sparkStaging/application_1785360606021_0002. Name node is in safe mode.
	at org.apache.hadoop.hdfs.server.namenode.FSNamesystem.newSafemodeException(FSNamesystem.java:1612)
"""
UNKNOWN_QUEUE = """\
26/03/29 01:02:03 ERROR Client: Application diagnostics message: Application application_1785360606021_0002 \
submitted by user alice to unknown queue: nope
Exception in thread "main" org.apache.hadoop.yarn.exceptions.YarnException: Failed to submit \
application_1785360606021_0002 to YARN : Application application_1785360606021_0002 submitted by user alice to unknown \
queue: nope
	at org.apache.hadoop.yarn.client.api.impl.YarnClientImpl.submitApplication(YarnClientImpl.java:336)
"""
STOPPED_QUEUE = """\
Exception in thread "main" org.apache.hadoop.yarn.exceptions.YarnException: Failed to submit \
application_1785360606021_0002 to YARN : org.apache.hadoop.security.AccessControlException: Queue root.frozen is \
STOPPED. Cannot accept submission of application: application_1785360606021_0002
"""
NO_RIGHT = """\
Exception in thread "main" org.apache.hadoop.security.AccessControlException: User alice does not have permission to \
submit application_1785360606021_0002 to queue etl
"""
REFUSED_CONNECTION = """\
26/03/29 01:02:03 INFO RetryInvocationHandler: java.net.ConnectException: Call From edge/10.0.0.1 to rm:8032 failed
Exception in thread "main" java.net.ConnectException: Call From edge/10.0.0.1 to rm:8032 failed on connection \
exception: java.net.ConnectException: Connection refused; For more details see:  http://wiki.apache.org/hadoop/ConnectionRefused
	at java.base/jdk.internal.reflect.NativeConstructorAccessorImpl.newInstance0(Native Method)
"""
TOO_LARGE = """\
Exception in thread "main" java.lang.IllegalArgumentException: Required executor memory (65536 MB), offHeap memory (0) \
MB, overhead (6553 MB), and PySpark memory (0 MB) is above the max threshold (8192 MB) of this cluster! Please check \
the values of 'yarn.scheduler.maximum-allocation-mb' and/or 'yarn.nodemanager.resource.memory-mb'.
"""
QUOTA = """\
Exception in thread "main" org.apache.hadoop.hdfs.protocol.DSQuotaExceededException: The DiskSpace quota of \
/user/alice is exceeded: quota = 1048576 B = 1 MB but diskspace consumed = 402653184 B = 384 MB
"""
DENIED = """\
Exception in thread "main" org.apache.hadoop.security.AccessControlException: Permission denied: user=alice, \
access=WRITE, inode="/user":hdfs:supergroup:drwxr-xr-x
"""
NO_TICKET = """\
Exception in thread "main" java.io.IOException: DestHost:destPort nn:8020 , LocalHost:localPort edge/10.0.0.1:0. \
Failed on local exception: java.io.IOException: org.apache.hadoop.security.AccessControlException: Client cannot \
authenticate via:[TOKEN, KERBEROS]
Caused by: GSSException: No valid credentials provided (Mechanism level: Failed to find any Kerberos tgt)
"""


@pytest.mark.parametrize(
    ("output", "kind", "words", "next_step"),
    [
        (SAFE_MODE, ClusterUnreachable, "Name node is in safe mode", "safe mode"),
        (
            REFUSED_CONNECTION,
            ClusterUnreachable,
            "rm:8032 failed on connection",
            "run the same command again",
        ),
        (UNKNOWN_QUEUE, ClusterRefused, "unknown queue: nope", "--queue"),
        (STOPPED_QUEUE, ClusterRefused, "root.frozen is STOPPED", "--queue"),
        (NO_RIGHT, ClusterRefused, "does not have permission", "right given to your user"),
        (TOO_LARGE, ClusterRefused, "max threshold (8192 MB)", "--executor-memory"),
        (QUOTA, ClusterRefused, "DiskSpace quota of /user/alice", "quota raised"),
        (DENIED, ClusterRefused, "access=WRITE", "home folder"),
        (NO_TICKET, HostNotReady, "No valid credentials", "kinit"),
        ("JAVA_HOME is not set\n", HostNotReady, "JAVA_HOME is not set", "install Java 17"),
        ("spark-class: line 71: java: command not found\n", HostNotReady, "java: command not found", "Java 17"),
        ("Could not find valid SPARK_HOME while searching ['/x']\n", HostNotReady, "SPARK_HOME", "check SPARK_HOME"),
        ("java.net.UnknownHostException: nn\n", ClusterUnreachable, "UnknownHostException: nn", "NameNode"),
        (
            'Exception in thread "main" java.io.FileNotFoundException: File file:/x/a.jar does not exist\n',
            MissingFile,
            "/x/a.jar",
            "check the paths",
        ),
    ],
)
def test_known_causes_have_their_class_their_words_and_a_remedy(
    output: str, kind: type[BatchSubmitError], words: str, next_step: str
) -> None:
    error = cause_of(output)
    assert type(error) is kind
    assert any(words in line for line in error.details)
    assert next_step in error.next_step
    assert "could not submit the application" in error.message


def test_a_try_that_hadoop_repeated_is_not_the_cause() -> None:
    """With two ResourceManagers the stand-by's refusal is logged before the active one answers."""
    failover = (
        f"{INFO} RetryInvocationHandler: java.net.ConnectException: Call From edge to rm1:8032 failed on connection"
        " exception: Connection refused, while invoking getNewApplication over rm1. Trying to failover immediately.\n"
    )
    assert cause_of(failover + UNKNOWN_QUEUE).exit_code == 4
    assert cause_of(failover).exit_code == 5  # nothing else was said


def test_an_unknown_cause_counts_as_a_refusal_and_shows_the_last_lines() -> None:
    error = cause_of("\n".join(f"line {n}" for n in range(20)))
    assert (type(error), error.exit_code) == (ClusterRefused, 4)
    assert error.details == tuple(f"line {n}" for n in range(14, 20))
    assert "--verbose" in error.next_step


def test_no_output_at_all_is_said() -> None:
    assert cause_of("").details == ("spark-submit wrote nothing",)


def test_stack_frames_are_not_shown() -> None:
    assert not any(line.startswith("at ") for line in cause_of(SAFE_MODE).details)
