"""What the name of a file tells: that it is still being copied, or no acquisition at all."""

from __future__ import annotations

import re
from collections.abc import Iterable

from tomoline.queue.axes import CLASSES
from tomoline.queue.spelling import composed, fits

STACKS = tuple(CLASSES)
_TEMPORARY_ENDS = ("~", ".part", ".partial", ".tmp", ".temp", ".crdownload", ".filepart", ".!sync")
# Frames as SerialEM, Tomography 5 and EPU name them: NAME_001_-3.0_Jan01_..., NAME_001[3.00],
# NAME_EER, NAME_fractions; and the reference images of cameras.
_FRAMES = re.compile(
    r"_\d{3,5}_-?\d+\.\d+(_|$)|\[-?\d+\.\d+\]|_fractions$|_eer$|^(countref|superref|defects)_"
    r"|(^|_)gain(ref)?(_|$)",
    re.IGNORECASE,
)
_PARTS = re.compile(r"_data_\d{6}$")
_MOST_NAMED = 12
_RESULTS = (
    "_preali", "_full_rec", "_rec", "_ali", "_fixed", "_orig", "_bin4_rec", "_flat", "_erase",
)  # fmt: skip


def is_temporary(name: str) -> bool:
    """Whether a name is one that copying programs give to a file until it is whole.

    >>> [is_temporary(name) for name in ("a.mrc", ".a.mrc.Xy12Za", "a.mrc.part", "a.mrc~")]
    [False, True, True, True]
    """
    return name.startswith((".", "~")) or name.lower().endswith(_TEMPORARY_ENDS)


def is_meant(name: str, pattern: str) -> bool:
    """Whether a file's name fits what is watched for; all do where that is empty."""
    return not pattern or composed(name) == composed(pattern) or fits(name, pattern)


def is_utf8(name: str) -> bool:
    """Whether a name as Python gives it can be written down."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def split(name: str) -> tuple[str, str]:
    """Return stem and suffix in lower case.

    >>> split("TS.01.MRC")
    ('TS.01', '.mrc')
    """
    stem, dot, suffix = name.rpartition(".")
    return (stem, f".{suffix.lower()}") if dot and stem else (name, "")


def is_frame(stem: str) -> bool:
    """Whether a name is that of the frames of one view, or of a camera's reference.

    >>> is_frame("TS_01_003_-6.0_Jan05_10.11.12"), is_frame("TS_01")
    (True, False)
    """
    return _FRAMES.search(stem) is not None


def is_part(stem: str) -> bool:
    """Whether a name is that of a file with a part of the frames, as DECTRIS detectors write them.

    >>> is_part("bone_data_000001"), is_part("bone_master")
    (True, False)
    """
    return _PARTS.search(stem) is not None


def result_of(stem: str) -> str:
    """Return the root name of what is called like a result of IMOD or tomoline, else "".

    >>> result_of("TS_01_full_rec"), result_of("TS_01")
    ('TS_01', '')
    """
    for end in _RESULTS:
        if stem.endswith(end) and len(stem) > len(end):
            return stem[: -len(end)]
    return ""


def shown(text: str) -> str:
    r"""Return a name for people, on one line.

    >>> shown("a\nb")
    'a\\nb'
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def printable(name: str) -> str:
    """Return a name that a data set can have, in place of one with control characters."""
    return "".join(c if c.isprintable() and c != "/" else "_" for c in name)


def named(missing: Iterable[str]) -> str:
    """Return names for people, the first dozen of them."""
    items = [shown(one) for one in missing]
    more = len(items) - _MOST_NAMED
    return ", ".join(items[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
