"""Numbers with their nouns, in what people read."""

from __future__ import annotations


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
