"""The part of a recipe that a batch runs."""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

from tomoline.queue.model import Batch


class Range(NamedTuple):
    """Which steps of a recipe a batch runs; "" for no bound."""

    first: str = ""
    last: str = ""
    only: str = ""
    """Names, joined by commas."""


def range_of(batch: Batch | sqlite3.Row) -> Range:
    """Return the range of a batch, or of its row."""
    if isinstance(batch, Batch):
        return Range(batch.first, batch.last, batch.only)
    return Range(batch["first"], batch["last"], batch["only"])


def range_text(part: Range) -> str:
    """Return a range in words; "" for the whole recipe.

    >>> range_text(Range("align", "trim"))
    'from align until trim'
    """
    words = [f"only {part.only.replace(',', ', ')}"] if part.only else []
    words += [f"from {part.first}"] if part.first else []
    words += [f"until {part.last}"] if part.last else []
    return " ".join(words)


def joined(one: Range, other: Range, recipe: str) -> Range:
    """Return the least range that holds two.

    >>> joined(Range("align", "trim"), Range("", "align"), "tilt")
    Range(first='', last='trim', only='')
    """
    if one == other:
        return one
    order = _order(recipe, one, other)

    def place(step: str) -> int:
        return order.index(step) if step in order else len(order)

    both_only = {*one.only.split(","), *other.only.split(",")}
    return Range(
        min(one.first, other.first, key=place) if one.first and other.first else "",
        max(one.last, other.last, key=place) if one.last and other.last else "",
        ",".join(sorted(both_only, key=place)) if one.only and other.only else "",
    )


def _order(recipe: str, *parts: Range) -> list[str]:
    """Return the recipe's steps in order, where two names have to be compared at all."""
    if not any(len({part[index] for part in parts} - {""}) > 1 for index in range(3)):
        return []
    from tomoline.recipes import RECIPES

    return [step.name for step in RECIPES[recipe].steps] if recipe in RECIPES else []
