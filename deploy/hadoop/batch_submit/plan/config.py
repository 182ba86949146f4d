"""The configuration: layers merged into one frozen mapping in which every value knows where it came from.

Layers in order, later wins: built-in defaults, the site's ``spark-defaults.conf``, the file, ``environments.<env>`` in
it, ``<stem>_<env>.yaml`` beside it, the profile, the job type's section (of the file, the environment, the overlay, the
profile), variables, flags.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from batch_submit.errors import ConfigError
from batch_submit.plan import schema
from batch_submit.plan.keytab_login import switched_off
from batch_submit.plan.layers import Block, Document, is_short, read_document, read_flags, read_site, read_variables
from batch_submit.plan.merge import combine, final
from batch_submit.plan.merged import Config
from batch_submit.plan.sourced import ConfigSources, Layer, Path, Problem, Sourced, SourceText
from batch_submit.plan.units import UnitError

__all__ = ["Config", "ConfigSources", "Layer", "Path", "Problem", "SourceText", "Sourced", "build_config"]

_LOGIN = ("security_config", "enable_kerberos")
_USERS_FILE = frozenset({"file", "environment", "overlay", "profile", "job"})


def build_config(
    *,
    sources: ConfigSources,
    job_type: str | None,
    env: str | None,
    profile: str | None,
    variables: Mapping[str, str],
    flags: Mapping[Path, tuple[object, str]],
) -> Config:
    """Read, check and merge everything.

    Parameters
    ----------
    sources
        The texts of the files.
    job_type
        Job type or an alias of one; None leaves the job types' sections out (they are checked all the same).
    env, profile
        ``--env`` and ``--profile``.
    variables
        The environment, passed in.
    flags
        Place -> (value, the flag's name). A value of None means that the flag was not given.

    Raises
    ------
    ConfigError
        Its ``details`` list every problem of every source as ``file:line: full.key: message (hint)``.
    """
    problems: list[Problem] = []
    kind = schema.resolve_job_type(job_type) if job_type else None
    if job_type and kind is None:
        hint = schema.did_you_mean(job_type, schema.JOB_TYPES) or "known: " + ", ".join(schema.JOB_TYPES)
        problems.append(Problem("", "--type", f"unknown job type {job_type!r}", hint))
    main = _document(sources.main, problems)
    overlay = _document(sources.overlay, problems)
    if env is not None:
        problems += _check_environment(env, sources, main, overlay)
    if profile is not None:
        problems += _check_profile(profile, sources, main, overlay)
    layers = [_defaults(), *_site(sources.spark_defaults, problems)]
    layers += _file_layers(main, overlay, kind, env, profile)
    layers += _typed_layers("variables", read_variables(variables), kind, problems)
    layers += _typed_layers("flags", read_flags(flags, kind), kind, problems)
    config = _merge(kind, layers)
    problems += _check_sites_sizes(config)
    if problems:
        raise config_error(problems)
    return config


def _document(source: SourceText | None, problems: list[Problem]) -> Document:
    if source is None:
        return Document()
    document, found = read_document(source.text, source.name, source.folder)
    problems += sorted(found, key=lambda problem: int(problem.where.rpartition(":")[2] or 0))
    return document


def _defaults() -> Layer:
    values: dict[Path, Sourced] = {
        path: Sourced(text, "default", key=".".join(path)) for path, text in schema.BUILT_IN_DEFAULTS.items()
    }
    return Layer("default", values, "default")


def _site(source: SourceText | None, problems: list[Problem]) -> Iterable[Layer]:
    if source is None:
        return ()
    layer, found = read_site(source.text, source.name)
    problems += found
    return (layer,)


def _file_layers(
    main: Document, overlay: Document, job_type: str | None, env: str | None, profile: str | None
) -> list[Layer]:
    """The layers of the files in their order: sections first, then the job type's in the same order."""
    blocks: list[tuple[str, str, Block]] = [("file", "file", main.block)]
    if env is not None:
        blocks.append(("environment", f"environment {env}", main.environments.get(env, Block())))
        blocks.append(("overlay", f"overlay {env}", overlay.block))
        blocks.append(("environment", f"environment {env}", overlay.environments.get(env, Block())))
    if profile is not None:
        for document in (main, overlay):
            blocks.append(("profile", f"profile {profile}", document.profiles.get(profile, Block())))
    layers = [_layer(kind, name, block) for kind, name, block in blocks]
    for _, name, block in blocks:
        layers += _job_layer("job", name, block, job_type)
    return layers


def _typed_layers(
    name: str, read: tuple[Block, list[Problem]], job_type: str | None, problems: list[Problem]
) -> list[Layer]:
    """The layers of the variables or of the flags: sections, then the job type's keys."""
    block, found = read
    problems += found
    # Without a job type, flags for "the job" are kept under "*".
    return [_layer(name, name, block), *_job_layer(name, name, block, job_type or "*")]


def _layer(kind: str, name: str, block: Block) -> Layer:
    return Layer(name, block.values, kind, tuple(block.warnings))


def _job_layer(kind: str, name: str, block: Block, job_type: str | None) -> list[Layer]:
    if job_type is None or job_type not in block.jobs:
        return []
    return [Layer(f"{name}, {job_type}", block.jobs[job_type], kind, tuple(block.job_warnings.get(job_type, ())))]


def _merge(job_type: str | None, layers: Sequence[Layer]) -> Config:
    """Fold the layers, keeping what was overridden and warning where a user would be surprised."""
    values: dict[Path, Sourced] = {}
    setter: dict[Path, int] = {}
    overridden: dict[Path, list[Sourced]] = {}
    warnings: list[str] = []
    profile_values: dict[Path, Sourced] = {}
    for number, layer in enumerate(layers):
        warnings += layer.warnings
        for path, new in layer.values.items():
            old = values.get(path)
            values[path] = combine(old, new, schema.combiner_of(path))
            if old is not None:
                warnings += _short_over_dotted(path, old, new, layers[setter[path]])
                if not set(old.items) & set(values[path].items):
                    overridden.setdefault(path, []).append(old)
            setter[path] = number
            if layer.kind == "profile":
                profile_values[path] = values[path]
    for path, wanted in profile_values.items():
        winner = values[path]
        if (
            layers[setter[path]].kind == "job"
            and winner.value != wanted.value
            and not set(wanted.items) & set(winner.items)
        ):
            warnings.append(
                f"{wanted.origin}: {wanted.key} is overridden by {winner.key} ({winner.origin}): "
                "the job type's section comes after the profile"
            )
    counts, told = switched_off(values, setter.__getitem__)
    if not counts:
        overridden.setdefault(_LOGIN, []).append(values.pop(_LOGIN))
    warnings += [told] if told else []
    for path, value in values.items():
        if value.value is None and path in overridden:
            overridden[path].append(value)
    return Config(
        job_type,
        MappingProxyType({path: kept for path, value in values.items() if (kept := final(value)) is not None}),
        MappingProxyType({path: tuple(old) for path, old in overridden.items()}),
        tuple(dict.fromkeys(warnings)),
    )


def _short_over_dotted(path: Path, old: Sourced, new: Sourced, old_layer: Layer) -> list[str]:
    """A short name that beats a dotted one of the user's own file: right by the order of layers, yet easy to miss."""
    if path[0] != "spark_config" or not is_short(new) or is_short(old) or old_layer.kind not in _USERS_FILE:
        return []
    if old.value == new.value:
        return []
    return [f"{new.origin}: {new.key} overrides {old.key} ({old.origin}): both set {path[-1]}, the later layer wins"]


def _check_environment(env: str, sources: ConfigSources, main: Document, overlay: Document) -> list[Problem]:
    if sources.overlay is not None or env in main.environments:
        return []
    name = sources.main.name if sources.main else "job_config.yaml"
    known = sorted({*main.environments, *sources.disk_environments})
    hint = schema.did_you_mean(env, known)
    existing = f"existing environments: {', '.join(known)}" if known else "there are no environments yet"
    places = f"neither environments.{env} in {name} nor {sources.overlay_place or 'a file beside it'} exists"
    message = f"unknown environment {env!r}: {places}"
    return [Problem("", "--env", message, f"{hint} {existing}".strip())]


def _check_profile(profile: str, sources: ConfigSources, main: Document, overlay: Document) -> list[Problem]:
    known = sorted({*main.profiles, *overlay.profiles})
    if profile in known:
        return []
    name = sources.main.name if sources.main else "job_config.yaml"
    existing = f"existing profiles: {', '.join(known)}" if known else "there are no profiles"
    message = f"unknown profile {profile!r}: there is no profiles.{profile} in {name}"
    return [Problem("", "--profile", message, f"{schema.did_you_mean(profile, known)} {existing}".strip())]


def _check_sites_sizes(config: Config) -> list[Problem]:
    """Sizes of ``spark-defaults.conf`` that nobody overrides and Spark would refuse, later and less clearly."""
    problems = []
    for key in ("spark.executor.memory", "spark.driver.memory"):
        found = config.get(key)
        try:
            config.memory_mib(key)
        except UnitError as error:
            assert found is not None
            problems.append(Problem(key, found.origin, str(error)))
    return problems


def config_error(problems: Iterable[object]) -> ConfigError:
    """All problems of a configuration as one error; each is told once."""
    lines = list(dict.fromkeys(str(problem) for problem in problems))
    many = f"{len(lines)} problems" if len(lines) > 1 else "a problem"
    return ConfigError(f"the configuration has {many}", details=lines, next_step="correct what is listed and try again")
