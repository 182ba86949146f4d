"""Secrets of Hadoop's credential providers (``jceks://``, ``localjceks://``): read by Hadoop's own classes.

``hadoop credential`` creates, lists and deletes, and has no verb to read. So a Java source file of a few lines asks
``CredentialProviderFactory``, with the classes of this host's Spark; that honours ``HADOOP_CREDSTORE_PASSWORD`` and the
password file, reaches stores in HDFS, and needs no format to be known here. It starts a JVM, which takes about two
seconds.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from batch_submit.adapters.bounded_programs import TookTooLong, run
from batch_submit.adapters.spark_finder import find_java
from batch_submit.data_classes import dataclass
from batch_submit.errors import HostNotReady

#: A Java that starts and a NameNode that answers need a few seconds; a Kerberos server that does not answer, for ever.
TIMEOUT_S = 60.0
_SOURCE = Path(__file__).resolve().parents[1] / "java" / "ReadCredentials.java"


@dataclass(frozen=True)
class HadoopCredentials:
    """The providers of one configuration.

    Parameters
    ----------
    provider
        Their path (``hadoop.security.credential.provider.path``); "" when none is named.
    spark_home
        Whose jars hold Hadoop's classes; "" without a Spark on this host.
    conf_dirs
        Hadoop's configuration, for stores in HDFS.
    env
        The environment of the JVM; ``HADOOP_CREDSTORE_PASSWORD`` opens a store that has a password.
    login
        What the JVM needs besides to be who we are towards HDFS; asked for when it is started.
    limit_s
        Seconds that it may take.
    """

    provider: str
    spark_home: str
    conf_dirs: tuple[str, ...]
    env: Mapping[str, str]
    login: Callable[[], Mapping[str, str]] = dict
    limit_s: float = TIMEOUT_S

    def read(self, aliases: Sequence[str]) -> dict[str, str]:
        """The secrets by alias.

        Raises
        ------
        HostNotReady
            No provider is named, there is no Java (or one without a compiler) or no Spark here, the store can't be
            opened, or it lacks an alias, or our login fails.
        ClusterUnreachable
            The KDC does not answer.
        """
        if not self.provider:
            raise HostNotReady(
                f"credential:{aliases[0]} names no place: hadoop.security.credential.provider.path is not set",
                next_step="set spark_config.spark.hadoop.hadoop.security.credential.provider.path",
            )
        jars = Path(self.spark_home, "jars")
        if not self.spark_home or not jars.is_dir():
            raise HostNotReady(
                "reading a Hadoop credential provider needs Hadoop's classes, and there is no Spark on this host",
                next_step="export SPARK_HOME=<Spark>, or use file:PATH or keyring:SERVICE/USER",
            )
        home = find_java(self.env)
        java = str(Path(home, "bin", "java")) if home else "java"
        classes = os.pathsep.join([*self.conf_dirs, f"{jars}/*"])
        command = [java, "-cp", classes, str(_SOURCE), self.provider, *aliases]
        answer = self._answer(command)
        return self._secrets(aliases, answer)

    def _answer(self, command: Sequence[str]) -> str:
        try:
            status, out, err = run(command, {**self.env, **self.login()}, self.limit_s)
        except TookTooLong as error:
            raise HostNotReady(
                f"the credential provider did not answer within {self.limit_s:g} s",
                where=self.provider,
                next_step="look whether its NameNode and the KDC answer; or use file:PATH or keyring:SERVICE/USER",
            ) from error
        except OSError as error:
            raise HostNotReady(f"Java can't be started: {error.strerror or error}", where=command[0]) from error
        if status == 0:
            return out.decode("ascii", "replace")
        words = err.decode("utf-8", "replace")
        if "Module jdk.compiler not found" in words:
            raise HostNotReady(
                "this Java has no compiler, so that it can't read a credential provider for this program",
                where=command[0],
                next_step="install a JDK, or use file:PATH or keyring:SERVICE/USER",
            )
        told = [line.strip() for line in words.splitlines() if "Exception" in line or "error:" in line]
        raise HostNotReady(
            "the credential provider can't be read",
            where=self.provider,
            details=told[:3] or words.splitlines()[-3:],
            next_step=f"hadoop credential list -provider {self.provider}   (HADOOP_CREDSTORE_PASSWORD opens it)",
        )

    def _secrets(self, aliases: Sequence[str], answer: str) -> dict[str, str]:
        """One line for each alias, in Base64; an empty one for an alias that is not there."""
        lines = answer.splitlines()
        if len(lines) != len(aliases):
            raise HostNotReady("the credential provider gave an answer that is none", where=self.provider)
        missing = [alias for alias, line in zip(aliases, lines, strict=True) if not line]
        if missing:
            raise HostNotReady(
                f"the credential provider holds no {', '.join(missing)}",
                where=self.provider,
                next_step=f"hadoop credential create {missing[0]} -provider {self.provider}",
            )
        return {alias: base64.b64decode(line).decode("utf-8") for alias, line in zip(aliases, lines, strict=True)}
