"""Volumes as OME-Zarr 0.5: a folder of Zarr 3 arrays, sharded, one for each level of a pyramid.

Written after https://ngff.openmicroscopy.org/0.5/ ("multiscales" and "omero") and the Zarr 3
specification. Attributes under ``tomoline`` say what OME-NGFF has no words for: what the values
are, how stored integers become values, and where all came from. The arrays have the same in the
words of the CF conventions (``scale_factor``, ``add_offset``), which xarray applies by itself.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomoline.files._shards import ShardedArray, ShardWriter
from tomoline.files.atomic import translate_os_error
from tomoline.files.volume_blocks import Shape, Stored, VolumeFacts, check_room

SUFFIX = ".ome.zarr"
CHUNK = 64
"""Side of a chunk: 1 MiB of float32, what viewers fetch at once, alike from all three sides."""
SHARD = 512
"""Side of a shard: 512 MiB of float32, so that a large volume is some dozens of files."""
_AXES = ("z", "y", "x")


class OmeZarrWriter:
    """Write a volume and its pyramid, block by block.

    Parameters
    ----------
    folder : Path
        Exists and is empty.
    shapes : sequence of (z, y, x)
        Of all levels, the largest first.
    factors : sequence of (z, y, x)
        How many voxels of level 0 a voxel of each level is long.
    facts : VolumeFacts
        What the volume is.
    chunk, shard : int
        Longest sides in voxels; chunks divide the first level evenly.

    Raises
    ------
    TomolineError
        FILE-08 if there is no room for it.
    """

    def __init__(
        self,
        folder: Path,
        shapes: Sequence[Shape],
        factors: Sequence[Shape],
        facts: VolumeFacts,
        *,
        chunk: int = CHUNK,
        shard: int = SHARD,
    ) -> None:
        self._folder = folder
        self._facts = facts
        self._factors = factors
        self.shapes = tuple(shapes)
        self.block = _even_chunk(self.shapes[0], chunk)
        self._arrays = [
            ShardedArray(
                folder / str(level),
                shape,
                self.block,
                _shard_shape(shape, self.block, shard),
                np.dtype(facts.dtype).itemsize,
                facts.fill == 0,
            )
            for level, shape in enumerate(self.shapes)
        ]
        check_room(folder, self.total_bytes)
        self._writers: list[ShardWriter] = []

    @property
    def total_bytes(self) -> int:
        """Bytes of all shards."""
        return sum(array.total_bytes for array in self._arrays)

    def __enter__(self) -> OmeZarrWriter:
        try:
            for array in self._arrays:
                array.folder.mkdir()
                self._writers.append(ShardWriter(array))
        except OSError as error:
            raise translate_os_error(error, self._folder) from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        unfinished = sum(writer.unfinished for writer in self._writers)
        for writer in self._writers:
            writer.close()
        if error is None and unfinished:
            raise ValueError(f"{self._folder}: {unfinished} shards are not complete")

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
        self._writers[level].write(first, block_row, pieces, used)

    def finish(self, found: Mapping[str, Any]) -> None:
        """Write the metadata, which make the folder readable."""
        facts = self._facts
        for array in self._arrays:
            _write_json(array.folder / "zarr.json", _array_metadata(array, facts))
        group = {
            "zarr_format": 3,
            "node_type": "group",
            "attributes": {
                "ome": ome_metadata(facts, self._factors),
                "tomoline": {**facts.description, **found},
            },
        }
        _write_json(self._folder / "zarr.json", group)


def ome_metadata(facts: VolumeFacts, factors: Sequence[Shape]) -> dict[str, Any]:
    """Return the attribute ``ome`` of the group: axes, levels, and the window to show."""
    edge = facts.voxel_um or 1.0
    unit = {"unit": "micrometer"} if facts.voxel_um else {}
    low, high = facts.stored_window
    limits = (0.0, 65535.0) if facts.dtype == "uint16" else (low, high)
    return {
        "version": "0.5",
        "multiscales": [
            {
                "name": facts.name,
                "type": "mean",
                "axes": [{"name": name, "type": "space", **unit} for name in _AXES],
                "datasets": [
                    {"path": str(level), "coordinateTransformations": _placed(factor, edge)}
                    for level, factor in enumerate(factors)
                ],
                "metadata": {
                    "description": "each level is the mean of 2 x 2 x 2 voxels of the one before",
                    "method": "tomoline.kernels.pyramid.halve",
                },
            }
        ],
        "omero": {
            "channels": [
                {
                    "label": facts.quantity,
                    "color": "FFFFFF",
                    "active": True,
                    "window": {"min": limits[0], "max": limits[1], "start": low, "end": high},
                }
            ],
            "rdefs": {"model": "greyscale"},
        },
    }


def _placed(factor: Shape, edge_um: float) -> list[dict[str, Any]]:
    """Return scale and translation: where the centre of the first voxel of a level lies."""
    scale = [edge_um * one for one in factor]
    translation = [edge_um * (one - 1) / 2 for one in factor]
    return [
        {"type": "scale", "scale": scale},
        {"type": "translation", "translation": translation},
    ]


def _array_metadata(array: ShardedArray, facts: VolumeFacts) -> dict[str, Any]:
    little = {"name": "bytes", "configuration": {"endian": "little"}}
    values = {"scale_factor": facts.scale, "add_offset": facts.offset}
    return {
        "zarr_format": 3,
        "node_type": "array",
        "shape": list(array.shape),
        "data_type": facts.dtype,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": list(array.shard)}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": float(facts.fill) if facts.dtype == "float32" else facts.fill,
        "codecs": [
            {
                "name": "sharding_indexed",
                "configuration": {
                    "chunk_shape": list(array.chunk),
                    "codecs": [little],
                    "index_codecs": [little, {"name": "crc32c"}],
                    "index_location": "end",
                },
            }
        ],
        "dimension_names": list(_AXES),
        "attributes": {
            "long_name": facts.quantity,
            "units": facts.unit,
            **(values if facts.dtype == "uint16" else {}),
        },
    }


def _even_chunk(shape: Shape, most: int) -> Shape:
    """Return the chunk that divides a volume into as few as can be, all about as long.

    >>> _even_chunk((2, 65, 2040), 64)
    (2, 33, 64)
    """
    z, y, x = (math.ceil(size / math.ceil(size / most)) for size in shape)
    return z, y, x


def _shard_shape(shape: Shape, chunk: Shape, most: int) -> Shape:
    """Return shards of at most so many voxels a side, and no larger than the array needs."""
    z, y, x = (
        min(max(1, most // side), math.ceil(size / side)) * side
        for size, side in zip(shape, chunk, strict=True)
    )
    return z, y, x


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    try:
        path.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise translate_os_error(error, path.parent) from error
