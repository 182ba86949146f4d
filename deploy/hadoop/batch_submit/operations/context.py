"""From a command line to a configuration, a backend, and the programs of this host: the common start of every verb."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from batch_submit.connecting import connect
from batch_submit.data_classes import dataclass
from batch_submit.errors import HostNotReady
from batch_submit.plan.backend_choice import LOCAL, BackendChoice, choose_backend
from batch_submit.services import INSTALLED_CONFIG, Services

if TYPE_CHECKING:  # list and status have to start fast: what a command needs is loaded where it is needed
    from batch_submit.adapters.spark_finder import SparkDistribution
    from batch_submit.backends.base import Backend
    from batch_submit.backends.local import LocalBackend
    from batch_submit.ledger import SqliteLedger
    from batch_submit.plan.merged import Config
    from batch_submit.plan.sourced import ConfigSources

#: How long a ResourceManager may be away, while its answer is waited for, unless ``execution.rm_patience`` says so.
DEFAULT_RM_PATIENCE_S = 15 * 60.0
#: On spark-submit's class path, beside Hadoop's own: whom it logs in to, and what its log does.
_OF_SPARK_SUBMIT = ("hive-site.xml", "log4j2.properties")
_ALLOW_OPEN = ("execution", "allow_world_writable")


@dataclass(frozen=True)
class Selection:
    """Which configuration is meant, as typed: ``-c``, ``--env``, ``--profile``, job type, and flag values by key.

    ``insecure`` stands here and not among the values, so that no file and no variable can say it.
    """

    config_file: str | None = None
    env: str | None = None
    profile: str | None = None
    job_type: str | None = None
    flags: Mapping[tuple[str, ...], tuple[object, str]] | None = None
    insecure: bool = False

    def cluster_flags(self) -> tuple[str, ...]:
        """The typed flags that mean a cluster."""
        queue = ("spark_config", "queue") in (self.flags or {})
        named = {"--queue": queue, "--env": self.env is not None, "--profile": self.profile is not None}
        return tuple(flag for flag, typed in named.items() if typed)


@dataclass(frozen=True)
class Context:
    """A configuration and where it leads.

    Parameters
    ----------
    selection
        What the configuration was made for.
    reading
        Opened to look only: the configuration is its :mod:`part for reading <batch_submit.plan.reading>`, this host's
        Spark is not looked for, and the backend reaches no filesystem.
    """

    services: Services
    config: Config
    config_path: Path
    choice: BackendChoice
    spark: SparkDistribution | None
    selection: Selection
    reading: bool = False

    @property
    def config_folder(self) -> str:
        """Where bare local paths of data start: the folder of the configuration file, absolute.

        The default configuration of an installed tool lies among the tool's own files; the working directory stands in
        for its folder.
        """
        folder = self.config_path.parent
        return str(self.services.cwd if folder == INSTALLED_CONFIG else folder)


def spark_on_host(services: Services) -> SparkDistribution | None:
    """The Spark of this host, or ``None``; a wrong ``SPARK_HOME`` is found by who needs it."""
    from batch_submit.adapters.spark_finder import find_spark

    try:
        return find_spark(services.env)
    except HostNotReady:
        return None


def read_config(services: Services, selection: Selection) -> tuple[Config, Path, SparkDistribution | None]:
    """Find, read and merge the configuration.

    Raises
    ------
    ConfigError
        With every problem of every layer.
    """
    spark = spark_on_host(services)
    path, sources = _sources(services, selection, spark.home if spark is not None else "")
    return _build(services, selection, sources), path, spark


def config_of_type(context: Context, job_type: str) -> Config:
    """The configuration as if `job_type` were submitted, with all else as it was typed: for a stage of a pipeline."""
    home = context.spark.home if context.spark is not None else ""
    selection = replace(context.selection, job_type=job_type)
    return _build(context.services, selection, _sources(context.services, selection, home)[1])


def read_config_for_reading(services: Services, selection: Selection) -> tuple[Config, Path]:
    """The part that commands need which only look: out of the cache, or built as by :func:`read_config` and kept."""
    from batch_submit.adapters.config_cache import load, save
    from batch_submit.plan.reading import ReadingConfig, may_be_kept, reading_part

    spark_home = ""
    if not services.env.get("SPARK_CONF_DIR"):  # only then the site's file may lie beside this host's Spark
        spark = spark_on_host(services)
        spark_home = spark.home if spark is not None else ""
    path, sources = _sources(services, selection, spark_home)
    folder, key = services.config_cache, _cache_key(services, selection, sources)
    config = load(folder, key, ReadingConfig) if folder is not None else None
    if config is None:
        config = reading_part(_build(services, selection, sources))
        if folder is not None and may_be_kept(config):
            save(folder, key, config)
    return config, path


def read_config_once(services: Services, selection: Selection) -> tuple[Config, Path, SparkDistribution | None]:
    """As :func:`read_config`, out of the cache where it holds the same, without what its values have overridden."""
    from batch_submit.adapters.config_cache import load, save
    from batch_submit.plan.merged import Config
    from batch_submit.plan.reading import may_be_kept

    spark = spark_on_host(services)
    path, sources = _sources(services, selection, spark.home if spark is not None else "")
    folder, key = services.config_cache, f"whole-{_cache_key(services, selection, sources)}"
    config = load(folder, key, Config) if folder is not None else None
    if config is None:
        config = _build(services, selection, sources)
        if folder is not None and may_be_kept(config):
            save(folder, key, config)
    return config, path, spark


def _cache_key(services: Services, selection: Selection, sources: ConfigSources) -> str:
    from batch_submit.adapters.config_cache import cache_key

    return cache_key(
        sources,
        job_type=selection.job_type,
        env=selection.env,
        profile=selection.profile,
        variables=services.env,
        flags=selection.flags or {},
    )


def _sources(services: Services, selection: Selection, spark_home: str) -> tuple[Path, ConfigSources]:
    from batch_submit.adapters.config_files import find_config, read_sources
    from batch_submit.adapters.open_places import allowed_by_call
    from batch_submit.adapters.spark_finder import spark_defaults_file

    path = find_config(selection.config_file, cwd=services.cwd, homes=services.config_homes())
    defaults = spark_defaults_file(services.env, spark_home)
    typed, _ = (selection.flags or {}).get(_ALLOW_OPEN, (None, ""))
    allowed = allowed_by_call(services.env, typed)
    return path, read_sources(path, env=selection.env, spark_defaults=defaults, allow_open=allowed)


def _build(services: Services, selection: Selection, sources: ConfigSources) -> Config:
    from batch_submit.plan.config import build_config

    return build_config(
        sources=sources,
        job_type=selection.job_type,
        env=selection.env,
        profile=selection.profile,
        variables=services.env,
        flags=selection.flags or {},
    )


def open_context(services: Services, selection: Selection, *, reading: bool = False) -> Context:
    """Read the configuration, start the log file, and choose the backend; says which and why, first.

    Parameters
    ----------
    reading
        For commands that only look; see :class:`Context`. What they say is not written to the log file.

    Raises
    ------
    ConfigError, HostNotReady
        See :func:`read_config` and :func:`batch_submit.plan.backend_choice.choose_backend`.
    """
    spark: SparkDistribution | None = None
    warning = ""
    if reading:
        config, path = read_config_for_reading(services, selection)
    else:
        config, path, spark = read_config_once(services, selection)
    if not reading or services.verbose:
        from batch_submit.adapters.run_logging import start_logging

        warning = start_logging(None if reading else _log_file(services, config), verbose=services.verbose)
    choice = choose_backend(
        config,
        services.env,
        etc_names_resourcemanager=services.etc_names_resourcemanager(),
        cluster_flags=selection.cluster_flags(),
    )
    refuse_open_site(services, config, choice, reading=reading)
    chosen = f"backend: {choice.backend} ({choice.reason}); config: {path}"
    services.terminal.note(chosen)
    for text in (*([warning] if warning else []), *config.warnings):
        services.terminal.warn(text)
    return Context(services, config, path, choice, spark, selection, reading)


def refuse_open_site(services: Services, config: Config, choice: BackendChoice, *, reading: bool = False) -> None:
    """Hadoop's XML names the servers that we log in to: it must not be anybody's to change, nor what it includes.

    Parameters
    ----------
    reading
        Without the files that only spark-submit reads there.

    Raises
    ------
    UsageError
        Everybody on this host could have changed it, and ``execution.allow_world_writable`` is not set.
    """
    if config.value("execution.allow_world_writable") is True:
        return
    from batch_submit.adapters.hadoop_conf import FILES
    from batch_submit.adapters.open_places import refuse_open, who_could_change_site

    folders = dict.fromkeys(one for one in (choice.hadoop_conf_dir, choice.yarn_conf_dir) if one)
    names = (*FILES, "mapred-site.xml", "ssl-client.xml", *(() if reading else _OF_SPARK_SUBMIT))
    files = [Path(folder, name) for folder in folders for name in names]
    if choice.hadoop_conf_dir and Path(choice.hadoop_conf_dir).is_dir():
        with contextlib.suppress(HostNotReady):  # who needs it says what is wrong with it
            files += services.hadoop_conf(choice.hadoop_conf_dir, choice.yarn_conf_dir).included
    found = ((one, who_could_change_site(one)) for one in files)
    refuse_open((f"{one}: {why}" for one, why in found if why), "Hadoop's configuration")


def _log_file(services: Services, config: Config) -> Path | None:
    named = config.get("execution.log_file")
    if named is None or not named.value or named.base == str(INSTALLED_CONFIG):
        try:  # an installed tool's own files are not ours to write
            return services.state_folder / "hadoop_job_submission.log"
        except HostNotReady:
            return None  # who needs the folder says so
    return Path(named.base or str(services.cwd), str(named.value))


def open_backend(context: Context) -> Backend:
    """The backend of a context. Opens no connection in simple authentication."""
    services = context.services
    if context.choice.backend == LOCAL:
        return local_backend(services, None if context.reading else context.config)
    from batch_submit.backends.yarn import SPARK_SUBMIT, YarnBackend

    insecure = context.selection.insecure
    reading = context.reading
    cluster = connect(services, context.config, context.choice, files=not reading, insecure=insecure, reading=reading)
    for notice in cluster.notices:
        if services.first_time(notice):
            services.terminal.note(notice)
    staging = context.config.get("spark.yarn.stagingDir")
    environment = childs_environment(services, None if context.reading else context.config)
    environment.update(cluster.child_variables)
    environment.pop("HADOOP_PROXY_USER", None)  # `connect` saw that it names our proxy user, as spark-submit is told
    return YarnBackend(
        cluster,
        environment,
        services.launch_folder,
        services.clock,
        services.terminal,
        staging_dirs=(str(staging.value),) if staging is not None and staging.value else (),
        launcher=str(context.config.value("execution.launcher") or SPARK_SUBMIT),
        shared_dir="" if context.reading else _shared_dir(context),
        submit_settle_s=_seconds(context, "execution.submit_settle", YarnBackend.submit_settle_s),
        max_spark_submits=int(str(context.config.value("execution.max_spark_submits") or 0)),
        acts_for=str(context.config.value("security_config.proxy_user") or "").strip(),
    )


def _seconds(context: Context, key: str, otherwise: float) -> float:
    named = context.config.duration_s(key)
    return otherwise if named is None else float(named)


def _shared_dir(context: Context) -> str:
    """``execution.shared_dir`` as an absolute path or a URI; "" when it is not set."""
    named = context.config.get("execution.shared_dir")
    if named is None or not named.value:
        return ""
    from batch_submit.plan.storage import qualify, storage_root

    backend = context.choice.backend
    root = storage_root(context.config, backend, config_folder=context.config_folder)
    return qualify(str(named.value), root=root, backend=backend)


def local_backend(services: Services, config: Config | None = None) -> LocalBackend:
    """The backend of this host; to launch anything it needs the configuration."""
    from batch_submit.backends.local import LocalBackend

    environment = childs_environment(services, config)
    return LocalBackend(services.state_folder / "local", environment, services.clock, services.os_user)


def childs_environment(services: Services, config: Config | None) -> dict[str, str]:
    """The environment of what is launched; without the variables that hold secrets of the configuration."""
    if config is None:
        return child_environment(services.env)
    from batch_submit.plan.secret_references import variables_with_secrets

    dropped = variables_with_secrets(config.values, services.env)
    return child_environment({name: value for name, value in services.env.items() if name not in dropped})


def ledger_of(services: Services, backend: Backend) -> SqliteLedger:
    """The run records of a backend's cluster and user."""
    return services.ledger(backend.cluster, backend.user)


def child_environment(env: Mapping[str, str]) -> dict[str, str]:
    """The environment for spark-submit: ours, with a PATH and a locale under cron's bare one.

    Without a locale of UTF-8 Java 17 does not read letters beyond ASCII in an argument as they are.
    """
    out = dict(env)
    out.setdefault("PATH", os.defpath)
    locale = out.get("LC_ALL") or out.get("LC_CTYPE") or out.get("LANG") or ""
    if not re.search(r"(?i)utf-?8", locale):
        out["LC_ALL"] = "C.UTF-8"
    return out


def rm_patience(context: Context) -> float:
    """``execution.rm_patience`` in seconds."""
    patience = context.config.duration_s("execution.rm_patience")
    return DEFAULT_RM_PATIENCE_S if patience is None else float(patience)
