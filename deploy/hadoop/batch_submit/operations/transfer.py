"""``upload`` and ``download``: look at both sides, refuse or copy what differs, each file whole and checked."""

from __future__ import annotations

import json
import os
import posixpath
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from batch_submit.adapters.local_store import LocalStore, write_whole
from batch_submit.adapters.stop_signals import Stopped, stopped_by_signals
from batch_submit.adapters.stores import Done, Store, Verified
from batch_submit.adapters.temporary_names import is_alive, own_temporary, this_host
from batch_submit.adapters.transfer_progress import Advance, transfer_progress
from batch_submit.data_classes import dataclass
from batch_submit.errors import BatchSubmitError, ClusterUnreachable, ExitCode, MissingFile, NotFound, UsageError
from batch_submit.operations.context import Selection, open_context
from batch_submit.operations.places import open_place
from batch_submit.plan.backend_choice import LOCAL
from batch_submit.plan.transfer import (
    Item,
    TransferPlan,
    destination,
    hdfs_name_problem,
    is_left_behind,
    name_hash,
    plan_transfer,
    read_temporary_name,
    server_name_problem,
    settle,
)
from batch_submit.render.storage import transfer_json, transfer_lines
from batch_submit.services import Services


@dataclass(frozen=True)
class TransferOptions:
    """``upload`` and ``download`` as typed. ``verify``: read again what HDFS's checksum or a second look can tell."""

    overwrite: bool = False
    verify: bool = True
    dry_run: bool = False
    as_json: bool = False


@dataclass(frozen=True)
class Side:
    """One side: a store, the place in it, and how it is called in messages."""

    store: Store
    path: str
    name: str

    def at(self, item: Item) -> str:
        """The path of an item."""
        return posixpath.join(self.path, item.name) if item.name else self.path


def upload(services: Services, selection: Selection, local: str, dest: str, options: TransferOptions) -> int:
    """Copy a local file or folder to the storage root's filesystem."""
    place = open_place(open_context(services, selection))
    source = _local_side(services, local)
    path = place.path(destination(dest, posixpath.basename(posixpath.normpath(source.path))))
    target = Side(place.store, path, place.shown(path))

    def copy(item: Item, done: Done, check: Callable[[str], None]) -> None:
        path = target.at(item)
        temporary = own_temporary(posixpath.basename(path))
        place.store.put(
            Path(source.at(item)), path, temporary=temporary, overwrite=options.overwrite, done=done, check=check
        )

    def compare(item: Item, path: str) -> Verified:
        return place.store.compare(Path(source.at(item)), path)

    checked = _names_for_hdfs if place.backend != LOCAL else _no_names
    return _Transfer(services, options, source, target, copy, compare, checked, "uploading").run()


def download(services: Services, selection: Selection, source: str, local: str, options: TransferOptions) -> int:
    """Copy a file or folder of the storage root's filesystem to this host."""
    place = open_place(open_context(services, selection))
    path = place.path(source)
    origin = Side(place.store, path, place.shown(path))
    typed = destination(local, posixpath.basename(path))
    target = _local_side(services, typed)

    def copy(item: Item, done: Done, check: Callable[[str], None]) -> None:
        path = Path(target.at(item))
        pieces = place.store.read(origin.at(item)) if item.length else ()
        temporary = own_temporary(path.name)
        write_whole(pieces, path, item.length, temporary=temporary, overwrite=options.overwrite, done=done, check=check)

    def compare(item: Item, path: str) -> Verified:
        return place.store.compare(Path(path), origin.at(item))

    return _Transfer(services, options, origin, target, copy, compare, _no_names, "downloading").run()


def _local_side(services: Services, typed: str) -> Side:
    if not typed:
        raise UsageError("the name of the local file is empty")
    path = os.path.normpath(services.cwd / typed)
    return Side(LocalStore(), path, path)


Names = Callable[[Side, Side, Sequence[Item]], None]


def _no_names(source: Side, target: Side, items: Sequence[Item]) -> None:
    """Any name will do."""


def _names_for_hdfs(source: Side, target: Side, items: Sequence[Item]) -> None:
    bad = [f"{source.at(item)!r}: {problem}" for item in items if (problem := hdfs_name_problem(item.name))]
    if problem := hdfs_name_problem(target.path):
        bad.insert(0, f"{target.path!r}: {problem}")
    if bad:
        raise UsageError("names that can't be written to HDFS", details=bad, next_step="rename them")


@dataclass
class _Transfer:
    """One transfer of many files; the two directions differ in ``copy``, ``compare`` and the names allowed."""

    services: Services
    options: TransferOptions
    source: Side
    target: Side
    copy: Callable[[Item, Done, Callable[[str], None]], None]
    compare: Callable[[Item, str], Verified]
    check_names: Names
    doing: str

    def __post_init__(self) -> None:
        self._in_place = 0
        self._verified: Counter[Verified] = Counter()
        self._left_behind: list[str] = []

    def run(self) -> int:
        """Look, decide, copy, tell."""
        try:
            with stopped_by_signals():
                plan = self._plan()
                if not self.options.dry_run:
                    self._carry_out(plan)
        except Stopped as stop:
            left = f"{_files(self._in_place)} in place, none half there; run it again to go on"
            self.services.terminal.error([f"interrupted while {self.doing}", f"  {left}"])
            return ExitCode(128 + stop.number)
        verified = {way.value: self._verified[way] for way in (Verified.CHECKSUM, Verified.READING, Verified.LENGTH)}
        told = (self.source.name, self.target.name, plan, verified)
        if self.options.as_json:
            answer = json.dumps(transfer_json(*told, dry_run=self.options.dry_run))
        else:
            answer = "\n".join(transfer_lines(*told, dry_run=self.options.dry_run))
        self.services.terminal.answer(answer)
        return ExitCode.SUCCEEDED

    def _plan(self) -> TransferPlan:
        items = self._walk()
        self.check_names(self.source, self.target, items)
        plan = plan_transfer(items, self._there(items), overwrite=self.options.overwrite)
        if not plan.conflicts and plan.compare:
            total = sum(item.length for item in plan.compare)
            what = f"comparing {_files(len(plan.compare))} already there"
            same, behind = [], 0
            with transfer_progress(self.services.terminal, what, total, self.services.clock.monotonic) as advance:
                for item in plan.compare:
                    same.append(not item.length or self.compare(item, self.target.at(item)) is not Verified.DIFFERS)
                    behind += item.length
                    advance(behind)
            plan = settle(plan, same, overwrite=self.options.overwrite)
        if plan.conflicts:
            message = f"{self.target.name} is in the way; nothing was copied"
            step = "--overwrite replaces files, never folders; DEST/ puts it inside a folder"
            raise UsageError(message, details=plan.conflicts, next_step=step)
        return plan

    def _walk(self) -> list[Item]:
        """The source, parents first."""
        top = self.source.store.find(self.source.path)
        if top is None:
            missing = MissingFile if isinstance(self.source.store, LocalStore) else NotFound
            raise missing("there is no such file or folder", where=self.source.name)
        items, folders, at = [top], [top] if top.is_folder else [], 0
        while at < len(folders):
            folder, at = folders[at], at + 1
            for found in self.source.store.list(self.source.at(folder)):
                if read_temporary_name(found.name) is not None:
                    self.services.terminal.note(f"left out, a transfer's temporary file: {found.name}")
                    continue
                if problem := server_name_problem(found.name):
                    raise ClusterUnreachable(f"{found.name!r}: {problem}", where=self.source.at(folder))
                item = _below(folder.name, found)
                items.append(item)
                if item.is_folder:
                    folders.append(item)
        bad = [f"{self.source.at(item)}: {item.problem}" for item in items if item.problem]
        if bad:
            raise UsageError("not everything can be copied, and nothing was", details=bad, next_step="name the parts")
        return items

    def _there(self, items: Sequence[Item]) -> dict[str, Item]:
        """What the destination holds under the source's names; notes the temporary files of ours that died."""
        there: dict[str, Item] = {}
        found = self.target.store.find(self.target.path)
        if found is not None:
            there[""] = found
        if not items[0].is_folder:
            above, name = posixpath.split(self.target.path)
            top = self.target.store.find(above)
            if top is not None and top.is_folder:
                self._note_left_behind(above, {name}, list(self.target.store.list(above)))
            return there
        names: dict[str, set[str]] = {item.name: set() for item in items if item.is_folder}
        for item in items[1:]:
            folder, name = posixpath.split(item.name)
            names[folder].add(name)
        for folder, wanted in names.items():  # parents first, as the items are
            if folder not in there or not there[folder].is_folder:
                continue
            path = posixpath.join(self.target.path, folder) if folder else self.target.path
            inside = list(self.target.store.list(path))
            there |= {one.name: one for one in (_below(folder, item) for item in inside if item.name in wanted)}
            self._note_left_behind(path, wanted, inside)
        return there

    def _note_left_behind(self, folder: str, names: set[str], inside: Sequence[Item]) -> None:
        hashes = {name_hash(name) for name in names}
        now_ms = int(self.services.clock.now_utc().timestamp() * 1000)
        for item in inside:
            temporary = read_temporary_name(item.name)
            if temporary is None or temporary.name_hash not in hashes:
                continue
            if is_left_behind(item, temporary, host=this_host(), alive=is_alive(temporary), now_ms=now_ms):
                self._left_behind.append(posixpath.join(folder, item.name))

    def _carry_out(self, plan: TransferPlan) -> None:
        for path in self._left_behind:
            self.target.store.delete(path)
            self.services.terminal.note(f"deleted what an earlier transfer left behind: {path}")
        try:
            for folder in plan.folders:
                self.target.store.make_folder(self.target.at(folder))
            if not plan.copy:
                return
            if not any(item.is_folder for item in (*plan.folders, *plan.copy)) and plan.copy[0].name == "":
                self._make_parent()
            self._copy_files(plan)
        except BatchSubmitError as error:
            if self._in_place:
                error.details += (f"{self._in_place} of {_files(len(plan.copy))} in place; run it again to go on",)
            raise

    def _make_parent(self) -> None:
        above = posixpath.dirname(self.target.path)
        if self.target.store.find(above) is None:
            self.target.store.make_folder(above)

    def _copy_files(self, plan: TransferPlan) -> None:
        what = f"{self.doing} {_files(len(plan.copy))}"
        clock = self.services.clock.monotonic
        with transfer_progress(self.services.terminal, what, plan.copy_bytes, clock) as advance:
            behind = 0
            for item in plan.copy:
                self._copy_one(item, partial(_from, advance, behind))
                behind += item.length
                self._in_place += 1
                advance(behind)

    def _copy_one(self, item: Item, done: Done) -> None:
        local = Path((self.source if isinstance(self.source.store, LocalStore) else self.target).at(item))
        before = _stamp(local)
        way = Verified.LENGTH

        def check(temporary: str) -> None:
            nonlocal way
            if local == Path(self.source.at(item)) and _stamp(local) != before:
                raise UsageError("this file changed while it was copied", where=str(local), next_step="run it again")
            if self.options.verify and item.length:
                way = self.compare(item, temporary)
            if way is Verified.DIFFERS:
                message = "what was written differs from the source"
                raise ClusterUnreachable(message, where=self.target.at(item), next_step="run it again")

        self.copy(item, done, check)
        self._verified[way] += 1


def _files(count: int) -> str:
    return f"{count} file{'' if count == 1 else 's'}"


def _from(advance: Advance, start: int, done: int) -> None:
    advance(start + done)


def _stamp(local: Path) -> tuple[int, int] | None:
    try:
        found = local.stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns


def _below(folder: str, item: Item) -> Item:
    return replace(item, name=posixpath.join(folder, item.name))
