"""What a step is, and what it gets to work with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from tomoline.errors import Notice
from tomoline.params import StepParams

if TYPE_CHECKING:  # with it comes NumPy, which the declarations do not need
    from tomoline.files.sinograms import Sinograms

Chunk = TypeVar("Chunk")
Result = TypeVar("Result")
P = TypeVar("P", bound=StepParams)
Values = dict[str, Any]


class Engine(Protocol):
    """Runs a function over chunks, within a number of threads and an amount of memory."""

    threads: int
    memory_bytes: int

    def map(
        self,
        function: Callable[[Chunk], Result],
        chunks: Sequence[Chunk],
        *,
        bytes_per_chunk: int,
        label: str,
    ) -> Iterator[Result]:
        """Yield ``function(chunk)`` for each chunk, in the order of the chunks.

        Parameters
        ----------
        function : callable
            Must release the GIL in its long parts; its result may not depend on other chunks.
        chunks : sequence
            The work; its division may not depend on the number of threads.
        bytes_per_chunk : int
            Bound on what one call holds, its result included. The engine never lets the sum over
            the calls in flight pass its limit.
        label : str
            For the progress bar.

        Raises
        ------
        TomolineError
            RUN-01 if a single chunk does not fit the limit.
        """
        ...


class StepContext(Protocol):
    """What a running step gets: its artifacts, an engine, and a place for warnings."""

    engine: Engine

    @property
    def root(self) -> str:
        """Root name of the data set."""

    @property
    def folder(self) -> Path:
        """Folder of the data set."""

    @property
    def source(self) -> Path:
        """The stack as it was given; only the set-up reads it."""

    def has(self, artifact: str) -> bool:
        """Whether an artifact that the step declares as optional is there."""

    def input(self, artifact: str) -> Path:
        """Return the path of an artifact that the step declares as read."""

    def writing(
        self, artifact: str, *, suffix: str = "", folder: bool = False
    ) -> AbstractContextManager[Path]:
        """Give a temporary path to write an artifact to; it gets its name when the block ends.

        If the block fails, the temporary file is removed and no artifact appears.

        Parameters
        ----------
        artifact : str
            Name of the artifact.
        suffix : str
            Stands for ``{suffix}`` in its file name, for those that have several formats.
        folder : bool
            Whether it is a folder of files; the block finds it made and empty.
        """

    def keep(self, artifact: str) -> None:
        """Tell that an artifact that the step writes is in place already."""

    def create_sinograms(self, artifact: str, shape: tuple[int, int, int]) -> Sinograms:
        """Make the store of a volatile artifact, of `shape` (rows, angles, columns), zeros.

        It is held in memory where it fits the limit, else in a scratch file; steps cannot tell.
        """

    def sinograms(self, artifact: str) -> Sinograms:
        """Return the store of a volatile artifact that the step declares as read."""

    def recall(self, name: str) -> Any:
        """Return what was prepared under a name while a scan was recorded, or None.

        Whoever uses it must see for himself that it is what he would compute.
        """

    def warn(self, notice: Notice) -> None:
        """Record a warning; the report and ``tomoline show`` tell it."""

    def log(self, message: str) -> None:
        """Write a line to the data set's log."""


@dataclass(frozen=True)
class Shape:
    """Size of a data set's raw stack, for bounds on memory and disk."""

    views: int
    height: int
    width: int


@dataclass(frozen=True)
class Step(Generic[P]):
    """The declaration of one step; everything about it stands in its file.

    Attributes
    ----------
    name : str
        Name of the step and of its file.
    number : float
        batchruntomo's number, which ``--from`` and ``--until`` take as well.
    title : str
        What it does, a few words.
    params : type
        Its frozen parameters.
    run : callable
        ``run(params, context) -> values``; values are JSON-ready numbers and words, with units in
        their names.
    reads, optional, writes : tuple of str
        Artifacts that it needs, that it uses when they are there, that it may write.
    code_version : int
        Raised whenever its results change; part of the fingerprint.
    chunk_axis : str
        Axis along which its work is divided.
    halo : int
        Neighbours along that axis that a chunk reads besides its own.
    memory_bytes : callable
        ``memory_bytes(shape, params)``: bound on the memory of one chunk.
    active : callable
        ``active(params)``: False where the parameters switch the step off.
    external : callable
        ``external(source, params)``: files outside the data set that it reads; only the set-up.
    beside : callable
        ``beside(folder, root, params)``: files in the data set's folder that it reads if they are
        there and that are no artifacts of its own, such as the other axis's.
    listed : callable
        ``listed(source, params)``: files outside that are too many to be digested; their names,
        sizes and times of change stand for them. Only the set-up.
    look : callable
        ``look(source, params)``: refuse an acquisition for what its headers tell, before anything
        is run. Only the set-up.
    """

    name: str
    number: float
    title: str
    params: type[P]
    run: Callable[[P, StepContext], Values]
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    memory_bytes: Callable[[Shape, P], int]
    optional: tuple[str, ...] = ()
    code_version: int = 1
    chunk_axis: str = "view"
    halo: int = 0
    active: Callable[[P], bool] = lambda params: True
    external: Callable[[Path, P], Sequence[Path]] = lambda source, params: ()
    beside: Callable[[Path, str, P], Sequence[Path]] = lambda folder, root, params: ()
    listed: Callable[[Path, P], Sequence[Path]] = lambda source, params: ()
    look: Callable[[Path, P], None] = lambda source, params: None

    @property
    def help(self) -> str:
        """The step's help: the docstring of its parameters."""
        return (self.params.__doc__ or "").strip()

    def validate(self, values: Mapping[str, Any]) -> P:
        """Return the parameters made of `values`, the rest at their defaults."""
        return self.params.model_validate(dict(values))
