"""Whom we act for: another user than the one whose ticket we have (``hadoop.proxyuser.*`` of the cluster allows it)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batch_submit.errors import UsageError

if TYPE_CHECKING:
    from batch_submit.plan.merged import Config

PROXY_USER = "security_config.proxy_user"


def proxy_user_of(config: Config, *, kerberos: bool) -> str:
    """The user to act for; "" for ourselves.

    Parameters
    ----------
    kerberos
        Whether the cluster authenticates by Kerberos.

    Raises
    ------
    UsageError
        Together with a keytab: spark-submit refuses it (``SparkSubmitArguments``: "Only one of --proxy-user or
        --principal can be provided"), for the keytab would go to the other user's driver. Or without Kerberos, where
        nobody has to prove who he is.
    """
    sourced = config.get(PROXY_USER)
    if sourced is None or not str(sourced.value or "").strip():
        return ""
    if config.value("security_config.enable_kerberos") is True:
        raise UsageError(
            "a proxy user and a keytab exclude each other: the keytab would go to the other user's driver",
            where=sourced.origin,
            next_step="get a ticket by kinit and leave enable_kerberos out, or leave proxy_user (--proxy-user) out",
        )
    if not kerberos:
        raise UsageError(
            "a proxy user needs a cluster with Kerberos",
            where=sourced.origin,
            next_step=f"without Kerberos: HADOOP_USER_NAME={sourced.value}",
        )
    return str(sourced.value).strip()
