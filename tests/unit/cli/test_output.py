"""What commands print in the same form."""

from __future__ import annotations

import json

import pytest

from tomoline.cli._output import print_json, warn
from tomoline.errors import Notice


def test_a_warning_is_told_once_and_not_among_the_output(
    capsys: pytest.CaptureFixture[str],
) -> None:
    one = Notice("PARAM-04", "batch.adoc:3", "it is not acted on.", "Leave it out.")
    warn([one, Notice("PARAM-04", "batch.adoc:4", "nor is this.", ""), one])
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "warning PARAM-04: batch.adoc:3: it is not acted on. Leave it out.",
        "warning PARAM-04: batch.adoc:4: nor is this.",
    ]


def test_json_keeps_names_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"name": "Zürich"})
    out, _ = capsys.readouterr()
    assert "Zürich" in out
    assert out.endswith("}\n")
    assert json.loads(out) == {"name": "Zürich"}
