"""Who we are towards the cluster, and the HTTP session that says so."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from batch_submit.adapters.plain_http import PlainSession
from batch_submit.data_classes import dataclass

if TYPE_CHECKING:
    from batch_submit.adapters.http_session import Clock, HttpSession
    from batch_submit.adapters.keytab import PrivateTicket
    from batch_submit.adapters.tls import Tls


@dataclass(frozen=True)
class KeytabLogin:
    """Whom to be towards servers that want Kerberos, where no ticket cache is to be used.

    Parameters
    ----------
    principal
        Such as ``etl@EXAMPLE.COM``.
    keytab
        Local path of a file that holds its key.
    """

    principal: str
    keytab: str


def effective_user(env: Mapping[str, str], os_user: str, kerberos: bool) -> str:
    """The user in whose name all calls are made.

    Parameters
    ----------
    env
        The environment; ``HADOOP_USER_NAME`` counts in simple authentication only
        (source: ``UserGroupInformation.HADOOP_USER_NAME``).
    os_user
        The account that runs this process.
    kerberos
        Whether the cluster authenticates by Kerberos.

    Returns
    -------
    str
        Simple: ``HADOOP_USER_NAME``, else ``os_user``. Kerberos: empty, because a ticket's short name is the server's
        to tell (``auth_to_local``): ask :meth:`batch_submit.adapters.resource_manager.ResourceManager.identify`.
    """
    if kerberos:
        return ""
    return env.get("HADOOP_USER_NAME", "").strip() or os_user


def build_session(
    kerberos: bool,
    user: str | None,
    tls: Tls | None = None,
    *,
    clock: Clock = time.monotonic,
    env: Mapping[str, str] | None = None,
    ticket: PrivateTicket | None = None,
    acts_for: str = "",
) -> HttpSession:
    """The HTTP session for one service (ResourceManager, NameNode, history server: one session each).

    Parameters
    ----------
    tls
        For https; ``None`` trusts the system's CAs.
    env, ticket
        With Kerberos: the environment, and a login by keytab; ``None`` takes the user's own ticket cache.
    acts_for
        With Kerberos: a proxy user.

    Raises
    ------
    HostNotReady
        Kerberos is on and a Python package for it is missing, or the keytab gives no ticket.
    ClusterUnreachable
        The KDC does not answer.
    """
    if kerberos:
        from batch_submit.adapters.negotiate import KerberosSession

        return KerberosSession(tls, env=env or {}, ticket=ticket, acts_for=acts_for, clock=clock)
    return PlainSession(user or None, tls, clock=clock)
