"""The clients of one cluster, in whose name they ask, and how they speak TLS."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from batch_submit.errors import HostNotReady
from batch_submit.services import Cluster, Services

if TYPE_CHECKING:  # list and status have to start fast: what a command needs is loaded where it is needed
    from batch_submit.adapters.addresses import Addresses
    from batch_submit.adapters.hadoop_conf import HadoopConf
    from batch_submit.adapters.http import HttpSession
    from batch_submit.adapters.keytab import PrivateTicket
    from batch_submit.adapters.tls import Tls
    from batch_submit.adapters.webhdfs import WebHdfs
    from batch_submit.plan.backend_choice import BackendChoice
    from batch_submit.plan.merged import Config

#: The configuration's keys that are about TLS of our own calls.
_TLS_KEYS = ("ca_bundle", "truststore_path", "client_certificate")


def connect(
    services: Services,
    config: Config,
    choice: BackendChoice,
    *,
    files: bool = True,
    insecure: bool = False,
    reading: bool = False,
) -> Cluster:
    """Build the clients for the cluster of a backend choice. Opens no connection.

    Parameters
    ----------
    files
        With a client for HDFS; ``False`` spares a command that only looks the loading of it.
    insecure
        ``--insecure`` was typed: certificates are not checked.
    reading
        For a command that only looks: see :meth:`Services.private_ticket`.

    Raises
    ------
    HostNotReady
        When no ResourceManager is named anywhere.
    ConfigError, UsageError
        See :func:`batch_submit.adapters.addresses.override_addresses`, and :mod:`batch_submit.plan.proxy_user`.
    """
    from batch_submit.adapters.addresses import override_addresses
    from batch_submit.adapters.auth import effective_user
    from batch_submit.adapters.resource_manager import ResourceManager

    conf = services.hadoop_conf(choice.hadoop_conf_dir, choice.yarn_conf_dir)
    named = override_addresses(config, conf)
    kerberos = wants_kerberos(config, conf)
    tls = tls_settings(
        services, config, conf, (*named.resource_managers, *named.name_nodes), insecure=insecure, reading=reading
    )
    user = effective_user(services.env, services.os_user, kerberos)
    session, child = _logged_in(services, config, user, tls, kerberos=kerberos, reading=reading)
    if not named.resource_managers:
        raise _names_none(choice)
    manager = ResourceManager(named.resource_managers, session, user=user, clock=services.clock.monotonic)
    if kerberos:
        user = manager.identify()
    open_webhdfs = partial(_webhdfs, named, session, user, tls, kerberos=kerberos)
    webhdfs = open_webhdfs() if files else None
    notices, told = tuple(named.notices), named.told
    return Cluster(
        named.cluster_key, user, manager, webhdfs, conf, named.default_fs, notices, session, open_webhdfs, child, told
    )


def _webhdfs(named: Addresses, session: HttpSession, user: str, tls: Tls | None, *, kerberos: bool) -> WebHdfs | None:
    from batch_submit.adapters.webhdfs import WebHdfs

    return WebHdfs(named.name_nodes, session, user=user, kerberos=kerberos, tls=tls) if named.name_nodes else None


def _names_none(choice: BackendChoice) -> HostNotReady:
    return HostNotReady(
        f"{choice.hadoop_conf_dir} names no ResourceManager",
        next_step="add yarn.resourcemanager.hostname or .webapp.address to yarn-site.xml",
    )


def _logged_in(
    services: Services, config: Config, user: str, tls: Tls | None, *, kerberos: bool, reading: bool
) -> tuple[HttpSession, Mapping[str, str]]:
    """The session in our name, or a proxy user's; and what children need to be the same user."""
    from batch_submit.adapters.auth import build_session

    ticket, acts_for = whom_we_are(services, config, kerberos=kerberos, reading=reading)
    session = build_session(kerberos, user, tls, env=services.env, ticket=ticket, acts_for=acts_for)
    return session, {"KRB5CCNAME": ticket.cache} if ticket is not None else {}


def whom_we_are(
    services: Services, config: Config, *, kerberos: bool, reading: bool = False
) -> tuple[PrivateTicket | None, str]:
    """Our login by keytab (``None``: the user's own ticket cache counts), and a proxy user ("" for none)."""
    acts_for = ""
    if config.value("security_config.proxy_user") or services.env.get("HADOOP_PROXY_USER"):
        from batch_submit.plan.proxy_user import acting_for

        acts_for = acting_for(config, services.env, kerberos=kerberos)
    if kerberos:
        return services.private_ticket(config, reading=reading), acts_for
    if not config.value("security_config.keytab"):
        return None, acts_for
    from batch_submit.plan.keytab_login import keytab_login

    unused = keytab_login(config)
    if unused is not None and not reading and services.first_time(unused.because):
        services.terminal.note(f"{unused.because} are not used: core-site.xml does not ask for Kerberos")
    return None, acts_for


def tls_settings(
    services: Services,
    config: Config,
    conf: HadoopConf,
    urls: Sequence[str],
    *,
    insecure: bool,
    reading: bool = False,
) -> Tls | None:
    """How to speak TLS; ``None`` where nothing is said about it and no server of ``urls`` wants it.

    Without verification it says so on stderr, once in a command.

    Raises
    ------
    UsageError
        A key without a certificate.
    """
    said = any(config.get(f"security_config.{key}") is not None for key in _TLS_KEYS)
    asked = conf.rm_https or conf.nn_https or any(url.startswith("https:") for url in (*urls, conf.history_server_url))
    if not (said or asked or insecure):
        return None
    from batch_submit.adapters.tls import WARNING, tls_of

    if insecure and services.first_time(WARNING):
        services.terminal.warn(WARNING)

    def login() -> Mapping[str, str]:
        return login_variables(services, config, conf, reading=reading)

    return tls_of(config, conf, insecure=insecure, cache=services.cache_folder, env=services.env, login=login)


def login_variables(
    services: Services, config: Config, conf: HadoopConf | None, *, reading: bool = False
) -> Mapping[str, str]:
    """What a program that asks HDFS needs besides our environment to be who we are: see
    :func:`batch_submit.adapters.keytab.login_variables`."""
    from batch_submit.adapters.keytab import login_variables

    return login_variables(*whom_we_are(services, config, kerberos=wants_kerberos(config, conf), reading=reading))


def wants_kerberos(config: Config, conf: HadoopConf | None) -> bool:
    """Whether the cluster authenticates by Kerberos, by its XML or by our configuration."""
    return config.value("security_config.enable_kerberos") is True or (conf is not None and conf.kerberos)
