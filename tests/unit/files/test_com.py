"""Command files: what is written is read again, from examples and from our own commands."""

from pathlib import Path

import pytest

from tomoline.files import com
from tomoline.steps._com_files import command, view_list


def _told(commands: tuple[com.Command, ...]) -> list[tuple[object, ...]]:
    return [
        (one.program, one.arguments, one.options) for one in commands if one.program != "setenv"
    ]


def test_options_survive(tmp_path: Path) -> None:
    made = command("tilt", (("SHIFT", (0.0, -3.5)), ("LOG", None), ("AdjustOrigin", True)))
    com.write(tmp_path / "tilt.com", [made])
    assert (tmp_path / "tilt.com").read_text() == (
        "$setenv IMOD_OUTPUT_FORMAT MRC\n$tilt -StandardInput\nSHIFT\t0,-3.5\nAdjustOrigin\n"
    )
    assert _told(com.read(tmp_path / "tilt.com")) == _told((made,))


def test_zero_is_a_value() -> None:
    assert command("tilt", (("LOG", 0.0), ("OFF", False))).options == (("LOG", "0"),)


def test_no_views_make_an_empty_list() -> None:
    assert view_list([]) == ""


@pytest.mark.parametrize("name", ["cryoet-alignment/tilt.com", "unitTestData/aligna.com"])
def test_real_files_survive(tilt_data: Path, tmp_path: Path, name: str) -> None:
    told = com.read(tilt_data / "imod-projects" / name)
    com.write(tmp_path / "again.com", told)
    assert _told(com.read(tmp_path / "again.com")) == _told(told)
