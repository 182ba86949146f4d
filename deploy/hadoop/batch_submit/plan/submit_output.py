"""What spark-submit wrote: a hint of the application id, and the cause when it failed before there was an application.

The text is never the verdict: that is the ResourceManager's. It is only read to point a person to the right line.
"""

from __future__ import annotations

import re

from batch_submit.data_classes import dataclass
from batch_submit.errors import (
    BatchSubmitError,
    ClusterRefused,
    ClusterUnreachable,
    HostNotReady,
    MissingFile,
)
from batch_submit.model import APPLICATION_ID

_SUBMITTED = re.compile(r"(?:Submitted application|Application report for) (application_\d+_\d+)")


def hinted_id(output: str) -> str:
    """The id that Spark's own lines name, "" when they name none (they vanish at WARN level).

    Ids elsewhere in the output (a user's own ``yarn application -list``) are not looked at.
    """
    match = _SUBMITTED.search(output)
    return match.group(1) if match and APPLICATION_ID.fullmatch(match.group(1)) else ""


@dataclass(frozen=True)
class _Rule:
    pattern: re.Pattern[str]
    error: type[BatchSubmitError]
    next_step: str


#: First match wins. Texts seen from spark-submit of Spark 4.3.0 / Hadoop 3.5.0 unless the comment says otherwise.
_RULES = (
    _Rule(
        re.compile(r"SafeModeException|[Nn]ame ?node is in safe mode"),
        ClusterUnreachable,
        "wait until the NameNode has left safe mode, then run the same command again",
    ),
    _Rule(
        re.compile(
            r"JAVA_HOME is not set|java: (?:command )?not found|Could not find valid SPARK_HOME"
            r"|UnsupportedClassVersionError|No such file or directory.*java|bad interpreter|cannot execute"
        ),
        HostNotReady,
        "install Java 17 and set JAVA_HOME, and check SPARK_HOME",
    ),
    _Rule(
        re.compile(r"GSSException|No valid credentials|Kerberos|AccessControlException:.*SIMPLE|LoginException"),
        HostNotReady,
        "get a ticket (kinit), or set security_config.principal and security_config.keytab",
    ),
    _Rule(
        re.compile(
            r"java\.net\.(?:Connect|NoRouteToHost|UnknownHost|SocketTimeout)Exception"
            r"|failed on connection exception|Connection refused"
        ),
        ClusterUnreachable,
        "check that the ResourceManager and the NameNode run, then run the same command again",
    ),
    _Rule(
        re.compile(r"FileNotFoundException: File file:|No such file or directory: 'file:|File file:\S+ does not exist"),
        MissingFile,
        "check the paths of the script and of the files to ship",
    ),
    _Rule(
        re.compile(r"(?i)above the max threshold|exceed\w* the max|Required \w+ memory|InvalidResourceRequest"),
        ClusterRefused,
        "ask for less memory or fewer cores (--driver-memory, --executor-memory, --executor-cores)",
    ),
    _Rule(
        re.compile(r"QuotaExceeded"),
        ClusterRefused,
        "free space below your HDFS home (old .sparkStaging folders), or have the quota raised",
    ),
    _Rule(
        # Before the next rule: a stopped queue comes as an AccessControlException too.
        re.compile(r"(?i)unknown queue|queue .* (?:is STOPPED|does not exist|stopped)"),
        ClusterRefused,
        "choose a running queue with --queue",
    ),
    _Rule(
        re.compile(r"AccessControlException|Permission denied|cannot submit"),
        ClusterRefused,
        "have the HDFS home folder or the queue's submit right given to your user",
    ),
)
_CAUSE_LINE = re.compile(r"Exception|Error|refused|denied|not found|does not exist|is not set|Could not")
_NOISE = re.compile(r"^\s*(?:at |\.\.\. \d+ more)|WARN|INFO")


def cause_of(output: str) -> BatchSubmitError:
    """Tell why spark-submit ended without an application: the right error class with its own words in ``details``.

    A failure that no rule knows counts as a refusal (exit code 4), as the contract says.
    """
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    telling = [line for line in lines if _CAUSE_LINE.search(line) and not _NOISE.search(line)]
    details = (telling[:4] or lines[-6:]) or ["spark-submit wrote nothing"]
    # A call that Hadoop repeats by itself (at another ResourceManager) is logged at INFO or WARN with the same words:
    # what stands outside of such lines decides first.
    for text in ("\n".join(telling), output):
        for rule in _RULES:
            if rule.pattern.search(text):
                return rule.error(
                    "spark-submit could not submit the application", details=details, next_step=rule.next_step
                )
    return ClusterRefused(
        "spark-submit ended without an application", details=details, next_step="run it again with --verbose"
    )
