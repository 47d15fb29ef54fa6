"""Plain tables in aligned columns: quick for long lists, and easy to cut with other tools."""

from __future__ import annotations

from collections.abc import Iterator, Sequence


def aligned(
    header: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[str] = ()
) -> Iterator[str]:
    """Yield the lines of a table; columns in which nothing stands are left out.

    Parameters
    ----------
    header : sequence of str
        Titles of the columns.
    rows : sequence of sequence of str
        Cells, without line ends.
    right : sequence of str
        Titles of the columns that are set to the right, such as numbers.

    >>> list(aligned(["n", "name", "x"], [["1", "a", ""], ["20", "bcd", ""]], ["n"]))
    [' n  name', ' 1  a', '20  bcd']
    """
    columns = list(zip(*rows, strict=True)) if rows else [() for _ in header]
    form = []
    kept = []
    for index, (title, cells) in enumerate(zip(header, columns, strict=True)):
        if rows and not any(cells):
            continue
        width = max(map(len, (title, *cells)))
        sign = ">" if title in right else "<"
        form.append(f"{{:{sign}{width}}}")
        kept.append(index)
    line = "  ".join(form)
    for row in (header, *rows):
        yield line.format(*(row[index] for index in kept)).rstrip()
