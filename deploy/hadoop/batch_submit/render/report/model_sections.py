"""The model: its features, what was left out and why, leakage, the candidates, importance."""

from __future__ import annotations

from collections.abc import Sequence

from batch_submit.render.report import histograms
from batch_submit.render.report.formats import count, duration, metric, percent
from batch_submit.render.report.markup import Markup, join
from batch_submit.render.report.names import LOWER, MAIN, better, ordered, title_of
from batch_submit.render.report.parts import (
    BAD,
    CAREFUL,
    GOOD,
    Column,
    badge,
    bar,
    code_text,
    details,
    facts,
    figures,
    heading,
    note,
    num,
    table,
)
from batch_submit.render.report.reading import Document, items, mapping, mappings, number, text
from batch_submit.render.report.view import Section, View

_FIRST_IMPORTANT = 25


def features(view: View) -> Section | None:
    """What the model learns from, and what it does not, with the reason."""
    found, left = mappings(view.document, "features"), mappings(view.document, "left_out")
    if not found and not left:
        return None
    return Section(
        "features", "Features", join([_used(view, found) if found else None, _left_out(left) if left else None])
    )


def _used(view: View, found: Sequence[Document]) -> Markup:
    trained = number(mapping(view.document, "rows").get("train"))
    rows = []
    for one in found:
        nulls = number(one.get("nulls"))
        share = percent(nulls / trained) if nulls and trained else ""
        rows.append(
            [
                code_text(text(one.get("name"))),
                text(one.get("role")),
                code_text(text(one.get("type"))),
                text(one.get("encoding")),
                _categories(one),
                count(nulls),
                share,
            ]
        )
    columns = [
        Column("feature"),
        Column("role"),
        Column("type"),
        Column("encoding"),
        num("categories"),
        num("nulls"),
        num("share of null"),
    ]
    return details(
        f"{len(found)} features", table(columns, rows, label="features", only_filled=True), is_open=len(found) <= 60
    )


def _categories(one: Document) -> str:
    arity = number(one.get("arity"))
    if arity is None:
        found = one.get("categories")
        arity = number(found) if number(found) is not None else float(len(items(found))) if items(found) else None
    return count(arity) if arity is not None else ""


def _left_out(left: Sequence[Document]) -> Markup:
    rows = [[code_text(text(one.get("name"))), text(one.get("reason"))] for one in left]
    shown = table([Column("column"), Column("why it is no feature", "wide")], rows, label="columns left out")
    return join([heading("Left out"), shown])


def is_leak(one: Document) -> bool:
    """Whether a column tells the label better than the limit allows; the report lists those that do not, too."""
    action = text(one.get("action"))
    found = next((value for key in ("auc", "correlation") if (value := number(one.get(key))) is not None), None)
    limit = number(one.get("limit"))
    return action != "none" if found is None or limit is None else found > limit


def leakage(view: View) -> Section | None:
    """Columns that tell the label by themselves."""
    found = mappings(view.document, "leakage")
    if not found:
        return None
    found.sort(key=lambda one: not is_leak(one))
    rows = []
    for one in found:
        measure = next((key for key in ("auc", "correlation") if number(one.get(key)) is not None), "")
        verdict = badge(text(one.get("action")) or "leak", CAREFUL) if is_leak(one) else badge("below the limit", GOOD)
        rows.append(
            [
                code_text(text(one.get("column"))),
                title_of(measure),
                metric(one.get(measure)),
                metric(one.get("limit")),
                verdict,
            ]
        )
    columns = [Column("column"), Column("measure"), num("found"), num("limit"), Column("")]
    said = (
        "A single column that predicts the label this well is most often known only afterwards. If so, add it to"
        " exclude_columns."
    )
    return Section("leakage", "Leakage", join([table(columns, rows, label="leakage"), note(said)]))


def search(view: View) -> Section | None:
    """Candidates of the grid, and the folds of the cross-validation."""
    parts = [_grid(view), _folds(view.document)]
    body = join(part for part in parts if part)
    return Section("search", "Candidates and folds", body) if body else None


def _grid(view: View) -> Markup | None:
    found = mappings(view.document, "grid")
    if not found:
        return None
    name = text(mapping(view.document, "best").get("scoring")) or MAIN.get(view.task, "main")
    chosen = _chosen(view.document, found, name)
    rows = []
    for at, one in enumerate(found):
        error = text(one.get("error"), 200)
        spread = number(one.get("std")) if number(one.get("std")) is not None else number(mapping(one, "std").get(name))
        rows.append(
            [
                count(one.get("candidate") if number(one.get("candidate")) is not None else at + 1),
                code_text(text(one.get("hyperparameters"))),
                metric(histograms.main_of(one, name)),
                metric(spread),
                duration(one.get("seconds")),
                badge("chosen", GOOD) if at == chosen else join([badge("failed", BAD), error], " ") if error else "",
            ]
        )
    columns = [num("#"), Column("hyper-parameters", "wide"), num(title_of(name)), num("std"), num("time"), Column("")]
    chart = histograms.candidates(found, title_of(name)) or histograms.candidates(found, name)
    picture = figures([chart.figure(plots=True)]) if chart is not None and view.plots else None
    shown = table(columns, rows, label="candidates of the grid", marked=chosen)
    return join([heading(f"{len(found)} candidate{'s' if len(found) > 1 else ''}"), shown, picture])


def _chosen(document: Document, grid: Sequence[Document], name: str) -> int | None:
    """Which candidate was taken: the one that the report names, else the best."""
    best = document.get("best")
    wanted = number(best) if number(best) is not None else number(mapping(best).get("candidate"))
    settings = mapping(best, "hyperparameters") or mapping(best)
    for at, one in enumerate(grid):
        if wanted is not None and number(one.get("candidate")) == wanted:
            return at
        if wanted is None and settings and mapping(one, "hyperparameters") == settings:
            return at
    values = [(value, -at) for at, one in enumerate(grid) if (value := histograms.main_of(one, name)) is not None]
    return (
        -(min(values, key=lambda found: (found[0], -found[1])) if better(name) == LOWER else max(values))[1]
        if values
        else None
    )


def _fold_name(one: Document, position: int) -> str:
    """A fold's own name; bare numbers, which may begin at 0, are counted from 1 as in the job's progress."""
    name = text(one.get("fold"))
    return name if name and not name.isdigit() else str(position)


def _folds(document: Document) -> Markup | None:
    """Each fold's metrics, their mean and spread."""
    found = mapping(document, "cross_validation")
    if not found:
        return None
    folds = next((mappings(found, key) for key in ("folds", "per_fold", "values") if mappings(found, key)), [])
    flat = [mapping(one, "metrics") or one for one in folds]
    means, spreads = mapping(found, "mean"), mapping(found, "std")
    names = [name for name in ordered(means or (flat[0] if flat else {})) if name not in ("fold", "rows", "seconds")]
    rows = [[_fold_name(one, at), *(metric(one.get(name)) for name in names)] for at, one in enumerate(flat, start=1)]
    if means:
        rows += [
            ["mean", *(metric(means.get(name)) for name in names)],
            ["std", *(metric(spreads.get(name)) for name in names)],
        ]
    said = [
        (text(key).replace("_", " "), text(value))
        for key, value in found.items()
        if number(value) is not None or isinstance(value, str)
    ]
    if not rows or not names:
        return join([heading("Cross-validation"), facts(said)]) if said else None
    shown = table(
        [Column("fold"), *(num(title_of(name)) for name in names)], rows, label="folds of the cross-validation"
    )
    return join([heading("Cross-validation"), facts(said), shown])


def importance(view: View) -> Section | None:
    """How much each feature counts: as it was measured here, and by the model itself where that is another answer."""
    found, by_model = mapping(view.document, "importance"), mapping(view.document, "importance_of_model")
    if not mappings(found, "values"):
        listed = mappings(view.document, "features")
        found = {"values": [{"feature": one.get("name"), "importance": one.get("importance")} for one in listed]}
    first = _ranked(found)
    if first is None:
        return None
    second = _ranked(by_model) if by_model.get("kind") != found.get("kind") else None
    more = details("and by the model itself", second) if second is not None else None
    return Section("importance", "Importance", join([first, more]))


def _ranked(found: Document) -> Markup | None:
    """Features by importance, the first few in sight."""
    values, kind = mappings(found, "values"), text(found.get("kind"))
    known = [(value, one) for one in values if (value := number(one.get("importance"))) is not None]
    if not known:
        return None
    known.sort(key=lambda pair: -abs(pair[0]))
    most = abs(known[0][0])
    rows = [
        [
            code_text(text(one.get("feature"))),
            metric(float(value)),
            metric(one.get("std")),
            bar(abs(value) / most if most else 0, BAD if value < 0 and kind == "permutation" else "plain"),
        ]
        for value, one in known
    ]
    columns = [Column("feature"), num("importance"), num("std"), Column("", "bars")]
    first = table(columns, rows[:_FIRST_IMPORTANT], label="importance of the features", only_filled=True)
    rest = rows[_FIRST_IMPORTANT:]
    others = table(columns, rest, label="less important features", only_filled=True)
    said = _IMPORTANCE.get(kind, _BY_MODEL)
    if number(found.get("repeats")) is not None:
        metric_name, rows_used = title_of(text(found.get("metric"))), count(found.get("rows"))
        said += f" Measured by {metric_name} on {rows_used} rows, {count(found.get('repeats'))} times each."
    return join([note(said), first, details(f"{len(rest)} more features", others) if rest else None])


_BY_MODEL = (
    "By the model itself: of trees the share of the gain that a feature made, of linear models the size of its weight."
    " It says what the model uses, not what causes the label."
)
_IMPORTANCE = {
    "permutation": (
        "How much worse the main metric gets when the values of this feature alone are shuffled. Around 0 the model"
        " does without it."
    ),
}
