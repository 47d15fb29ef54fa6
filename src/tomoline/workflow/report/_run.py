"""How the results came about: time and memory of each step, parameters, files."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any
from urllib.parse import quote

from tomoline.steps.artifacts import ARTIFACTS
from tomoline.units import format_bytes
from tomoline.workflow.report._source import Source
from tomoline.workflow.report._svg import BLUE, GREY, RED, Bar, bars


def timings(source: Source) -> str:
    """Draw how long each step took and how much memory it needed."""
    rows = []
    for step in source.steps:
        seconds, memory = float(step.get("seconds") or 0), float(step.get("peak_memory_bytes") or 0)
        state = str(step.get("state", ""))
        text = f"{seconds:.2f} s" + (f", {format_bytes(memory)}" if memory else "")
        colour = {"failed": RED, "finished": BLUE}.get(state, GREY)
        if state != "finished":
            text = "off" if state == "off" else f"{text}, {state}"
        label = f"{step.get('name', '')} ({float(step.get('number') or 0):g})"
        rows.append(Bar(label, seconds, text, colour))
    return bars(rows, title="Time and peak memory of each step")


def parameters(source: Source) -> str:
    """List the parameters that differ from their defaults."""
    rows = []
    for step in source.steps:
        name = str(step.get("name", ""))
        given = step.get("parameters") or {}
        defaults, units = _declared(source, name)
        for field, value in given.items():
            if field in defaults and _same(value, defaults[field]):
                continue
            unit = units.get(field, "")
            default = _word(defaults[field]) if field in defaults else ""
            rows.append(
                f"<tr><td><code>{escape(f'{name}.{field}')}</code></td>"
                f"<td>{escape(_word(value))} {escape(unit)}</td><td>{escape(default)}</td></tr>"
            )
    if not rows:
        return "<p>All parameters have their default values.</p>"
    return (
        "<table><tr><th>parameter</th><th>value</th><th>default</th></tr>"
        + "".join(rows)
        + "</table>"
    )


def _declared(source: Source, name: str) -> tuple[Mapping[str, Any], Mapping[str, str]]:
    """Return defaults and units of a step's parameters, as the recipe declares them."""
    from tomoline.params import describe

    steps = source.recipe.steps if source.recipe else ()
    step = next((one for one in steps if one.name == name), None)
    if step is None:
        return {}, {}
    defaults = step.params().model_dump(mode="json")
    return defaults, {info.name: info.unit for info in describe(step.params)}


def _same(value: Any, default: Any) -> bool:
    return bool(value == default)


def _word(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        text = ", ".join(_word(item) for item in value)
        return text if len(text) < 120 else text[:117] + "..."
    return f"{value:g}" if isinstance(value, float) else str(value)


def files(source: Source) -> str:
    """Link the files of the data set, as they lie beside the report."""
    rows = []
    for artifact in ARTIFACTS.values():
        path = source.path(artifact.name)
        if path is None:
            continue
        held = [one for one in path.rglob("*") if one.is_file()] if path.is_dir() else [path]
        size = format_bytes(sum(one.stat().st_size for one in held))
        name = path.name
        rows.append(
            f'<tr><td><a href="{quote(name)}">{escape(name)}</a></td>'
            f'<td>{escape(artifact.title)}</td><td class="n">{size}</td></tr>'
        )
    if not rows:
        return ""
    return (
        "<table><tr><th>file</th><th>what it is</th><th>size</th></tr>" + "".join(rows) + "</table>"
    )
