"""Checks of history and logs, and of what a cluster leaves open to everybody. Pure functions on what was measured."""

from __future__ import annotations

from batch_submit.plan.health import Finding, no_answer, ok, skipped, warn


def job_history(url: str, version: str, error: str) -> Finding:
    """The JobHistoryServer, which serves the logs of finished applications of every kind."""
    id = "history.jobhistory"
    if not url:
        step = "set yarn.log.server.web-service.url (http://<history server>:19888/ws/v1/history) in yarn-site.xml"
        return warn(id, "yarn-site.xml names no log server: logs of finished runs come from HDFS only", step)
    if error:
        step = "mapred --daemon start historyserver; logs of finished runs come from HDFS meanwhile"
        return warn(id, *no_answer(error, step), url)
    return ok(id, f"Hadoop {version or '?'}", url, measured={"version": version})


def log_aggregation(enabled: bool | None, said_by: str) -> Finding:
    """Without aggregation the logs of a finished application stay on its nodes."""
    id = "history.log-aggregation"
    if enabled is None:
        return skipped(id, "neither yarn-site.xml nor the ResourceManager tells")
    if enabled:
        return ok(id, f"on ({said_by})")
    what = f"off ({said_by}): the logs of a finished run stay on its nodes and can't be read from here"
    return warn(id, what, "set yarn.log-aggregation-enable to true in yarn-site.xml of all nodes")


def spark_history(address: str, version: str, error: str) -> Finding:
    """Spark's history server, where one is configured."""
    id = "history.spark"
    if not address:
        return skipped(id, "spark.yarn.historyServer.address is not set")
    if error:
        step = "start it ($SPARK_HOME/sbin/start-history-server.sh), or correct spark.yarn.historyServer.address"
        return warn(id, *no_answer(error, step), address)
    return ok(id, f"Spark {version or '?'}", address, measured={"version": version})


def authentication(kerberos: bool, anonymous: str) -> Finding:
    """Simple authentication believes every name.

    Parameters
    ----------
    anonymous
        For whom the ResourceManager took a question without any name; "" when it refused or was not asked.
    """
    id = "open.authentication"
    if kerberos:
        return ok(id, "Kerberos")
    also = f"; without a name one is {anonymous}" if anonymous else ""
    what = f"simple: anybody who reaches the ports may submit, read and kill under any name{also}"
    step = "hadoop.security.authentication=kerberos, or close the ports to strangers"
    return warn(id, what, step, measured={"anonymous_user": anonymous})


def yarn_acl(enabled: bool | None) -> Finding:
    """``yarn.acl.enable``: who may look at and kill whose applications."""
    id = "open.yarn-acl"
    if enabled is None:
        return skipped(id, "the ResourceManager does not tell yarn.acl.enable")
    if enabled:
        return ok(id, "yarn.acl.enable is true")
    what = "yarn.acl.enable is false: every user may kill and read every application"
    return warn(id, what, "set yarn.acl.enable to true, and yarn.admin.acl to those who administer")


def rest_submission(enabled: bool | None, kerberos: bool) -> Finding:
    """The ResourceManager's REST submission."""
    id = "open.rest-submission"
    if enabled is None:
        return skipped(id, "the ResourceManager does not tell yarn.webapp.enable-rest-app-submissions")
    if not enabled or kerberos:
        return ok(id, "off" if not enabled else "on, for who has a ticket", measured={"enabled": enabled})
    what = "applications can be submitted by HTTP under any name"
    return warn(
        id,
        what,
        "set yarn.webapp.enable-rest-app-submissions to false where nobody uses it",
        measured={"enabled": enabled},
    )


def history_logs(kerberos: bool, handed_out: bool | None, container: str, why: str) -> Finding:
    """Whether the history server gives a stranger the logs of our container.

    Parameters
    ----------
    handed_out
        What it did when asked without a name for a finished application's log list; ``None`` when it was not asked.
    why
        Why it was not asked.
    """
    id = "open.history-logs"
    step = "keep secrets out of logs and environment; close the history server's port to strangers"
    if handed_out is None:
        if kerberos:
            what = "with a ticket everybody may read every log: the history server does not look at who asks (3.5.0)"
            return warn(id, what, step)
        return skipped(id, why)
    if handed_out:
        return warn(id, f"the history server hands our logs to a stranger (asked for {container})", step)
    return ok(id, f"the history server refuses a stranger our logs (asked for {container})")
