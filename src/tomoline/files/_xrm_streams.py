"""The streams of Zeiss's OLE2 files: where their bytes stand, and small values."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tomoline.errors import TomolineError, files
from tomoline.files.atomic import translate_os_error

Runs = tuple[tuple[int, int], ...]
_OLE_START = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


class Streams:
    """The streams of one open file."""

    def __init__(self, ole: Any, path: Path) -> None:
        self._ole = ole
        self._path = path

    def has(self, name: str) -> bool:
        """Whether there is a stream of that name."""
        return bool(self._ole.exists(name))

    def read(self, name: str) -> bytes:
        """Return a stream's bytes."""
        if not self.has(name):
            raise files.TRUNCATED.error(self._path, f"It has no stream {name}.")
        data: bytes = self._ole.openstream(name).read()
        return data

    def values(self, name: str, letter: str, count: int = 1) -> tuple[Any, ...]:
        """Return the first `count` little-endian values of a stream, fewer if it is shorter."""
        data = self.read(name)
        size = struct.calcsize(letter)
        there = min(count, len(data) // size)
        return struct.unpack_from(f"<{there}{letter}", data)

    def number(self, name: str, letter: str) -> float | None:
        """Return one value, None where there is none."""
        if not self.has(name):
            return None
        found = self.values(name, letter)
        return float(found[0]) if found else None

    def runs(self, name: str) -> Runs | None:
        """Return (offset, bytes) of the pieces of a stream in the file, in order.

        None where the stream is too small to have sectors of its own.
        """
        entry = self._ole.direntries[self._ole._find(name)]  # noqa: SLF001 (no public way)
        if entry.size < self._ole.minisectorcutoff:
            return None
        sector_bytes, sector, left = self._ole.sectorsize, entry.isectStart, entry.size
        table, runs = self._ole.fat, []
        while left > 0:
            start, count = sector, 1
            while count * sector_bytes < left and table[sector] == sector + 1:
                sector, count = sector + 1, count + 1
            held = min(left, count * sector_bytes)
            runs.append(((start + 1) * sector_bytes, held))
            left -= held
            sector = table[sector]
        return tuple(runs)


@contextmanager
def open_streams(path: Path) -> Iterator[Streams]:
    """Open a file of Zeiss's.

    Raises
    ------
    TomolineError
        FILE-01, FILE-02, FILE-10 as the system says; FILE-03 damaged; FILE-04 no such file.
    """
    import olefile

    path = Path(path)
    if path.is_dir():
        raise files.NOT_A_FILE.error(path, "It is a folder.")
    try:
        with path.open("rb") as stream:
            if stream.read(8) != _OLE_START:
                raise files.NOT_THIS_FORMAT.error(path, "It is no file of Zeiss's.")
            stream.seek(0)
            with olefile.OleFileIO(stream) as ole:
                yield Streams(ole, path)
    except TomolineError:
        raise
    except OSError as error:
        if error.errno is not None:
            raise translate_os_error(error, path, reading=True) from error
        raise _damaged(path, error) from error
    except Exception as error:  # olefile raises many kinds for files that are not whole
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> TomolineError:
    return files.TRUNCATED.error(path, f"The file is damaged or cut short ({error}).")
