"""From the text of a directive or an option to a parameter's value."""

from __future__ import annotations

import math
import re
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from tomoline.params import ParameterInfo, type_text

_INTEGER = re.compile(r"[+-]?\d{1,18}")
_RANGE = re.compile(r"(-?\d{1,9})\s*-\s*(-?\d{1,9})")
_LONGEST_LIST = 100_000


def directive_value(text: str, info: ParameterInfo) -> Any:
    """Return the value that a directive's text means for the parameter it sets.

    Parameters
    ----------
    text : str
        As it stands in the file, not empty.
    info : ParameterInfo
        The parameter, with its type and IMOD's codes.

    Raises
    ------
    ValueError
        With a sentence that says what was expected.
    """
    if info.directive_values is not None:
        for code, value in info.directive_values.items():
            if same(str(code), text):
                return value
        if info.choices or info.type is bool:
            codes = ", ".join(str(code) for code in info.directive_values)
            raise ValueError(f"must be one of {codes}")
    pair = bool(info.directive and info.directive.endswith("XandY"))
    return convert(text, info.type, one_for_both=pair)


def same(code: str, text: str) -> bool:
    """Whether two texts are equal, as numbers if they are numbers.

    >>> same("0", "0.0"), same("M", "m")
    (True, False)
    """
    if code == text:
        return True
    try:
        return float(code) == float(text)
    except ValueError:
        return False


def convert(text: str, kind: Any, *, strict: bool = True, one_for_both: bool = False) -> Any:
    """Return `text` as a value of the type `kind`; bounds are left to the model.

    Parameters
    ----------
    text : str
        Not empty.
    kind : type
        bool, int, float, str, Path, a Literal, a tuple, or a union of these.
    strict : bool
        Yes and no are exactly 1 and 0, as in IMOD; otherwise words will do as well.
    one_for_both : bool
        One number fills a pair.

    >>> convert("1,4-6", tuple[int, ...])
    (1, 4, 5, 6)
    >>> convert("0.35 0.05", tuple[float, float])
    (0.35, 0.05)

    Raises
    ------
    ValueError
        With a sentence that says what was expected.
    """
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return _union(text, arguments, strict, one_for_both)
    if origin is Literal:
        for choice in arguments:
            if str(choice) == text:
                return choice
        raise ValueError("must be one of " + ", ".join(str(choice) for choice in arguments))
    if origin in (tuple, list, frozenset, set):
        return _several(text, origin, arguments, strict, one_for_both)
    if kind is bool:
        return _boolean(text, strict)
    if kind is int:
        return _integer(text)
    if kind is float:
        return _number(text)
    if kind is Path:
        return Path(text)
    return text


def _union(text: str, arguments: tuple[Any, ...], strict: bool, one_for_both: bool) -> Any:
    message = ""
    for argument in arguments:
        if argument is type(None):
            if not strict and text.lower() == "none":
                return None
            continue
        try:
            return convert(text, argument, strict=strict, one_for_both=one_for_both)
        except ValueError as error:
            message = message or str(error)
    raise ValueError(message)


def _several(text: str, origin: Any, arguments: tuple[Any, ...], strict: bool, both: bool) -> Any:
    variable = origin is not tuple or (len(arguments) == 2 and arguments[1] is Ellipsis)
    if variable and arguments[0] is int:
        return origin(_integers(text))
    parts = [part for part in re.split(r"[,\s]+", text.strip("()[] ")) if part]
    if variable:
        return origin(convert(part, arguments[0], strict=strict) for part in parts)
    if both and len(parts) == 1:
        parts = parts * len(arguments)
    if len(parts) != len(arguments):
        kinds = type_text(types.GenericAlias(tuple, arguments))
        raise ValueError(f"must be {kinds}, such as '1 2' or '1,2'")
    pairs = zip(parts, arguments, strict=True)
    return tuple(convert(part, argument, strict=strict) for part, argument in pairs)


def _boolean(text: str, strict: bool) -> bool:
    words: Mapping[str, bool] = {"1": True, "0": False}
    if not strict:
        words = {**words, "true": True, "false": False, "yes": True, "no": False}
    if text.lower() not in words:
        raise ValueError("must be 0 or 1" if strict else "must be true or false")
    return words[text.lower()]


def _integer(text: str) -> int:
    if not _INTEGER.fullmatch(text):
        raise ValueError("must be an integer")
    return int(text)


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise ValueError("must be a number") from None
    if not math.isfinite(value):
        raise ValueError("must be a finite number")
    return value


def _integers(text: str) -> list[int]:
    """Read a list as IMOD writes it: ``1,4-6``, or separated by blanks."""
    found: list[int] = []
    for part in re.split(r",|\s+(?!-\s)(?<!-\s)", text.strip("()[] ")):
        piece = part.strip()
        if not piece:
            continue
        span = _RANGE.fullmatch(piece)
        if span is None:
            if not _INTEGER.fullmatch(piece):
                raise ValueError("must be a list of integers, such as '1,4-6'")
            found.append(int(piece))
            continue
        first, last = int(span[1]), int(span[2])
        if abs(last - first) + len(found) > _LONGEST_LIST:
            raise ValueError(f"must be a list of at most {_LONGEST_LIST} integers")
        step = 1 if last >= first else -1
        found.extend(range(first, last + step, step))
    return found
