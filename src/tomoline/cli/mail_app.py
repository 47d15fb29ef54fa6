"""``tomoline mail``: whether messages get through, and where to."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tomoline.cli._project import ProjectOption

if TYPE_CHECKING:
    from tomoline.queue.project import Project
    from tomoline.queue.user_settings import UserSettings


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    app.command("mail")(mail_command)


def mail_command(
    test: Annotated[
        bool, typer.Option("--test", help="Send a message now, and say how far it gets.")
    ] = False,
    to: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ADDRESS",
            help="With --test: send it there. Without: the project's messages go there, instead "
            "of to the addresses of settings.toml; repeat for more, '' for those again.",
        ),
    ] = None,
    example: Annotated[
        bool, typer.Option("--example", help="Print an example of settings.toml.")
    ] = False,
    project: ProjectOption = None,
) -> None:
    """Show where messages go when a data set fails and when all is done; send one as a test.

    Try it, or have a project's messages sent to others:

        tomoline mail --test

        tomoline mail --project night --to ann@example.org --to bob@example.org

    Server, sender and password stand in settings.toml of your configuration folder, the same for
    all projects; --example prints one to begin with.
    """
    from tomoline.cli._project import open_project
    from tomoline.queue.user_settings import EXAMPLE, read_settings

    if example:
        if test or to is not None or project is not None:
            from tomoline.errors.parameters import BAD_OPTION

            raise BAD_OPTION.error("--example", "it goes without other options.")
        sys.stdout.write(EXAMPLE)
        return
    if to is not None:
        _check(to)
    settings = read_settings()
    opened = _project_of(project, looking=to is None or test)
    try:
        if test:
            _send_test(settings, opened, to)
            return
        if to is not None:
            if opened is None:
                opened = open_project(project)
            _set_addresses(opened, to)
        _show(settings, opened)
    finally:
        if opened is not None:
            opened.close()


def _check(addresses: list[str]) -> None:
    from tomoline import errors
    from tomoline.queue.user_settings import is_address

    for one in addresses:
        if one and not is_address(one):
            raise errors.parameters.BAD_OPTION.error("--to", f"{one!r} is no e-mail address.")


def _project_of(named: Path | None, *, looking: bool) -> Project | None:
    """Open the project, if there is one; none need be for the user's settings."""
    from tomoline import errors
    from tomoline.cli._project import open_project
    from tomoline.errors import TomolineError

    try:
        return open_project(named, looking=looking)
    except TomolineError as error:
        if named is not None or error.kind is not errors.project.NO_PROJECT:
            raise
        return None


def _set_addresses(opened: Project, to: list[str]) -> None:
    from tomoline.queue.model import EventKind
    from tomoline.queue.store import to_json

    addresses = list(dict.fromkeys(one for one in to if one))
    with opened.store.write():
        opened.store.set_setting("mail.to", to_json(addresses))
        told = ", ".join(addresses) or "the addresses of settings.toml"
        opened.store.add_event(EventKind.PROJECT, f"messages go to {told}")


def _send_test(settings: UserSettings, opened: Project | None, to: list[str] | None) -> None:
    import socket

    from tomoline.queue.news import addresses_of
    from tomoline.queue.notify import send_mail

    own = addresses_of(opened.store) if opened is not None else ()
    mail = replace(settings.mail, to=tuple(filter(None, to or ())) or own or settings.mail.to)
    text = (
        f"This is a test from {socket.gethostname()}: messages get through.\n"
        f"They are sent for: {', '.join(mail.on) or 'nothing'}."
    )
    refused = send_mail(mail, "test", text, tell=lambda line: print(line, flush=True))
    for notice in refused:
        sys.stderr.write(f"warning {notice}\n")
    if refused:
        raise typer.Exit(1)


def _show(settings: UserSettings, opened: Project | None) -> None:
    from tomoline.queue.mail import sender_of
    from tomoline.queue.news import addresses_of

    mail, hook = settings.mail, settings.hook
    own = addresses_of(opened.store) if opened is not None else ()
    lines = [("settings", f"{settings.path}{'' if settings.path.exists() else ' (not there)'}")]
    if mail.server:
        lines += [
            ("server", f"{mail.server}, port {mail.usual_port}, tls {mail.tls}"),
            ("user", f"{mail.user}, with a password" if mail.user else "none"),
            ("from", sender_of(mail)),
        ]
    else:
        lines.append(("server", "none, so that no messages are sent"))
    lines += [("to", ", ".join(mail.to) or "nobody"), ("when", ", ".join(mail.on) or "never")]
    if opened is not None:
        lines.append(("project", f"{opened.folder}: to {', '.join(own) or 'the same'}"))
    lines.append(
        ("hook", f"{hook.command} (when: {', '.join(hook.on)})" if hook.command else "none")
    )
    sys.stdout.write("".join(f"{name:<9} {text}\n" for name, text in lines))
    if not settings.path.exists():
        sys.stdout.write("'tomoline mail --example' prints an example of settings.toml.\n")
