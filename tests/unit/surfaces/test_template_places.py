"""Where templates are looked for first."""

from __future__ import annotations

from pathlib import Path

from tomoline.surfaces.templates import TemplatePlaces, find_template

ENVIRONMENT = {"IMOD_CALIB_DIR": "calib", "IMOD_DIR": "imod"}


def places_in(folder: Path) -> TemplatePlaces:
    environment = {name: str(folder / place) for name, place in ENVIRONMENT.items()}
    return TemplatePlaces.of_imod(environment, folder / "home")


def write(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "cryo.adoc"
    path.write_text("setupset.copyarg.gold = 10\n", encoding="utf-8")
    return path


def test_what_a_site_has_made_goes_before_what_came_with_imod(tmp_path: Path) -> None:
    with_imod = write(tmp_path / "imod" / "SystemTemplate")
    places = places_in(tmp_path)
    assert find_template("cryo", "system", places) == with_imod
    of_site = write(tmp_path / "calib" / "SystemTemplate")
    assert find_template("cryo", "system", places) == of_site


def test_the_folder_that_a_user_chose_goes_before_the_usual_one(tmp_path: Path) -> None:
    usual = write(tmp_path / "home" / ".etomotemplate")
    assert find_template("cryo", "user", places_in(tmp_path)) == usual
    chosen = write(tmp_path / "mine")
    settings = f"Other=1\nDefaults.UserTemplateDir={tmp_path}/mine\n"
    (tmp_path / "home" / ".etomo").write_text(settings, encoding="utf-8")
    assert find_template("cryo", "user", places_in(tmp_path)) == chosen


def test_each_kind_has_its_own_folder(tmp_path: Path) -> None:
    scope = write(tmp_path / "calib" / "ScopeTemplate")
    write(tmp_path / "calib" / "SystemTemplate")
    assert find_template("cryo", "scope", places_in(tmp_path)) == scope
