"""From the events of a batch's process to the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tomoline.queue.model import Batch, EventKind
from tomoline.queue.store import Store


def store_events(
    store: Store, batch: Batch, events: Sequence[Mapping[str, Any]], read_bytes: int
) -> None:
    """Write down what a batch's process has told, and how far its event file has been read.

    Both are one transaction, so that nothing is lost or told twice when a runner dies.
    """
    columns: dict[str, Any] = {"read_bytes": read_bytes}
    with store.write() as db:
        for event in events:
            try:
                columns |= _columns(event)
                _tell(store, batch, event)
            except (KeyError, TypeError, ValueError):
                continue  # a broken disk: the rest is told
        texts = ", ".join(f"{name} = ?" for name in columns)
        db.execute(
            f"UPDATE batch SET {texts} WHERE id = ? AND attempt = ?",
            (*columns.values(), batch.id, batch.attempt),
        )


def is_news(events: Sequence[Mapping[str, Any]]) -> bool:
    """Whether events tell more than progress."""
    return any(event["event"] != "progress" for event in events)


def _columns(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns of the batch that an event changes."""
    axis = str(event.get("axis", ""))
    step = str(event.get("step", ""))
    if event["event"] == "progress":
        label = str(event.get("label", ""))
        return {
            "step": step,
            "label": f"axis {axis}: {label}" if axis else label,
            "done": int(event.get("done", 0)),
            "total": int(event.get("total", 0)),
        }
    if event["event"] != "step":
        return {}
    if event["state"] == "starts":
        label = f"axis {axis}" if axis else ""
        return {"step": step, "label": label, "done": 0, "total": 0}
    if event["state"] in ("finished", "kept"):
        return {"reached": f"{axis}:{step}"}
    return {}


def _tell(store: Store, batch: Batch, event: Mapping[str, Any]) -> None:
    """Write an event of a process into the log."""
    axis = f"axis {event['axis']}: " if event.get("axis") else ""
    step = str(event.get("step", ""))
    common: dict[str, Any] = {
        "processor": batch.processor,
        "data_set": batch.name,
        "batch": batch.id,
        "step": step,
        "when": float(event.get("time", 0.0)) or None,
    }
    if event["event"] == "step":
        text, level = _step_text(event)
        store.add_event(EventKind.STEP, f"{axis}{text}", level=level, **common)
    elif event["event"] == "warning":
        where = f"{event['where']}: " if event.get("where") else ""
        text = f"{axis}{where}{event.get('found', '')} {event.get('remedy', '')}".rstrip()
        code = str(event.get("code", ""))
        store.add_event(EventKind.WARNING, text, level="warning", code=code, **common)


def _step_text(event: Mapping[str, Any]) -> tuple[str, str]:
    state, reason = str(event["state"]), str(event.get("reason", ""))
    if state == "finished":
        return f"finished after {float(event.get('seconds', 0.0)):.2f} s", "info"
    # What failed is told, with code and remedy, when the batch ends.
    return (f"{state} ({reason})" if reason else state), "info"
