"""Zarr shards: files that hold many chunks, and an index of where each one lies.

Layout after the sharding-indexed codec of Zarr 3 (https://zarr-specs.readthedocs.io, "Sharding
codec"): chunks in any order, then for each chunk its offset and its length as little-endian 64-bit
integers (all bits set where a chunk is left out and reads as the fill value), then the CRC-32C of
that index. Chunks are not compressed, so they stand in C order at places known from the start.
"""

from __future__ import annotations

import math
import os
import threading
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomoline.files._crc32c import crc32c
from tomoline.files.volume_blocks import Shape, count_blocks, open_new, write_at

_LEFT_OUT = np.uint64(0xFFFFFFFFFFFFFFFF)
_CHECKSUM_BYTES = 4


@dataclass(frozen=True)
class ShardedArray:
    """Where the chunks of one array lie.

    Attributes
    ----------
    folder : Path
        Of the array; shards are ``c/z/y/x`` in it.
    shape, chunk, shard : (z, y, x)
        Sizes in voxels; `shard` is a multiple of `chunk`.
    item_bytes : int
        Bytes of a voxel.
    zero_fill : bool
        Whether the fill value is all zero bytes, so that pieces of it need not be written.
    """

    folder: Path
    shape: Shape
    chunk: Shape
    shard: Shape
    item_bytes: int
    zero_fill: bool

    @property
    def chunk_bytes(self) -> int:
        """Bytes of a chunk."""
        return math.prod(self.chunk) * self.item_bytes

    @property
    def chunks_per_shard(self) -> Shape:
        """Chunks of a whole shard."""
        return count_blocks(self.shard, self.chunk)

    @property
    def total_bytes(self) -> int:
        """Bytes of all shards together."""
        chunks = math.prod(count_blocks(self.shape, self.chunk))
        shards = math.prod(count_blocks(self.shape, self.shard))
        index = 16 * math.prod(self.chunks_per_shard) + _CHECKSUM_BYTES
        return chunks * self.chunk_bytes + shards * index

    def held(self, place: Shape) -> Shape:
        """Return how many chunks (z, y, x) of the shard at `place` lie in the array."""
        chunks = count_blocks(self.shape, self.chunk)
        z, y, x = (
            min(most, count - one * most)
            for most, count, one in zip(self.chunks_per_shard, chunks, place, strict=True)
        )
        return z, y, x


@dataclass
class _Shard:
    """A shard that is being filled."""

    descriptor: int
    path: Path
    held: Shape
    used: NDArray[np.bool_]
    remaining: int
    lock: threading.Lock = field(default_factory=threading.Lock)


class ShardWriter:
    """Fills the shards of an array, from any thread; each is closed as soon as it is full.

    Parameters
    ----------
    array : ShardedArray
        Its folder must exist.
    """

    def __init__(self, array: ShardedArray) -> None:
        self._array = array
        self._open: dict[Shape, _Shard] = {}
        self._lock = threading.Lock()
        layers, rows, _ = count_blocks(array.shape, array.shard)
        for z, y in product(range(layers), range(rows)):
            (array.folder / "c" / str(z) / str(y)).mkdir(parents=True)

    def write(
        self, first: int, chunk_row: int, pieces: NDArray[Any], used: NDArray[np.bool_]
    ) -> None:
        """Store pieces (chunk, slice, chunk row, chunk column); see `VolumeFile.write`."""
        array = self._array
        per_z, per_y, per_x = array.chunks_per_shard
        layer, slice_in_chunk = divmod(first, array.chunk[0])
        place_z, z = divmod(layer, per_z)
        place_y, y = divmod(chunk_row, per_y)
        slice_bytes = array.chunk[1] * array.chunk[2] * array.item_bytes
        for begin in range(0, len(pieces), per_x):
            shard = self._shard((place_z, place_y, begin // per_x))
            _, high, wide = shard.held
            mine = slice(begin, begin + wide)
            row = (z * high + y) * wide
            for x, (piece, filled) in enumerate(zip(pieces[mine], used[mine], strict=True)):
                if filled or not array.zero_fill:
                    offset = (row + x) * array.chunk_bytes + slice_in_chunk * slice_bytes
                    write_at(shard.descriptor, piece, offset, shard.path)
            with shard.lock:
                shard.used[z, y, : len(used[mine])] |= used[mine]
                shard.remaining -= pieces.shape[1]
                full = shard.remaining == 0
            if full:
                self._complete((place_z, place_y, begin // per_x))

    def close(self) -> None:
        """Close what is still open, after a failure."""
        with self._lock:
            for shard in self._open.values():
                os.close(shard.descriptor)
            self._open.clear()

    @property
    def unfinished(self) -> int:
        """Number of shards that were begun and are not full."""
        return len(self._open)

    def _shard(self, place: Shape) -> _Shard:
        with self._lock:
            shard = self._open.get(place)
            if shard is None:
                held = self._array.held(place)
                path = self._array.folder.joinpath("c", *map(str, place))
                depth = min(
                    self._array.shard[0], self._array.shape[0] - place[0] * self._array.shard[0]
                )
                # Every slice comes once for each row of chunks.
                shard = _Shard(
                    open_new(path), path, held, np.zeros(held, np.bool_), depth * held[1]
                )
                self._open[place] = shard
            return shard

    def _complete(self, place: Shape) -> None:
        """Write a shard's index and close it."""
        with self._lock:
            shard = self._open.pop(place)
        size = self._array.chunk_bytes
        index = np.full((*self._array.chunks_per_shard, 2), _LEFT_OUT, "<u8")
        z, y, x = shard.held
        offsets = np.arange(z * y * x, dtype=np.uint64).reshape(shard.held) * np.uint64(size)
        index[:z, :y, :x, 0] = np.where(shard.used, offsets, _LEFT_OUT)
        index[:z, :y, :x, 1] = np.where(shard.used, np.uint64(size), _LEFT_OUT)
        encoded = index.tobytes()
        encoded += crc32c(encoded).to_bytes(_CHECKSUM_BYTES, "little")
        try:
            write_at(shard.descriptor, encoded, z * y * x * size, shard.path)
        finally:
            os.close(shard.descriptor)
