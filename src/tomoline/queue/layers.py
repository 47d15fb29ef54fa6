"""The layers of parameters of a project, and which of them gives a value."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tomoline import errors
from tomoline.errors import Notice
from tomoline.queue.model import DataSetEntry, EventKind
from tomoline.queue.store import Store, to_json
from tomoline.queue.table_keys import BOUNDARY, EXCLUDED
from tomoline.queue.words import count_of

USER_DEFAULTS = "user defaults"
PROJECT = "project"
NAMES = (USER_DEFAULTS, "scope template", "system template", "user template", PROJECT)
"""Layers that all data sets share, in rising precedence."""
DATA_SET = "data set"
OF_B = ", axis b"
"""End of the name of a layer that holds for axis b of dual-axis sets alone."""
AXIS_B = f"{DATA_SET}{OF_B}"
DEFAULT = "default"

Values = dict[str, list[Any]]
"""Values as the store keeps them: ``{"step.field": [value, where]}``."""


@dataclass(frozen=True)
class Explained:
    """What one layer says of a parameter.

    Attributes
    ----------
    layer : str
        ``default``, a layer that data sets share, or the data set's own.
    value : object
        As JSON holds it.
    where : str
        File and line, or the command, that gave it.
    holds : bool
        Whether it is the value that is used.
    note : str
        Why the uppermost one does not hold, where another parameter takes its place.
    """

    layer: str
    value: Any
    where: str
    holds: bool
    note: str = ""


class Layers:
    """The layers of a project's store.

    >>> import tempfile
    >>> with Store.create(Path(tempfile.mkdtemp()) / "night") as store:
    ...     Layers(store).update({"reconstruct.thickness_px": (300, "--thickness")})
    ...     Layers(store).get("project")
    {'reconstruct.thickness_px': [300, '--thickness']}
    """

    def __init__(self, store: Store) -> None:
        self.store = store

    def get(self, name: str) -> Values:
        """Return the values of a layer that data sets share; its name may end in `OF_B`."""
        with self.store.read() as db:
            row = db.execute("SELECT given FROM layer WHERE name = ?", (name,)).fetchone()
        return dict(json.loads(row[0])) if row else {}

    def all(self, axis: str = "") -> dict[str, Values]:
        """Return all layers that data sets share, by name, in rising precedence.

        Parameters
        ----------
        axis : str
            ``b`` for what they say of axis b alone.
        """
        sign = ">=" if axis == "b" else "<"
        with self.store.read() as db:
            rows = db.execute(
                f"SELECT name, given FROM layer WHERE rank {sign} ? ORDER BY rank", (len(NAMES),)
            ).fetchall()
        return {row["name"]: json.loads(row["given"]) for row in rows}

    def put(
        self, name: str, values: Mapping[str, Any], *, file: str = "", digest: str = ""
    ) -> None:
        """Replace a whole layer; without values and file it goes away.

        Parameters
        ----------
        name : str
            One of `NAMES`, followed by `OF_B` for what it says of axis b alone.
        values : mapping
            ``{"step.field": (value, where)}``.
        file, digest : str
            Where it was read from, and `digest_of` that file.
        """
        rank = _rank(name)
        with self.store.write() as db:
            if not values and not file:
                db.execute("DELETE FROM layer WHERE name = ?", (name,))
            else:
                db.execute(
                    "INSERT OR REPLACE INTO layer VALUES (?, ?, ?, ?, ?)",
                    (name, rank, file, digest, to_json(as_values(values))),
                )
            source = f" of {file}" if file else ""
            count = count_of(len(values), "parameter")
            text = f"{count}{source}" if values or file else "taken away"
            self.store.add_event(EventKind.PROJECT, f"{name}: {text}")

    def update(
        self, values: Mapping[str, Any], *, unset: Sequence[str] = (), axis: str = ""
    ) -> None:
        """Set and unset values of the layer "project", which all data sets share."""
        name = PROJECT + (OF_B if axis == "b" else "")
        with self.store.write() as db:
            present = self.get(name)
            for key in unset:
                present.pop(key, None)
            changed = as_values(values)
            present |= changed
            db.execute(
                "INSERT OR REPLACE INTO layer VALUES (?, ?, '', '', ?)",
                (name, _rank(name), to_json(present)),
            )
            text = told(changed, unset) + (OF_B if axis == "b" else "")
            self.store.add_event(EventKind.PROJECT, text)

    def files(self) -> dict[str, tuple[str, str]]:
        """Return the file, and its digest when it was read, of each layer that has one."""
        with self.store.read() as db:
            rows = db.execute(
                "SELECT name, file, digest FROM layer WHERE file != '' ORDER BY rank"
            ).fetchall()
        return {row["name"]: (row["file"], row["digest"]) for row in rows}

    def stack(self, entry: DataSetEntry, axis: str = "") -> list[dict[str, Any]]:
        """Return the layers of a data set in rising precedence, as a job holds them.

        Parameters
        ----------
        entry : DataSetEntry
            The data set.
        axis : str
            ``a`` or ``b`` of a dual-axis set.
        """
        with self.store.read() as db:
            shared = self.all() | (self.all("b") if axis == "b" else {})
            row = db.execute(
                "SELECT given, given_b FROM data_set WHERE id = ?", (entry.id,)
            ).fetchone()
        own: Values = json.loads(row["given"]) if row else {}
        layers = [*shared.items(), (DATA_SET, own)]
        if axis == "b":
            # The boundary model of axis a is drawn on its own views.
            own.pop(BOUNDARY, None)
            own.pop(EXCLUDED, None)
            layers.append((AXIS_B, json.loads(row["given_b"]) if row else {}))
        return [{"name": name, "values": values} for name, values in layers if values]

    def explain(self, entry: DataSetEntry, key: str, axis: str = "") -> list[Explained]:
        """Return what every layer says of a parameter, lowest first.

        Parameters
        ----------
        entry : DataSetEntry
            The data set.
        key : str
            ``step.field`` of its recipe.
        axis : str
            ``a`` or ``b`` of a dual-axis set.

        Raises
        ------
        TomolineError
            PARAM-03 where the recipe has no such parameter.
        """
        from tomoline.params import describe
        from tomoline.recipes import RECIPES

        steps = {step.name: step for step in RECIPES[entry.recipe].steps}
        step, _, field = key.partition(".")
        infos = {info.name: info for info in describe(steps[step].params)} if step in steps else {}
        if field not in infos:
            raise errors.parameters.UNKNOWN_PARAMETER.error(
                entry.name, f"recipe {entry.recipe} has no parameter {key}."
            )
        stack = self.stack(entry, axis)
        said = [(DEFAULT, jsonable(infos[field].default), "")]
        said += [(one["name"], *one["values"][key]) for one in stack if key in one["values"]]
        note = _replaced(list(steps.values()), stack, key) if len(said) > 1 else ""
        top = len(said) - 1
        return [
            Explained(
                layer, value, where, number == top and not note, note if number == top else ""
            )
            for number, (layer, value, where) in enumerate(said)
        ]

    def changed_templates(self) -> list[Notice]:
        """Return a notice for each file of a layer that is not any more what was read."""
        kind = errors.project.TEMPLATE_CHANGED
        notices = []
        for name, (file, digest) in self.files().items():
            try:
                if digest_of(Path(file)) == digest:
                    continue
                text = "its content is not what the project holds."
            except OSError as error:
                text = f"it cannot be read any more ({error.strerror})."
            remedy = kind.remedy
            if name == USER_DEFAULTS:
                remedy = "Read them again with 'tomoline project set --user-defaults' if meant."
            notices.append(kind.notice(file, f"{name}: {text}", remedy))
        return notices


def effective(key: str, layers: Iterable[Mapping[str, Any]], default: Any = None) -> Any:
    """Return the value of a parameter that layers, in rising precedence, give together."""
    value = default
    for values in layers:
        if key in values:
            value = values[key][0]
    return value


def as_values(values: Mapping[str, Any]) -> Values:
    """Return values as the store keeps them, from pairs or `workflow.given.LayerValue`."""
    return {
        key: [jsonable(one.value), one.where]
        if hasattr(one, "where")
        else [jsonable(one[0]), str(one[1])]
        for key, one in values.items()
    }


def jsonable(value: Any) -> Any:
    """Return a parameter's value as JSON holds it.

    >>> jsonable((Path("a.mod"), 1))
    ['a.mod', 1]
    """
    if isinstance(value, set | frozenset):
        return sorted(jsonable(one) for one in value)
    if isinstance(value, tuple | list):
        return [jsonable(one) for one in value]
    return str(value) if isinstance(value, Path) else value


def _rank(name: str) -> int:
    """Return the rank of a layer; those of axis b alone are above all others."""
    both = NAMES.index(name.removesuffix(OF_B))
    return both + len(NAMES) * name.endswith(OF_B)


def told(values: Mapping[str, Sequence[Any]], unset: Sequence[str] = ()) -> str:
    """Say in a line what was set."""
    parts = [f"{key} = {to_json(one[0])}" for key, one in values.items()]
    parts += [f"{key} unset" for key in unset]
    return "parameters: " + (", ".join(parts) or "none")


def digest_of(path: Path) -> str:
    """Return a digest of a file's content."""
    import hashlib  # which takes a while to load

    return hashlib.sha256(path.read_bytes()).hexdigest()


def _replaced(steps: Sequence[Any], stack: Sequence[Mapping[str, Any]], key: str) -> str:
    """Say which parameter of a higher layer excludes this one; "" if none does."""
    from tomoline.workflow.given import Given, Origin, Validated, keep_one_of_each_group

    given = []
    for rank, layer in enumerate(stack):
        for name, (value, _) in layer["values"].items():
            step, _, field = name.partition(".")
            given.append(Given(step, field, value, Origin(rank, layer["name"])))
    result = Validated()
    kept = keep_one_of_each_group(given, steps, result)
    if any(f"{one.step}.{one.field}" == key for one in kept):
        return ""
    return next((one.found for one in result.notices if one.found.startswith(f"{key} ")), "")
