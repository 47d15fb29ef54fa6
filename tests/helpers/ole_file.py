"""A minimal writer of OLE2 compound files, for samples of Zeiss's formats.

[MS-CFB]: sectors of 512 bytes, streams below 4096 bytes in the mini stream.
"""

import struct
from pathlib import Path

_SECTOR, _MINI, _CUTOFF = 512, 64, 4096
_FREE, _END, _FAT = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD
_NONE = 0xFFFFFFFF


def write_ole(path: Path, streams: dict[str, bytes], *, scattered: bool = False) -> None:
    """Write streams, named ``STORAGE/STREAM``; scattered ones stand in every other sector."""
    sectors: list[bytes] = []
    fat: dict[int, int] = {}

    def place(data: bytes, *, apart: bool = False) -> int:
        chunks = [data[k : k + _SECTOR].ljust(_SECTOR, b"\0") for k in range(0, len(data), _SECTOR)]
        chain = []
        for chunk in chunks:
            chain.append(len(sectors))
            sectors.append(chunk)
            if apart:
                sectors.append(b"\xee" * _SECTOR)
        for here, there in zip(chain, [*chain[1:], _END], strict=True):
            fat[here] = there
        return chain[0] if chain else _END

    mini, mini_fat, starts = b"", [], {}
    for name, data in streams.items():
        if len(data) >= _CUTOFF:
            starts[name] = place(data, apart=scattered)
            continue
        first, count = len(mini) // _MINI, -(-len(data) // _MINI)
        starts[name] = first if count else _END
        mini_fat += [first + k + 1 for k in range(count - 1)] + [_END] * (count > 0)
        mini += data.ljust(count * _MINI, b"\0")
    mini_start = place(mini)
    mini_fat_start = place(struct.pack(f"<{len(mini_fat)}I", *mini_fat))
    directory = _directory(streams, starts, mini_start, len(mini))
    directory_start = place(directory)
    # The table's own sectors stand last; each holds 128 numbers.
    count = 1
    while len(sectors) + count > 128 * count:
        count += 1
    first_fat = len(sectors)
    table = [fat.get(k, _FREE) for k in range(first_fat)] + [_FAT] * count
    table += [_FREE] * (128 * count - len(table))
    sectors += [struct.pack("<128I", *table[128 * k : 128 * k + 128]) for k in range(count)]
    header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16)
    header += struct.pack(
        "<HHHHH6xIIIII", 62, 3, 0xFFFE, 9, 6, 0, count, directory_start, 0, _CUTOFF
    )
    header += struct.pack("<IIII", mini_fat_start, -(-len(mini_fat) // 128), _END, 0)
    fat_places = [first_fat + k for k in range(count)]
    header += struct.pack("<109I", *fat_places, *[_FREE] * (109 - count))
    path.write_bytes(header + b"".join(sectors))


def _directory(
    streams: dict[str, bytes], starts: dict[str, int], mini_start: int, mini_bytes: int
) -> bytes:
    storages = sorted({name.split("/")[0] for name in streams})
    order = {storage: 1 + k for k, storage in enumerate(storages)}
    entries = [("Root Entry", 5, _NONE, 1, mini_start, mini_bytes)]
    following = 1 + len(storages)
    children = {one: sorted(n for n in streams if n.split("/")[0] == one) for one in storages}
    tail = []
    for storage in storages:
        right = order[storage] + 1 if storage != storages[-1] else _NONE
        entries.append((storage, 1, right, following, 0, 0))
        for name in children[storage]:
            right = following + 1 if name != children[storage][-1] else _NONE
            tail.append((name.split("/")[1], 2, right, _NONE, starts[name], len(streams[name])))
            following += 1
    made = b""
    for name, kind, right, child, start, size in entries + tail:
        text = (name + "\0").encode("utf-16-le")
        made += text.ljust(64, b"\0") + struct.pack(
            "<HBBIII", len(text), kind, 1, _NONE, right, child
        )
        made += bytes(16 + 4 + 8 + 8) + struct.pack("<IQ", start, size)
    return made.ljust(-(-len(made) // _SECTOR) * _SECTOR, b"\0")


def zeiss_streams(frames: list[bytes], height: int, width: int, code: int) -> dict[str, bytes]:
    """Return the streams of a Zeiss file: frames, their size and type, angles 0, 10, ..."""
    count = len(frames)

    def whole(number: int) -> bytes:
        return struct.pack("<i", number)

    streams = {
        "ImageInfo/ImageWidth": whole(width),
        "ImageInfo/ImageHeight": whole(height),
        "ImageInfo/NoOfImages": whole(count),
        "ImageInfo/ImagesTaken": whole(count),
        "ImageInfo/DataType": whole(code),
        "ImageInfo/Angles": struct.pack(f"<{count}f", *(10.0 * k for k in range(count))),
        "ImageInfo/Energy": struct.pack("<f", 9200.0),
        "ImageInfo/PixelSize": struct.pack("<f", 0.25),
    }
    for index, frame in enumerate(frames):
        streams[f"ImageData{index // 100 + 1}/Image{index + 1}"] = frame
    return streams
