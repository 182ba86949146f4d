"""``security_config.enable_ssl``: TLS for Spark's web page, encryption for what driver and executors say to each other.

One switch, because half of it is worse than none: a page with TLS says nothing of the data, and encryption without
authentication is not encryption. Source: Spark 4.3: ``security.md``, ``SecurityManager``, ``SSLOptions``.
"""

from __future__ import annotations

from collections.abc import Mapping

from batch_submit.data_classes import dataclass
from batch_submit.errors import ConfigError
from batch_submit.plan.backend_choice import YARN
from batch_submit.plan.merged import Config
from batch_submit.plan.sourced import Sourced
from batch_submit.plan.submission import ShippedFile

_SWITCH = "security_config.enable_ssl"
_RPC_TLS = "spark.ssl.rpc.enabled"
#: Of what driver and executors say. The secret is one per application, made by the driver, handed on by YARN.
_AUTHENTICATION = {"spark.authenticate": "true"}
#: AES by that secret. Without the last one a peer that can't do it would be talked to by the older SASL.
_AES = {"spark.network.crypto.enabled": "true", "spark.network.crypto.saslFallback": "false"}
#: Of what executors spill and shuffle to their disks.
_DISKS = {"spark.io.encryption.enabled": "true"}
#: Of the driver's page. The protocol is a family: TLS 1.2 and 1.3.
_PAGE = {"spark.ssl.enabled": "true", "spark.ssl.protocol": "TLSv1.3"}
#: Store -> its name in the container: nothing of the path is told there.
_STORES = {"keystore": ("spark.ssl.keyStore", "ssl.keystore"), "truststore": ("spark.ssl.trustStore", "ssl.truststore")}


@dataclass(frozen=True)
class Encryption:
    """What the switch adds to a job: Spark properties, stores that travel with it, and what to know about it."""

    conf: Mapping[str, Sourced]
    files: tuple[ShippedFile, ...] = ()
    notices: tuple[str, ...] = ()


def encryption(config: Config, conf: Mapping[str, Sourced], *, backend: str, deploy_mode: str) -> Encryption:
    """The coherent set of properties behind ``security_config.enable_ssl``.

    Parameters
    ----------
    conf
        The job's Spark properties so far.
    deploy_mode
        In ``cluster`` mode the driver finds its stores in its container, in ``client`` mode on this host.

    Raises
    ------
    ConfigError
        No key store; or Spark properties of the user's own that say something else, each with both origins.
    """
    switch = config.get(_SWITCH)
    if switch is None or switch.value is not True:
        return Encryption({}, notices=_unused(config))
    if backend != YARN:
        return Encryption({}, notices=(f"{_SWITCH} ({switch.origin}) has no effect on this host: nothing leaves it",))
    wanted = {**_AUTHENTICATION, **_DISKS, **_PAGE}
    if not _is_true(conf.get(_RPC_TLS)):  # TLS for the RPC, set up by the user, takes the place of AES
        wanted |= _AES
    origin = f"{_SWITCH}, {switch.origin}"
    added = {key: Sourced(value, origin) for key, value in wanted.items()}
    files: list[ShippedFile] = []
    for store in _STORES:
        _add_store(config, store, added, files, shipped=deploy_mode == "cluster")
    problems = [_conflict(key, conf[key], value) for key, value in added.items() if _differ(key, conf.get(key), value)]
    if problems:
        raise ConfigError(
            f"{_SWITCH} and spark_config contradict each other in {len(problems)} place(s)",
            where=switch.origin,
            details=problems,
            next_step="remove those properties, or set enable_ssl to false and all of them yourself",
        )
    if "spark.ssl.keyStore" not in {**conf, **added}:
        raise ConfigError(
            f"{_SWITCH} needs security_config.keystore_path too: the driver's page shows its certificate",
            where=switch.origin,
            next_step="name a JKS or PKCS12 store with the key (keytool -genkeypair), and its keystore_password",
        )
    return Encryption(added, tuple(files), _notices(conf))


def _unused(config: Config) -> tuple[str, ...]:
    """What is only for the switch; the truststore is for our own calls too."""
    named = config.get("security_config.keystore_path")
    if named is None or not named.value:
        return ()
    return (f"security_config.keystore_path ({named.origin}) has no effect without {_SWITCH}",)


def _add_store(
    config: Config, store: str, added: dict[str, Sourced], files: list[ShippedFile], *, shipped: bool
) -> None:
    """A store's path and password, as ``security_config`` says them."""
    key, link = _STORES[store]
    path, named = config.local_path(f"security_config.{store}_path"), config.get(f"security_config.{store}_path")
    if path and named is not None:
        origin = f"security_config.{store}_path, {named.origin}"
        added[key] = Sourced(link if shipped else path, origin)
        if shipped:
            files.append(ShippedFile(path, link, origin, aliased=True, secret=True))
    password = config.get(f"security_config.{store}_password")
    if password is not None and password.value:
        added[f"{key}Password"] = Sourced(password.value, f"security_config.{store}_password, {password.origin}")


def _differ(key: str, theirs: Sourced | None, ours: Sourced) -> bool:
    if theirs is None:
        return False
    same = str(theirs.value).strip() == str(ours.value)
    if key == "spark.ssl.protocol":
        return False  # theirs counts: which versions of TLS there are is the site's to say
    return not same and str(theirs.value).strip().lower() != str(ours.value)


def _conflict(key: str, theirs: Sourced, ours: Sourced) -> str:
    shown = "" if "assword" in key else f" is {theirs.value}"
    wanted = "another one" if "assword" in key else str(ours.value)
    return f"{key}{shown} ({theirs.origin}), and {wanted} by {ours.origin}"


def _notices(conf: Mapping[str, Sourced]) -> tuple[str, ...]:
    if not _is_true(conf.get("spark.shuffle.service.enabled")):
        return ()
    return (
        "spark.authenticate is on and an external shuffle service is used: the NodeManagers' yarn-site.xml needs"
        " spark.authenticate=true as well, or no executor can register",
    )


def _is_true(value: Sourced | None) -> bool:
    return value is not None and str(value.value).strip().lower() == "true"
