"""What can be wrong with a job's parameters, and how it is said."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class ParamProblem:
    """One thing that is wrong: the dotted key or the flag as the user wrote it, what is wrong, what to do."""

    key: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        return f"{self.key}: {self.message}" + (f" ({self.hint})" if self.hint else "")


class ContractError(ValueError):
    """Everything that is wrong with a job's parameters, at once."""

    def __init__(self, problems: Iterable[ParamProblem]) -> None:
        self.problems: tuple[ParamProblem, ...] = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))

    def __reduce__(self) -> tuple[type[ContractError], tuple[tuple[ParamProblem, ...]]]:
        return type(self), (self.problems,)


def nearest(name: str, known: Iterable[str]) -> str:
    """Return ``did you mean X?`` for the known name closest to `name`, else the list of all known names."""
    names = sorted(set(known))
    import difflib  # for a message; it takes a while to load

    close = difflib.get_close_matches(name, names, 1, 0.6)
    return f"did you mean {close[0]}?" if close else f"known: {', '.join(names)}"
