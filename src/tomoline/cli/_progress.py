"""What is shown while a recipe runs: a bar per piece of work, a line per step, warnings."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from tomoline.errors import Notice
from tomoline.steps import Step
from tomoline.workflow.record import StepRecord


class RunDisplay:
    """Shows the progress of one data set on a terminal; plain lines where it is none.

    It is both the engine's `Progress` and the run's `Listener`.
    """

    def __init__(self, console: Console, root: str) -> None:
        self._console = console
        self._root = root
        self._step = ""
        self._task: TaskID | None = None
        self._bars = Progress(
            TextColumn("{task.description:<32}"),
            BarColumn(),
            TextColumn("{task.completed:.0f}/{task.total:.0f}"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )

    def __enter__(self) -> Self:
        """Start drawing."""
        self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop drawing and leave the terminal as it was."""
        self._bars.stop()

    def start(self, label: str, total: int) -> None:
        """Show a new bar."""
        self._drop_bar()
        self._task = self._bars.add_task(escape(f"  {label}"), total=total)

    def advance(self, count: int = 1) -> None:
        """Move the bar on."""
        if self._task is not None:
            self._bars.advance(self._task, count)

    def step_starts(self, step: Step[Any], reason: str) -> None:
        """Show that a step begins."""
        self._step = step.name
        self.start(step.title, 1)

    def step_kept(self, step: Step[Any], reason: str) -> None:
        """Print why a step did not run."""
        self._line(f"{step.number:>5g}  {step.name:<15} [dim]{escape(reason)}[/dim]")

    def step_ended(self, record: StepRecord) -> None:
        """Print how a step ended."""
        self._drop_bar()
        colour = "green" if record.state == "finished" else "red"
        self._line(
            f"{record.number:>5g}  {record.name:<15} "
            f"[{colour}]{record.state}[/{colour}] {record.seconds:8.2f} s"
        )

    def warned(self, step: Step[Any], notice: Notice) -> None:
        """Print a warning."""
        self.notice(notice)

    def notice(self, notice: Notice) -> None:
        """Print a warning that belongs to no step."""
        self._line(f"[yellow]warning[/yellow] {escape(str(notice))}")

    def _line(self, text: str) -> None:
        self._bars.console.print(text, soft_wrap=True, highlight=False)

    def _drop_bar(self) -> None:
        if self._task is not None:
            self._bars.remove_task(self._task)
            self._task = None
