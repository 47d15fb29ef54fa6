"""A scan in an HDF5 file, whichever of the layouts it has."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tomoline.errors import scan
from tomoline.files import als832, data_exchange, nexus
from tomoline.files._hdf5_angles import find_angles
from tomoline.files._hdf5_tree import Tree, open_tree
from tomoline.files.frames import FrameLocation
from tomoline.files.scan_files import ScanFiles, ScanOptions
from tomoline.files.separate_frames import locate_stack


def read(path: Path, options: ScanOptions | None = None) -> ScanFiles:
    """Return what an HDF5 file tells of a scan.

    Raises
    ------
    TomolineError
        FILE-.. if it cannot be read; SCAN-01 no scan, SCAN-15, SCAN-17, SCAN-18, SCAN-21, SCAN-22
        as the layouts' readers say.
    """
    options = options or ScanOptions()
    with open_tree(path) as tree:
        found = _read(tree, options)
    if options.flats_file is not None:
        found = replace(found, flats=(locate_stack(options.flats_file, "flats"),))
    if options.darks_file is not None:
        found = replace(found, darks=(locate_stack(options.darks_file, "darks"),))
    return found


def _read(tree: Tree, options: ScanOptions) -> ScanFiles:
    if nexus.is_nexus(tree, options):
        return nexus.read(tree, options)
    if options.data_path is None and data_exchange.is_data_exchange(tree):
        return data_exchange.read(tree, options)
    if options.data_path is None and als832.is_als832(tree):
        return als832.read(tree)
    if options.data_path is not None and "exchange" in options.data_path:
        return data_exchange.read(tree, options)
    return _only_stack(tree, options)


def _only_stack(tree: Tree, options: ScanOptions) -> ScanFiles:
    """Take the only dataset in three dimensions, or the named one, as projections."""
    if options.data_path is None:
        stacks = tree.stacks()
        if not stacks:
            broken = "; ".join(f"{p} to {w}" for p, w in list(tree.dangling.items())[:4])
            links = f" Links lead nowhere: {broken}." if broken else ""
            raise scan.NO_PIXELS.error(tree.path, f"It holds no frames.{links}")
        if len(stacks) > 1:
            raise scan.SEVERAL_SCANS.error(
                tree.path,
                f"It holds {', '.join(stacks[:12])}.",
                "Name the dataset of the frames with scan.data_path.",
            )
        path = stacks[0]
    else:
        path = nexus.data_path(tree, options.data_path)
    count = tree.datasets[path].shape[0]
    angles = find_angles(tree, count, range(count), options.angles_path)
    return ScanFiles(
        format="HDF5",
        projections=(tree.frames(path, range(count)),),
        flats=(None,),
        darks=(None,),
        angles_deg=angles[0] if angles else None,
        angles_source=angles[1] if angles else "",
        notices=tuple(tree.notices),
        files=(tree.path,),
    )


def stack_in(path: Path, kind: str) -> FrameLocation:
    """Return the flats or darks in an HDF5 file: by its image key, its names, or all it holds."""
    names = ("data_white", "flats", "flat") if kind == "flats" else ("data_dark", "darks", "dark")
    with open_tree(path) as tree:
        if tree.named("image_key"):
            found = nexus.read_kind(tree, kind)
            if found is not None:
                return found
        stacks = tree.stacks()
        named = [one for one in stacks if one.rsplit("/", 1)[-1] in names]
        chosen = named or stacks
        if len(chosen) != 1:
            said = ", ".join(stacks[:12]) or "no frames"
            raise scan.NO_FLATS.error(path, f"The file of {kind} holds {said}.")
        return tree.frames(chosen[0], range(tree.datasets[chosen[0]].shape[0]))
