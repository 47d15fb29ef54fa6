"""On which file systems a project's store works."""

from __future__ import annotations

import os
from pathlib import Path

from tomoline import errors

# Where WAL's shared memory and file locks do not work between machines.
NETWORK = frozenset(
    "nfs nfs4 cifs smb3 smbfs ncpfs afs coda lustre gpfs beegfs ceph glusterfs fuse.glusterfs "
    "fuse.sshfs sshfs 9p fuse.ceph fuse.gpfs orangefs pvfs2 panfs wekafs davfs fuse.davfs "
    "fuse.s3fs fuse.rclone virtiofs".split()
)


def file_system_of(path: Path, mounts: Path = Path("/proc/self/mountinfo")) -> str:
    """Return the type of the file system that holds `path`, "" where that is not known."""
    found = ("", "")
    try:
        lines = mounts.read_text(encoding="utf-8", errors="replace").splitlines()
        real = os.path.realpath(path)
    except OSError:
        return ""
    for line in lines:
        before, _, after = line.partition(" - ")
        fields = before.split()
        if len(fields) < 5 or not after:
            continue
        point = fields[4].replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\")
        inside = real == point or real.startswith(point.rstrip("/") + "/")
        # Of two on one point the later one is on top.
        if inside and len(point) >= len(found[0]):
            found = (point, after.split()[0])
    return found[1]


def refuse_network(folder: Path, mounts: Path) -> None:
    """Refuse a project's folder on a network file system.

    Raises
    ------
    TomolineError
        PROJ-05.
    """
    kind = file_system_of(folder, mounts)
    if kind in NETWORK:
        raise errors.project.NETWORK.error(folder, f"its file system is {kind}.")
