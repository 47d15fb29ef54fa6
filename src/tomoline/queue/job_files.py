"""The files by which a runner and a batch's process talk: ``PROJECT/.tomoline/jobs``."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from tomoline.queue.job import Job, Part
from tomoline.queue.layers import Layers
from tomoline.queue.model import Batch
from tomoline.queue.rows import to_data_set
from tomoline.queue.store import Store

FOLDER = "jobs"
_SUFFIXES = (".json", ".events", ".stop", ".out")


@dataclass(frozen=True)
class JobFiles:
    """Paths of one attempt at a batch; no other attempt shares one."""

    stem: Path

    @classmethod
    def of(cls, store: Store, batch: int, attempt: int) -> JobFiles:
        """Return the paths for an attempt."""
        return cls(store.work / FOLDER / f"{batch}-{attempt}")

    @property
    def job(self) -> Path:
        """The job file, which is also the lock of whoever works on it."""
        return self.stem.with_name(f"{self.stem.name}.json")

    @property
    def events(self) -> Path:
        """The event file."""
        return self.stem.with_name(f"{self.stem.name}.events")

    @property
    def stop(self) -> Path:
        """The file that asks to stop between two steps."""
        return self.stem.with_name(f"{self.stem.name}.stop")

    @property
    def out(self) -> Path:
        """What the process printed, which is nothing unless something is wrong."""
        return self.stem.with_name(f"{self.stem.name}.out")

    def last_words(self) -> str:
        """Return the first line that the process printed of a crash, or else the last one."""
        try:
            text = self.out.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        fatal = [line for line in lines if line.startswith("Fatal Python error")]
        return (fatal or lines or [""])[-1][:300]

    def remove(self) -> None:
        """Delete all but what the process printed, if it did."""
        for path in (self.job, self.events, self.stop):
            path.unlink(missing_ok=True)
        try:
            if self.out.stat().st_size == 0:
                self.out.unlink()
        except FileNotFoundError:
            pass


def build_job(store: Store, batch: Batch, *, threads: int, memory_bytes: int) -> Job:
    """Return the job of a batch, for its present attempt."""
    layers = Layers(store)
    with store.read() as db:
        row = db.execute("SELECT * FROM data_set WHERE id = ?", (batch.data_set,)).fetchone()
        entry = to_data_set(row)
        axes = ("a", "b") if entry.dual else ("",)
        sources = (entry.source, entry.source_b)
        parts = [
            Part(root, axis, str(source), str(entry.folder), layers.stack(entry, axis))
            for root, axis, source in zip(entry.roots, axes, sources, strict=False)
        ]
    files = JobFiles.of(store, batch.id, batch.attempt)
    return Job(
        batch=batch.id,
        attempt=batch.attempt,
        name=entry.name,
        recipe=entry.recipe,
        parts=parts,
        first=batch.first,
        last=batch.last,
        only=[name for name in batch.only.split(",") if name],
        reached=batch.reached,
        threads=threads,
        memory_bytes=memory_bytes,
        events=str(files.events),
        stop=str(files.stop),
        scratch=store.setting("scratch"),
    )


def write_job(path: Path, job: Job) -> None:
    """Write a job file under its name as a whole."""
    from tomoline.files.atomic import writing

    path.parent.mkdir(exist_ok=True)
    with writing(path, durable=False) as part:
        part.write_text(job.text(), encoding="utf-8")


def means_of(path: Path) -> tuple[int, int]:
    """Return threads and bytes that a job was given; zeros if its file cannot be read."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return int(content["threads"]), int(content["memory_bytes"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0, 0


def attempts_in(store: Store) -> dict[tuple[int, int], JobFiles]:
    """Return the files of all attempts that have any, by batch and attempt."""
    found: dict[tuple[int, int], JobFiles] = {}
    folder = store.work / FOLDER
    for path in folder.iterdir() if folder.is_dir() else ():
        batch, _, attempt = path.stem.partition("-")
        if path.suffix in _SUFFIXES and batch.isdigit() and attempt.isdigit():
            key = (int(batch), int(attempt))
            found[key] = JobFiles.of(store, *key)
    return found
