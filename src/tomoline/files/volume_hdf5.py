"""Volumes as HDF5: a chunked NXdata that readers of NeXus show without being told how.

The HDF5 library lays out the file; the voxels are then written to the chunks' places directly,
since the library lets only one thread in at a time. The file is an ordinary one: the chunks are
not compressed, and all of them are allocated.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomoline.errors import files
from tomoline.files.atomic import translate_os_error
from tomoline.files.volume_blocks import (
    Shape,
    Stored,
    VolumeFacts,
    check_room,
    count_blocks,
    write_at,
)

SUFFIX = ".h5"
CHUNK = (16, 128, 128)
"""Mostly read slice by slice, so flatter than a cube; 1 MiB of float32, the library's cache."""


class Hdf5VolumeWriter:
    """Write a volume as HDF5, block by block.

    Parameters
    ----------
    path : Path
        The file to make.
    shape : (z, y, x)
        Of the volume.
    facts : VolumeFacts
        What the volume is.

    Raises
    ------
    TomolineError
        FILE-08 if there is no room for it.
    """

    def __init__(self, path: Path, shape: Shape, facts: VolumeFacts) -> None:
        self._path = path
        self.shapes = (shape,)
        z, y, x = (min(side, size) for side, size in zip(CHUNK, shape, strict=True))
        self.block = (z, y, x)
        self._facts = facts
        self._descriptor = -1
        blocks = math.prod(count_blocks(shape, self.block))
        item = np.dtype(facts.dtype).itemsize
        self._slice_bytes = y * x * item
        check_room(path.parent, blocks * z * self._slice_bytes + (1 << 20))

    def __enter__(self) -> Hdf5VolumeWriter:
        self._places = self._lay_out()
        try:
            self._descriptor = os.open(self._path, os.O_RDWR)
        except OSError as error:
            raise translate_os_error(error, self._path) from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._close()

    def write(
        self,
        level: int,
        first: int,
        block_row: int,
        pieces: Stored,
        used: NDArray[np.bool_],
        sums: NDArray[np.float64],
    ) -> None:
        """Store pieces of a row of chunks (see `VolumeFile.write`)."""
        layer, inside = divmod(first, self.block[0])
        for place, piece in zip(self._places[layer, block_row], pieces, strict=True):
            write_at(self._descriptor, piece, int(place) + inside * self._slice_bytes, self._path)

    def finish(self, found: Mapping[str, Any]) -> None:
        """Add what was found on the way."""
        import h5py

        self._close()
        with h5py.File(self._path, "r+") as file:
            description = {**self._facts.description, **found}
            process = file.create_group("/entry/process")
            process.attrs["NX_class"] = "NXprocess"
            process["program"] = "tomoline"
            process["version"] = str(description.get("tomoline", ""))
            # An attribute could not hold more than 64 KiB.
            process["details"] = json.dumps(description, allow_nan=False)

    def _close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def _lay_out(self) -> NDArray[np.int64]:
        """Make the file without voxels; return each chunk's place (layer, row, column), bytes."""
        import h5py

        try:
            with h5py.File(self._path, "w") as file:
                self._describe(file)
                return self._allocate(file)
        except OSError as error:
            raise translate_os_error(error, self._path) from error

    def _allocate(self, file: Any) -> NDArray[np.int64]:
        import h5py

        shape, facts = self.shapes[0], self._facts
        layout = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        layout.set_chunk(self.block)
        layout.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
        # All chunks are written, but for what lies beyond the edges, which nobody reads.
        layout.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
        layout.set_obj_track_times(False)
        dataset = h5py.h5d.create(
            file["/entry/volume"].id,
            b"data",
            h5py.h5t.py_create(np.dtype(facts.dtype).newbyteorder("<")),
            h5py.h5s.create_simple(shape),
            dcpl=layout,
        )
        data = h5py.Dataset(dataset)
        data.attrs["long_name"] = f"{facts.quantity} ({facts.unit})"
        data.attrs["units"] = facts.unit
        if facts.dtype == "uint16":
            data.attrs["scale_factor"], data.attrs["add_offset"] = facts.scale, facts.offset
        places = np.full(count_blocks(shape, self.block), -1, np.int64)

        def note(chunk: Any) -> None:
            at = tuple(o // side for o, side in zip(chunk.chunk_offset, self.block, strict=True))
            places[at] = chunk.byte_offset

        dataset.chunk_iter(note)
        if places.min() < 0:
            raise files.NOT_WRITABLE.error(self._path, "The HDF5 library did not allocate all.")
        return places

    def _describe(self, file: Any) -> None:
        shape, edge = self.shapes[0], self._facts.voxel_um
        file.attrs["default"] = "entry"
        entry = file.create_group("entry")
        entry.attrs.update({"NX_class": "NXentry", "default": "volume"})
        group = entry.create_group("volume")
        group.attrs["NX_class"] = "NXdata"
        group.attrs["signal"] = "data"
        group.attrs["axes"] = ["z", "y", "x"]
        for axis, size in zip("zyx", shape, strict=True):
            positions = group.create_dataset(axis, data=np.arange(size) * (edge or 1.0))
            positions.attrs["units"] = "um" if edge else "pixels"
