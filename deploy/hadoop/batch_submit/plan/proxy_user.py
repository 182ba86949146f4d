"""Whom we act for: another user than the one whose ticket we have (``hadoop.proxyuser.*`` of the cluster allows it)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from batch_submit.errors import UsageError
from batch_submit.plan.keytab_login import keytab_login

if TYPE_CHECKING:
    from batch_submit.plan.merged import Config

PROXY_USER = "security_config.proxy_user"
#: Read by every Java client of Hadoop, spark-submit's too (source: ``UserGroupInformation.HADOOP_PROXY_USER``).
HADOOPS_OWN = "HADOOP_PROXY_USER"


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
        nobody has to prove who he is. Or a keytab is given without a principal.
    """
    sourced = config.get(PROXY_USER)
    if sourced is None or not str(sourced.value or "").strip():
        return ""
    if keytab_login(config) is not None:
        raise UsageError(
            "a proxy user and a keytab exclude each other: the keytab would go to the other user's driver",
            where=sourced.origin,
            next_step="get a ticket by kinit and leave enable_kerberos, principal and keytab out,"
            " or leave proxy_user (--proxy-user) out",
        )
    if not kerberos:
        raise UsageError(
            "a proxy user needs a cluster with Kerberos",
            where=sourced.origin,
            next_step=f"without Kerberos: HADOOP_USER_NAME={sourced.value}",
        )
    return str(sourced.value).strip()


def acting_for(config: Config, env: Mapping[str, str], *, kerberos: bool) -> str:
    """`proxy_user_of`, where Hadoop's own variable says nothing else: see `refuse_hadoops_own`."""
    acts_for = proxy_user_of(config, kerberos=kerberos)
    refuse_hadoops_own(env, acts_for)
    return acts_for


def refuse_hadoops_own(env: Mapping[str, str], acts_for: str) -> None:
    """Refuse Hadoop's own variable for a proxy user: spark-submit would run as that user, and our calls would not.

    Parameters
    ----------
    acts_for
        The proxy user of the configuration; "" for none.

    Raises
    ------
    UsageError
        It is set, and names another user than `acts_for`.
    """
    named = env.get(HADOOPS_OWN, "").strip()
    if named and named != acts_for:
        raise UsageError(
            f"{HADOOPS_OWN} names {named}: Java programs would act for that user, and this tool's own calls "
            + (f"for {acts_for}" if acts_for else "would not"),
            where="the environment",
            next_step=f"unset {HADOOPS_OWN}; with Kerberos use --proxy-user {named} ({PROXY_USER}),"
            f" without HADOOP_USER_NAME={named}",
        )
