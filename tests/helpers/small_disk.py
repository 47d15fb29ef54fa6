"""A disk of a few MiB, real, in a namespace of its own: to be filled, and freed again."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from command import tomoline

FILLING = "filling"


class SmallDisk:
    """A file system in memory that only commands run by `run` see.

    Parameters
    ----------
    folder : Path
        Where it is mounted.
    size_mib : int
        Its size.
    """

    def __init__(self, folder: Path, size_mib: int) -> None:
        self.folder = folder
        script = (
            f"mount -t tmpfs -o size={size_mib}m none '{folder}' && echo ready && exec sleep 900"
        )
        self._keeper = subprocess.Popen(
            [shutil.which("unshare") or "false", "-rm", "sh", "-c", script],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert self._keeper.stdout is not None
        if self._keeper.stdout.readline() != b"ready\n":
            self.close()
            pytest.skip("mounting in a namespace of its own is not allowed here")

    @property
    def inside(self) -> Path:
        """The folder as it is seen from here."""
        return Path(f"/proc/{self._keeper.pid}/root{self.folder}")

    def run(
        self, *arguments: str | Path, read_only: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run tomoline where the disk is seen; of one folder of it, if named, only for reading."""
        prefix = ["nsenter", "-t", str(self._keeper.pid), "-U", "-m", "--preserve-credentials"]
        if read_only is not None:
            bound = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"'
            prefix += ["unshare", "-m", "sh", "-c", bound, str(read_only)]
        return tomoline(*arguments, prefix=tuple(prefix))

    def fill(self) -> None:
        """Leave no room at all."""
        with (self.inside / FILLING).open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError:
                os.fsync(file.fileno())

    def free(self) -> None:
        """Give the room back."""
        (self.inside / FILLING).unlink()

    def close(self) -> None:
        """Give the disk up."""
        self._keeper.kill()
        self._keeper.communicate()
