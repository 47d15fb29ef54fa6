"""The default engine: a pool of threads and a bound on memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from tomoline import errors
from tomoline.engine._base import Progress, SilentProgress
from tomoline.units import format_bytes

Chunk = TypeVar("Chunk")
Result = TypeVar("Result")


class ThreadsEngine:
    """Runs chunks on threads of this process.

    Results come in the order of the chunks, and a chunk starts only when the chunks in flight and
    the results not yet taken leave room for it, so the memory limit holds however slow the
    consumer is.

    >>> engine = ThreadsEngine(threads=2, memory_bytes=1 << 20)
    >>> list(engine.map(lambda n: n * n, [1, 2, 3], bytes_per_chunk=8, label="squares"))
    [1, 4, 9]
    """

    def __init__(self, threads: int, memory_bytes: int, progress: Progress | None = None) -> None:
        self.threads = threads
        self.memory_bytes = memory_bytes
        self.progress = progress or SilentProgress()

    def map(
        self,
        function: Callable[[Chunk], Result],
        chunks: Sequence[Chunk],
        *,
        bytes_per_chunk: int,
        label: str,
    ) -> Iterator[Result]:
        """Yield ``function(chunk)`` for each chunk, in order (see `tomoline.steps.Engine`)."""
        if bytes_per_chunk > self.memory_bytes:
            raise errors.running.NO_MEMORY.error(
                label,
                f"one piece needs {format_bytes(bytes_per_chunk)}, "
                f"the limit is {format_bytes(self.memory_bytes)}.",
            )
        self.progress.start(label, len(chunks))
        # One more than there are threads keeps them busy while the consumer writes.
        fitting = self.memory_bytes // max(bytes_per_chunk, 1)
        in_flight = max(1, min(self.threads + 1, fitting))
        if self.threads == 1 or in_flight == 1:
            for chunk in chunks:
                result = function(chunk)
                self.progress.advance()
                yield result
            return
        pool = ThreadPoolExecutor(self.threads, thread_name_prefix="tomoline")
        waiting: deque[Future[Result]] = deque()
        try:
            for chunk in chunks:
                if len(waiting) >= in_flight:
                    yield self._take(waiting)
                waiting.append(pool.submit(function, chunk))
            while waiting:
                yield self._take(waiting)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _take(self, waiting: deque[Future[Result]]) -> Result:
        result = waiting.popleft().result()
        self.progress.advance()
        return result
