"""Numbers with their nouns, and times, in what people read."""

from __future__ import annotations

from datetime import UTC, datetime


def count_of(number: float, noun: str) -> str:
    """Count a thing.

    >>> count_of(1, "batch"), count_of(2, "acquisition"), count_of(0.5, "minute")
    ('1 batch', '2 acquisitions', '0.5 minutes')
    >>> count_of(3, "batch")
    '3 batches'
    """
    if number == 1:
        return f"1 {noun}"
    end = "es" if noun.endswith(("s", "x", "ch", "sh")) else "s"
    return f"{number:g} {noun}{end}" if isinstance(number, float) else f"{number} {noun}{end}"


def time_text(when: float, *, local: bool = False) -> str:
    """Return a time as the log shows it, in UTC or in the zone of this machine.

    >>> time_text(1e9)
    '2001-09-09 01:46:40'
    """
    moment = datetime.fromtimestamp(when, UTC)
    return (moment.astimezone() if local else moment).strftime("%Y-%m-%d %H:%M:%S")


def utc_text(when: float) -> str:
    """Return a time with its zone.

    >>> utc_text(0.0)
    '1970-01-01 00:00:00 UTC'
    """
    return f"{time_text(when)} UTC"
