"""What files, variables and flags say -> blocks of checked values. Every problem is collected, none stops us."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping as MappingOf
from dataclasses import field

from batch_submit.data_classes import dataclass
from batch_submit.plan import schema
from batch_submit.plan.java_properties import parse_properties
from batch_submit.plan.schema import JOB_SECTION, Key, Kind, Where
from batch_submit.plan.sourced import Layer, Path, Problem, Sourced
from batch_submit.plan.values import BadValue, check, list_items, node_of
from batch_submit.plan.yaml_tree import Mapping, Node, Scalar, parse_yaml

VARIABLE_PREFIX = "BATCH_SUBMIT_"
#: Variables with our prefix that are no configuration (read by batch_submit.sh).
OTHER_VARIABLES = frozenset({"BATCH_SUBMIT_PYTHON"})

_CONF_MAPS = ("spark_config", "custom_spark_conf")
_JOB_MAPS = (*_CONF_MAPS, "model_config", "data_config")
_NAMED = ("profiles", "environments")


@dataclass
class Block:
    """One set of sections: a file's own, an environment's, a profile's. ``jobs``: the job types' sections."""

    values: dict[Path, Sourced] = field(default_factory=dict)
    jobs: dict[str, dict[Path, Sourced]] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    job_warnings: dict[str, list[str]] = field(default_factory=dict)

    def put(self, job_type: str, path: Path, value: Sourced) -> None:
        """Store a value; of a Spark property written twice, the dotted one wins with a warning."""
        target = self.jobs.setdefault(job_type, {}) if job_type else self.values
        warnings = self.job_warnings.setdefault(job_type, []) if job_type else self.warnings
        old = target.get(path)
        if old is None:
            target[path] = value
            return
        winner, loser = (old, value) if is_short(value) and not is_short(old) else (value, old)
        target[path] = winner
        both = f"both set {path[-1]}; keep one of them"
        warnings.append(f"{winner.origin}: {winner.key} wins over {loser.key} ({loser.origin}): {both}")


@dataclass
class Document:
    """A whole file: its own block and the named ones."""

    block: Block = field(default_factory=Block)
    environments: dict[str, Block] = field(default_factory=dict)
    profiles: dict[str, Block] = field(default_factory=dict)


def is_short(value: Sourced) -> bool:
    """Whether a Spark property was written by its short name (``executor_memory``), not dotted."""
    return value.key.rpartition("spark_config.")[2] in schema.FLAG_STYLE


def read_document(text: str, name: str, base: str) -> tuple[Document, list[Problem]]:
    """Read a configuration file.

    Parameters
    ----------
    text, name, base
        Its content, how it is called in messages, and its folder (where its relative local paths start).
    """
    tree = parse_yaml(text, name)
    reader = _Reader(name, base)
    reader.problems += tree.problems
    # What YAML could change in silence is already reported: a second complaint about the same value would be noise.
    reader.reported = {(problem.where, problem.key) for problem in tree.problems}
    document = Document()
    if isinstance(tree.root, Mapping):
        reader.document(tree.root, document)
    elif not (isinstance(tree.root, Scalar) and tree.root.is_null):
        reader.report(tree.root.line, (), "the file must be a map of sections", f"known: {', '.join(schema.SECTIONS)}")
    return document, reader.problems


class _Reader:
    """Walks the tree of one file."""

    def __init__(self, name: str, base: str) -> None:
        self.name = name
        self.base = base
        self.problems: list[Problem] = []
        self.reported: set[tuple[str, str]] = set()
        self._label = ""
        self._prefix: Path = ()

    def report(self, line: int, path: Path, message: str, hint: str = "") -> None:
        where, key = f"{self.name}:{line}", ".".join((*self._prefix, *path))
        if not any(place == where and known.startswith(key) for place, known in self.reported):
            self.problems.append(Problem(key, where, message, hint))

    def document(self, root: Mapping, document: Document) -> None:
        """The file's own sections, then every named block in it."""
        own = {name: node for name, node in root.entries.items() if name not in _NAMED}
        self._sections(Mapping(own, root.line, root.key_lines), document.block)
        for section, blocks in (("environments", document.environments), ("profiles", document.profiles)):
            self._prefix = ()
            node = root.entries.get(section)
            if node is None or not self._is_map((section,), node, root.key_lines[section]):
                continue
            assert isinstance(node, Mapping)
            for name, body in node.entries.items():
                blocks[name] = Block()
                self._prefix, self._label = (), f"{section[:-1]} {name}"
                line = node.key_lines[name]
                if self._is_map((section, name), body, line):
                    assert isinstance(body, Mapping)
                    self._prefix = (section, name)
                    self._sections(body, blocks[name])

    def _sections(self, root: Mapping, block: Block) -> None:
        for name, node in root.entries.items():
            self._entry((name,), node, root.key_lines[name], block)

    def _entry(self, path: Path, node: Node, line: int, block: Block) -> None:
        """One key: a map is walked, a value is checked and stored."""
        if path[0] in _NAMED:
            self.report(line, path, "may stand only at the top of the file", "move it there")
        elif _is_map_path(path):
            if self._is_map(path, node, line):
                assert isinstance(node, Mapping)
                for name, child in node.entries.items():
                    self._entry((*path, name), child, node.key_lines[name], block)
        elif (found := lookup(path)) is None:
            self.report(line, path, *_unknown(path))
        else:
            key, stored = found
            try:
                written = ".".join((*self._prefix, *path))
                value = _sourced(key, stored, node, self._origin, line, self.base, written)
            except BadValue as error:
                self.report(line, path, error.message, error.hint)
            else:
                block.put(_job_type_of(path), stored, value)

    def _is_map(self, path: Path, node: Node, line: int) -> bool:
        """Whether there is a map to walk. Nothing at all (everything commented out) is an empty section."""
        if path[0] == JOB_SECTION and len(path) == 2 and path[1] not in schema.JOB_TYPES:
            self.report(line, path, *_unknown(path))
            return False
        if isinstance(node, Mapping):
            return True
        if isinstance(node, Scalar) and not node.quoted and not node.text:
            return False
        if isinstance(node, Scalar) and node.is_null:
            self.report(line, path, "a section can't be removed as a whole", "set its keys to null one by one")
        else:
            self.report(line, path, "expected a map of keys", "indent the keys below it")
        return False

    def _origin(self, line: int) -> str:
        place = f"{self.name}:{line}"
        return f"{self._label} ({place})" if self._label else place


def lookup(path: Path) -> tuple[Key, Path] | None:
    """The row of a key as written, and the place where its value is stored after the merge; None for an unknown one."""
    if path[0] != JOB_SECTION:
        key = schema.find(path)
        return (key, schema.canonical(path)) if key is not None and path[0] not in _NAMED else None
    if len(path) > 1 and path[1] not in (*schema.JOB_TYPES, "*"):
        return None
    if len(path) == 4 and path[2] in _JOB_MAPS:
        if path[2] == "custom_spark_conf" and not path[3].startswith("spark."):
            return None
        section = "spark_config" if path[2] in _CONF_MAPS else path[2]
        return lookup((section, path[3]))
    key = schema.find(path)
    return (key, ("job", path[2])) if key is not None and len(path) == 3 else None


def read_site(text: str, name: str) -> tuple[Layer, list[Problem]]:
    """The site's ``spark-defaults.conf`` as a layer. It was written for Spark: values are taken as Spark takes them."""
    properties = parse_properties(text, name)
    problems = [Problem("", f"{name}:{line}", message) for line, message in properties.errors]
    values: dict[Path, Sourced] = {}
    for key, value, line in properties.entries:
        if key in ("spark.executor.memory", "spark.driver.memory") and value.isascii() and value.isdigit():
            value += "m"  # Spark's default unit for these two
        values[("spark_config", key)] = Sourced(value, f"{name}:{line}", key=f"spark_config.{key}")
    return Layer(name, values, "site", properties.warnings), problems


def read_variables(variables: MappingOf[str, str]) -> tuple[Block, list[Problem]]:
    """``BATCH_SUBMIT_<SECTION>__<KEY>`` as values. Variables with another prefix are none of ours."""
    block, problems = Block(), []
    for name, text in sorted(variables.items()):
        if not name.startswith(VARIABLE_PREFIX) or name in OTHER_VARIABLES:
            continue
        path = _variable_path(name)
        if path is None:
            if near := _near_variable(name, cutoff=0.85):
                block.warnings.append(f"variable {name} is not one of ours and has no effect (did you mean {near!r}?)")
            continue
        found = lookup(path)
        if found is None or Where.VARIABLE not in found[0].where:
            near = _near_variable(name, cutoff=0.8)
            hint = f"did you mean {near!r}?" if near else "known sections: " + ", ".join(_variable_sections())
            message = "can't be set by a variable" if path[0] in _NAMED else "unknown key"
            problems.append(Problem(".".join(path), f"variable {name}", message, "" if path[0] in _NAMED else hint))
            continue
        _store(block, problems, path, found, text, f"variable {name}")
    return block, problems


def read_flags(flags: MappingOf[Path, tuple[object, str]], job_type: str | None) -> tuple[Block, list[Problem]]:
    """Flags as values. ``None`` means that the flag was not given; ``("job", key)`` belongs to the job type."""
    block, problems = Block(), []
    for written, (value, flag) in flags.items():
        if value is None:
            continue
        path = (JOB_SECTION, job_type or "*", *written[1:]) if written[0] == "job" else written
        found = lookup(path)
        if found is None:
            message, hint = _unknown(path)
            problems.append(Problem(".".join(written), f"flag {flag}", message, hint))
        elif Where.FLAG not in found[0].where:
            message = "can't be given as a flag: everybody on this host can read it"
            problems.append(Problem(".".join(written), f"flag {flag}", message, "use the file or a variable"))
        else:
            _store(block, problems, path, found, value, f"flag {flag}")
    return block, problems


def _store(
    block: Block, problems: list[Problem], path: Path, found: tuple[Key, Path], value: object, origin: str
) -> None:
    """Check and store what a variable or a flag says."""
    key, stored = found
    dotted = ".".join(path)
    try:
        if isinstance(value, str) and not value.strip() and key.kind is not Kind.CONF_VALUE:
            raise BadValue("is empty", "unset it, or write null to remove the value")
        node = Scalar("null", 0) if value == "null" else node_of(key, value)
        block.put(_job_type_of(path), stored, _sourced(key, stored, node, lambda _line: origin, 0, "", dotted))
    except BadValue as error:
        problems.append(Problem(dotted, origin, error.message, error.hint))


def _sourced(
    key: Key, stored: Path, node: Node, origin_at: Callable[[int], str], line: int, base: str, written: str
) -> Sourced:
    """A checked value with its source. ``null`` becomes ``None``: "remove what earlier layers said"."""
    origin = origin_at(line)
    if isinstance(node, Scalar) and node.is_null and not (node.text == "" and node.line == 0):
        return Sourced(None, origin, base, written)
    value = check(key, node)
    if stored[0] == "spark_config":
        value = str(value)  # counts: Spark's properties are texts
    items: tuple[Sourced, ...] = ()
    if key.combiner is schema.Combiner.APPEND:
        scalars = list_items(key, node)
        items = tuple(Sourced(None if one.is_null else one.text, origin_at(one.line), base, written) for one in scalars)
        value = tuple(item.value for item in items if item.value is not None)
    return Sourced(value, origin, base, written, items)


def _is_map_path(path: Path) -> bool:
    if path[0] == JOB_SECTION:
        return len(path) < 3 or (len(path) == 3 and path[2] in _JOB_MAPS)
    return len(path) == 1 and path[0] in schema.SECTIONS and schema.find(path) is None


def _job_type_of(path: Path) -> str:
    return path[1] if path[0] == JOB_SECTION else ""


def _unknown(path: Path) -> tuple[str, str]:
    """Message and hint for a key that does not exist."""
    name, prefix = path[-1], path[:-1]
    if prefix == (JOB_SECTION,):
        if right := schema.resolve_job_type(name):
            return f"{name!r} is another name of a job type and can't be a key", f"did you mean {right!r}?"
        hint = schema.did_you_mean(name, schema.JOB_TYPES) or "known: " + ", ".join(schema.JOB_TYPES)
        return "unknown job type", hint
    if prefix[2:] == ("custom_spark_conf",):
        short = schema.FLAG_STYLE.get(name)
        return "not a Spark property: they begin with 'spark.'", f"did you mean {short or 'spark.' + name!r}?"
    if len(prefix) == 3 and prefix[0] == JOB_SECTION:
        prefix = prefix[2:]
    return ("unknown key" if prefix else "unknown section"), schema.hint_for_key(name, prefix)


def _variable_path(name: str) -> Path | None:
    """The key that a variable names; None when it does not have the form of one."""
    parts = name[len(VARIABLE_PREFIX) :].split("__")
    if len(parts) == 1:
        return (parts[0].lower(),) if schema.find((parts[0].lower(),)) else None
    head = [part.lower() for part in parts[:-1]]
    last = parts[-1] if parts[-1].startswith("spark.") else parts[-1].lower()
    return (*head, last)


def _near_variable(name: str, cutoff: float) -> str:
    import difflib  # for a message; it takes a while to load

    close = difflib.get_close_matches(name.upper(), _variable_names(), n=1, cutoff=cutoff)
    return close[0] if close else ""


def _variable_names() -> list[str]:
    """Every variable that has a fixed name."""
    paths = [key.path for key in schema.KEYS if Where.VARIABLE in key.where and key.path[0] != JOB_SECTION]
    return [VARIABLE_PREFIX + "__".join(path).upper() for path in paths if not any("*" in part for part in path)]


def _variable_sections() -> list[str]:
    return [section for section in schema.SECTIONS if section not in _NAMED]
