"""Reading what ``--memory`` is given."""

from __future__ import annotations

from tomoline import errors


def bytes_of(text: str | None) -> int | None:
    """Return the bytes that ``--memory`` names, None where it is not given.

    Raises
    ------
    TomolineError
        PARAM-06 if it cannot be read.

    >>> bytes_of("8G")
    8589934592
    """
    from tomoline.units import parse_bytes

    try:
        return None if text is None else parse_bytes(text)
    except ValueError as error:
        raise errors.parameters.BAD_OPTION.error("--memory", f"{error}.") from error
