"""``init-hdfs``: the tree under the storage root, made, looked at, or put right again."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Iterator
from dataclasses import replace

from batch_submit.adapters.stores import Store
from batch_submit.data_classes import dataclass
from batch_submit.errors import BatchSubmitError, ExitCode, UsageError
from batch_submit.operations.context import Selection, open_context
from batch_submit.operations.places import Place, open_place
from batch_submit.plan.backend_choice import LOCAL
from batch_submit.plan.storage_tree import (
    DEFAULT_MODE,
    Difference,
    Ownership,
    differences,
    ownership,
    refuse_shared_root,
    split_owner,
    tree,
)
from batch_submit.plan.transfer import Item
from batch_submit.render.storage import tree_json, tree_lines
from batch_submit.services import Services


@dataclass(frozen=True)
class TreeOptions:
    """``init-hdfs`` as typed. ``check`` and ``dry_run`` change nothing; ``check`` also tells by its exit code."""

    check: bool = False
    dry_run: bool = False
    recursive: bool = False
    as_json: bool = False


def with_ownership(selection: Selection, owner: str | None, mode: str | None) -> Selection:
    """The selection with ``--owner USER[:GROUP]`` and ``--mode`` as flags over the configuration."""
    flags = dict(selection.flags or {})
    if owner is not None:
        for name, value in zip(("owner", "group"), split_owner(owner), strict=True):
            if value:
                flags[("storage", name)] = (value, "--owner")
    if mode is not None:
        flags[("storage", "mode")] = (mode, "--mode")
    return replace(selection, flags=flags)


def init_tree(services: Services, selection: Selection, options: TreeOptions) -> int:
    """Make what is missing and put owner, group and mode right; a second time there is nothing to do.

    Returns
    -------
    int
        0; with ``check`` 3 when something differs.
    """
    context = open_context(services, selection)
    wanted = ownership(context.config)
    place = open_place(context)
    if place.backend == LOCAL and (wanted.owner or wanted.group):
        services.terminal.note("backend local: owner and group are not looked at")
        wanted = replace(wanted, owner="", group="")
    changes_owners = wanted != Ownership()
    if options.recursive and not changes_owners:
        raise UsageError("--recursive repairs what is configured, and nothing is", next_step="add --owner or --mode")
    if changes_owners:
        home = services.env.get("HOME", "") if place.backend == LOCAL else ""
        refuse_shared_root(place.root, home=home)
    paths = tree(place.root)
    found = _differences(place, paths, wanted, recursive=options.recursive)
    changed = bool(found) and not (options.check or options.dry_run)
    if changed:
        _apply(place.store, found, wanted)
    if options.as_json:
        answer = json.dumps(tree_json(place.filesystem, place.root, len(paths), found, changed=changed))
    else:
        answer = "\n".join(tree_lines(place.filesystem, place.root, len(paths), found, changed=changed))
    services.terminal.answer(answer)
    return ExitCode.HOST_NOT_READY if options.check and found else ExitCode.SUCCEEDED


def _differences(place: Place, paths: tuple[str, ...], wanted: Ownership, *, recursive: bool) -> tuple[Difference, ...]:
    found: list[Difference] = []
    for path in paths:
        found += differences(path, place.store.find(path), wanted)
    if recursive and not any(one.path == place.root for one in found if one.field in ("missing", "file")):
        for path, item in below(place.store, place.root):
            if path not in paths:
                found += differences(path, item, wanted, folder=False)
    return tuple(found)


def below(store: Store, root: str) -> Iterator[tuple[str, Item]]:
    """Everything below a folder with its path, parents first; links are neither followed nor named."""
    folders = [root]
    while folders:
        folder = folders.pop()
        for item in store.list(folder):
            path = posixpath.join(folder, item.name)
            if item.is_link or item.problem:
                continue
            if item.is_folder:
                folders.append(path)
            yield path, item


def _apply(store: Store, found: tuple[Difference, ...], wanted: Ownership) -> None:
    """Folders first, then modes, then owners: what only the superuser may do comes last."""
    taken = [one.path for one in found if one.field == "file"]
    if taken:
        raise UsageError("files have the names of folders of the tree", details=taken, next_step="move them away")
    done = 0
    try:
        owners = {one.path: None for one in found if one.field in ("owner", "group")}
        for one in found:
            if one.field == "missing":
                store.make_folder(one.path, wanted.mode or DEFAULT_MODE)
                # The server takes the bits of a umask away from what it was asked for.
                store.set_mode(one.path, wanted.mode or DEFAULT_MODE)
                made = differences(one.path, store.find(one.path), wanted)
                if any(left.field in ("owner", "group") for left in made):
                    owners[one.path] = None
            elif one.field == "mode":
                store.set_mode(one.path, one.wanted)
            done += one.field in ("missing", "mode")
        for path in owners:
            store.set_owner(path, wanted.owner, wanted.group)
            done += 1
    except BatchSubmitError as error:
        if done:
            error.details += (f"{done} changes were made before this and stay; see batch-submit init-hdfs --check",)
        raise
