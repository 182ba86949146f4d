"""Whom we believe over https, and who we are there: one value for every session. Loaded where a server speaks TLS."""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable, Mapping
from dataclasses import field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from batch_submit.adapters.http_reply import refuse_downgrade
from batch_submit.adapters.open_places import refuse_open, who_could_change, who_could_change_site
from batch_submit.adapters.truststore import Truststore, pem_file
from batch_submit.data_classes import dataclass
from batch_submit.errors import HostNotReady, UsageError

if TYPE_CHECKING:
    from batch_submit.adapters.hadoop_conf import HadoopConf
    from batch_submit.adapters.hadoop_credentials import HadoopCredentials
    from batch_submit.plan.merged import Config

#: What ``--insecure`` says on stderr, once in each command.
WARNING = (
    "--insecure: the certificates of https servers are NOT checked. Whoever stands between here and them can read and "
    "change everything, your login included. Not for production; name the CA in security_config.ca_bundle instead"
)


_FILES = ("ca_bundle", "truststore_path", "client_certificate", "client_key")
_OWN_STORES_KEY = "security_config.truststore_password"
_CLIENTS_PROPERTY = "ssl.client.truststore.password"
_PROVIDER = "hadoop.security.credential.provider.path"


@dataclass(frozen=True)
class Tls:
    """How to speak TLS.

    Parameters
    ----------
    ca_bundle
        PEM file of those whom we trust, and nobody else; it wins over ``store``.
    store
        The same as a truststore of Java; it is turned into PEM when the first connection needs it.
    certificate, key
        PEM files of our own certificate and its key, for servers that want one; the key may stand in ``certificate``.
    insecure
        Believe everybody.
    cache_folder
        Where the PEM of a store is kept.
    env
        Where ``keytool`` is looked for.
    """

    ca_bundle: str = ""
    store: Truststore | None = None
    certificate: str = ""
    key: str = ""
    insecure: bool = False
    cache_folder: Path = Path()
    env: Mapping[str, str] = field(default_factory=dict, compare=False)

    @cached_property
    def pem(self) -> str:
        """The PEM file of those whom we trust; empty for the system's.

        Raises
        ------
        HostNotReady
            The store can't be turned into one.
        """
        if self.ca_bundle or self.store is None or self.insecure:
            return self.ca_bundle
        return str(pem_file(self.store, self.cache_folder, self.env))

    @property
    def trusted(self) -> str:
        """Whom we trust, in words."""
        if self.ca_bundle:
            return self.ca_bundle
        return f"{self.store.path}, {self.store.origin}" if self.store else "the system's CAs"

    def context(self) -> ssl.SSLContext:
        """A context for ``ssl``; it verifies unless :attr:`insecure`.

        Raises
        ------
        HostNotReady
            A file can't be read, is no PEM, or the key is encrypted.
        """
        made = _verifying(self.pem, self.trusted)
        if self.insecure:
            made.check_hostname = False
            made.verify_mode = ssl.CERT_NONE
        if self.certificate:
            self._present(made)
        return made

    def context_for_requests(self) -> ssl.SSLContext:
        """The same for a session of ``requests``, which would take a list of CAs of its own."""
        made = self.context()
        if self.insecure:
            _quiet_urllib3()
        return made

    def _present(self, context: ssl.SSLContext) -> None:
        def no_password() -> str:  # OpenSSL would ask the terminal
            raise HostNotReady(
                "the key of the client certificate is encrypted, and its password can't be given",
                where=self.key or self.certificate,
                next_step="keep it without one, mode 600: openssl pkey -in KEY -out PLAIN_KEY",
            )

        try:
            context.load_cert_chain(self.certificate, self.key or None, no_password)
        except (OSError, ValueError) as error:
            # SSLError is an OSError too, and its strerror says less than the whole.
            words = error.strerror if isinstance(error, OSError) and not isinstance(error, ssl.SSLError) else error
            raise HostNotReady(
                f"the client certificate can't be used: {words}",
                where=" and ".join(filter(None, (self.certificate, self.key))),
                next_step="security_config.client_certificate and client_key have to be PEM files that fit each other",
            ) from error


def no_plain_http() -> Any:
    """What answers for ``http://`` in a session of ``requests`` towards https, which follows wherever it is sent."""
    from requests.adapters import HTTPAdapter

    class Refusing(HTTPAdapter):
        def send(self, request: Any, *_arguments: Any, **_options: Any) -> Any:
            refuse_downgrade("https:", request.url)

    return Refusing()


def _quiet_urllib3() -> None:
    """Without verification ``urllib3`` warns at every request; :data:`WARNING` says it once, and louder."""
    import urllib3

    urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)


def tls_of(
    config: Config,
    conf: HadoopConf | None,
    *,
    insecure: bool,
    cache: Path,
    env: Mapping[str, str],
    login: Callable[[], Mapping[str, str]] = dict,
) -> Tls:
    """What configuration and Hadoop's XML say.

    Parameters
    ----------
    conf
        Its ``ssl-client.xml`` names the truststore of the cluster's clients; it counts where the configuration names
        nobody to trust.
    cache
        This tool's cache folder.
    login
        What a JVM needs to be who we are, where a credential provider is to be read.

    Raises
    ------
    UsageError
        A key without a certificate; a reference to a password that names nothing; a file that everybody on this host
        could have changed.
    """
    certificate = config.local_path("security_config.client_certificate")
    key = config.local_path("security_config.client_key")
    if key and not certificate:
        named = config.get("security_config.client_key")
        raise UsageError(
            "security_config.client_key is given without a client_certificate",
            where=named.origin if named is not None else "",
            next_step="name both (PEM), or neither",
        )
    bundle = config.local_path("security_config.ca_bundle")
    store = None if bundle else _configured_store(config, conf, env, login) or _clients_store(conf, env, login)
    if config.value("execution.allow_world_writable") is not True:
        _refuse_open(config, store)
    return Tls(bundle, store, certificate, key, insecure, cache / "tls", dict(env))


def _refuse_open(config: Config, store: Truststore | None) -> None:
    """Whoever may write there says whom we trust, or who we are."""
    named = [(f"security_config.{key}", config.local_path(f"security_config.{key}")) for key in _FILES]
    found = [(path, key, who_could_change(Path(path))) for key, path in named if path]
    if store is not None and store.path not in (path for _, path in named):
        found.append((store.path, store.origin, who_could_change_site(Path(store.path))))
    refuse_open((f"{path} ({key}): {why}" for path, key, why in found if why), "TLS")


def _configured_store(
    config: Config, conf: HadoopConf | None, env: Mapping[str, str], login: Callable[[], Mapping[str, str]]
) -> Truststore | None:
    path = config.local_path("security_config.truststore_path")
    named = config.get("security_config.truststore_path")
    if not path or named is None:
        return None
    origin = f"security_config.truststore_path, {named.origin}"
    password = config.get("security_config.truststore_password")
    if password is None or not password.value:
        return Truststore(path, origin)
    from batch_submit.plan.secret_references import references

    found = references({_OWN_STORES_KEY: password})
    if not found:
        return Truststore(path, origin, str(password.value))

    def find() -> str:
        from batch_submit.adapters.secret_sources import SecretSources

        held = SecretSources(env, _credentials(conf, env, login)).read(found, {_OWN_STORES_KEY: password.origin})
        return _hidden(held[_OWN_STORES_KEY])

    return Truststore(path, origin, find_password=find)


def _clients_store(
    conf: HadoopConf | None, env: Mapping[str, str], login: Callable[[], Mapping[str, str]]
) -> Truststore | None:
    """The truststore of ``ssl-client.xml`` (source: ``FileBasedKeyStoresFactory``); one that is not there is none.

    Its password may lie in a credential provider that this file or core-site.xml names, under the property's name.
    """
    if conf is None:
        return None
    name = conf.get("hadoop.ssl.client.conf") or "ssl-client.xml"
    xml = conf.beside(name)
    path = xml.get("ssl.client.truststore.location")
    if not path or not os.access(path, os.R_OK):
        return None
    password = xml.get(_CLIENTS_PROPERTY) or ""
    provider = xml.get(_PROVIDER) or conf.get(_PROVIDER)
    if password or not provider:
        return Truststore(path, name, password)

    def find() -> str:
        return _hidden(_credentials(conf, env, login, provider).read([_CLIENTS_PROPERTY])[_CLIENTS_PROPERTY])

    return Truststore(path, name, find_password=find)


def _credentials(
    conf: HadoopConf | None, env: Mapping[str, str], login: Callable[[], Mapping[str, str]], provider: str = ""
) -> HadoopCredentials:
    """Hadoop's credential providers, which the classes of this host's Spark read."""
    from batch_submit.adapters.hadoop_credentials import HadoopCredentials
    from batch_submit.adapters.spark_finder import find_spark

    try:
        spark_home = find_spark(env).home
    except HostNotReady:
        spark_home = ""  # it says so itself, if it is asked
    folder = str(conf.conf_dir) if conf is not None and conf.conf_dir is not None else ""
    named = provider or (conf.get(_PROVIDER) if conf is not None else "") or ""
    return HadoopCredentials(named, spark_home, (folder,) if folder else (), env, login)


def _hidden(password: str) -> str:
    from batch_submit.adapters.terminal import hide

    hide([password])
    return password


def _verifying(pem: str, trusted: str) -> ssl.SSLContext:
    """A context of our own: that of ``ssl.create_default_context`` obeys ``SSL_CERT_FILE`` and ``SSL_CERT_DIR``, and
    writes the keys of each connection into the file that ``SSLKEYLOGFILE`` names.
    """
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        if pem:
            made.load_verify_locations(cafile=pem)
        else:
            _trust_system(made)
        return made
    except OSError as error:  # SSLError is one
        raise HostNotReady(
            f"the CA bundle can't be read: {error.strerror or error}",
            where=pem or trusted,
            next_step="name a PEM file in security_config.ca_bundle",
        ) from error


def _trust_system(context: ssl.SSLContext) -> None:
    """Trust the CAs of the places that this Python's OpenSSL was built with, whatever the environment names."""
    paths = ssl.get_default_verify_paths()
    file = paths.openssl_cafile if Path(paths.openssl_cafile).is_file() else None
    folder = paths.openssl_capath if Path(paths.openssl_capath).is_dir() else None
    if file or folder:
        context.load_verify_locations(cafile=file, capath=folder)
