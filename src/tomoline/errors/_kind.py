"""What an error or warning of tomoline is: a code, what was found where, the rule, the remedy."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike


@dataclass(frozen=True)
class Notice:
    """A warning that a step or a reader gave: the run goes on, and the report tells it.

    Attributes
    ----------
    code : str
        Code of the kind, for ``tomoline explain``.
    where : str
        File, view, directive or step that it is about.
    found : str
        What was found there, with the numbers.
    remedy : str
        What to do about it.
    """

    code: str
    where: str
    found: str
    remedy: str

    def __str__(self) -> str:
        where = f"{self.where}: " if self.where else ""
        return f"{self.code}: {where}{self.found} {self.remedy}".rstrip()


class TomolineError(Exception):
    """An error that a user can meet: coded, located, with a remedy; never a traceback.

    Parameters
    ----------
    kind : ErrorKind
        The declared kind; its code and rule stand on the generated page of errors.
    where : str
        File, view, directive or step that it is about.
    found : str
        What was found there.
    remedy : str
        What to do; the kind's general remedy unless a better one was known.
    """

    def __init__(self, kind: ErrorKind, where: str, found: str, remedy: str) -> None:
        super().__init__(found)
        self.kind = kind
        self.code = kind.code
        self.where = where
        self.found = found
        self.remedy = remedy

    def __str__(self) -> str:
        where = f"{self.where}: " if self.where else ""
        return (
            f"{self.code}: {where}{self.found}\n  rule:   {self.kind.rule}\n  remedy: {self.remedy}"
        )


@dataclass(frozen=True)
class ErrorKind:
    """One row of the table of errors and warnings.

    Attributes
    ----------
    code : str
        Stable code, AREA-NN.
    title : str
        A few words.
    rule : str
        The rule that was broken, one sentence.
    remedy : str
        What to do about it, one or two sentences.
    step : str
        Step that gives it, or "any".
    warning : bool
        True where the run goes on.
    transient : bool
        True where the same may go well a little later, so that a queue tries again by itself.
    """

    code: str
    title: str
    rule: str
    remedy: str
    step: str = "any"
    warning: bool = False
    transient: bool = False

    def error(
        self, where: str | PathLike[str] = "", found: str = "", remedy: str | None = None
    ) -> TomolineError:
        """Return an exception of this kind, to be raised."""
        return TomolineError(self, str(where), found, remedy or self.remedy)

    def notice(
        self, where: str | PathLike[str] = "", found: str = "", remedy: str | None = None
    ) -> Notice:
        """Return a warning of this kind."""
        return Notice(self.code, str(where), found, remedy or self.remedy)


class Faults(TomolineError):  # noqa: N818 (a plural reads better than FaultsError)
    """Several faults found together, reported in one go (parameter files, missing inputs)."""

    def __init__(self, faults: list[TomolineError]) -> None:
        first = faults[0]
        super().__init__(first.kind, first.where, first.found, first.remedy)
        self.faults = faults

    def __str__(self) -> str:
        return "\n".join(str(fault) for fault in self.faults)
