"""What a NameNode's or DataNode's error means, as our errors. Source: Hadoop 3.5.0 ``ExceptionHandler`` (WebHDFS)."""

from __future__ import annotations

from collections.abc import Sequence

from batch_submit.adapters.http_reply import RemoteFailure
from batch_submit.errors import BatchSubmitError, ClusterRefused, ClusterUnreachable, HostNotReady, NotFound

#: "Not carried out here": another NameNode may do it.
NOT_HERE = ("StandbyException", "RetriableException")


class SafeMode(ClusterUnreachable):
    """HDFS takes no writes until it has left its safe mode, whoever asks and by whatever way."""


_QUOTAS = ("DSQuotaExceededException", "NSQuotaExceededException", "QuotaByStorageTypeExceededException")
_PERMISSION = ("AccessControlException", "SecurityException", "AuthorizationException", "InvalidToken")
_SAFE_MODE_STEP = "wait until HDFS has left it; hdfs dfsadmin -safemode get"


def error_for(failure: RemoteFailure, path: str, user: str) -> BatchSubmitError:
    """The error to raise (``from`` the failure) for a server's answer about ``path`` to ``user``."""
    name, words, status = failure.exception, failure.message, failure.status
    details = (words.splitlines()[0],) if words.strip() else ()  # a Java stack trace follows now and then
    if name == "SafeModeException" or "safe mode" in words.lower():
        return SafeMode("HDFS is in safe mode", where=path, details=details, next_step=_SAFE_MODE_STEP)
    if name == "FileNotFoundException" and "not a file" in words:
        return ClusterRefused("this is a folder", where=path, details=details)
    if name == "FileNotFoundException":
        return NotFound("HDFS says that there is no such file or folder", where=path, details=details)
    if name in _QUOTAS:
        step = "free space below the quota or ask for more: hdfs dfs -count -q -h <folder>"
        return ClusterRefused("an HDFS quota is exceeded", where=path, details=details, next_step=step)
    if name in _PERMISSION:
        who = f"user {user}" if user else "the user of the Kerberos ticket"
        step = f"let the owner grant access to {who}, or use another path"
        return ClusterRefused(f"HDFS refuses access to {who}", where=path, details=details, next_step=step)
    if name in NOT_HERE:
        return unreachable(path, details, failure)
    if status == 401:
        step = "klist -s || kinit   (the server wants a Kerberos ticket that is valid for this host name)"
        return HostNotReady("HDFS wants authentication (401)", where=path, details=details, next_step=step)
    if name and status < 500:
        return ClusterRefused(f"HDFS refuses: {name}", where=path, details=details)
    if status == 403:
        return ClusterRefused("HDFS refuses (403)", where=path, details=details)
    message = f"the answer is an error ({status or 'no status'}) and not from a working NameNode or DataNode"
    return ClusterUnreachable(message, where=path, details=details, next_step="try again; else check the address")


def unreachable(path: str, said: Sequence[str], cause: BaseException | None) -> BatchSubmitError:
    """No NameNode would take it: all standby, or no connection, or (in high availability) safe mode behind a retry."""
    if any("safe mode" in line.lower() for line in said):
        return SafeMode("HDFS is in safe mode", where=path, details=said, next_step=_SAFE_MODE_STEP)
    standby = isinstance(cause, RemoteFailure)
    message = "no NameNode is active" if standby else "no NameNode answers"
    # One NameNode alone is never standby, and haadmin knows nothing of it.
    several = len(said) > 1 or (isinstance(cause, RemoteFailure) and cause.exception == "StandbyException")
    step = "hdfs haadmin -getAllServiceState" if several else "try again; if it stays so, check the NameNode's address"
    if isinstance(cause, ClusterUnreachable) and cause.message.startswith("TLS failed"):
        step = cause.next_step  # it has answered, and the address is right
    return ClusterUnreachable(message, where=path, details=said, next_step=step)
