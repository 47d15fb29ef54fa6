"""A real SMTP server on this machine, plain or secured, that keeps what it takes."""

from __future__ import annotations

import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword

from tomoline.queue.user_settings import MailSettings

HOST = "localhost"
USER, PASSWORD = "facility", "s3cret, with blanks"


@dataclass
class MailServer:
    """What the server has taken, and whom it refuses."""

    port: int
    messages: list[EmailMessage] = field(default_factory=list)
    receivers: list[list[str]] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)
    ca_file: str = ""

    def settings(self, tls: str = "none", **others: Any) -> MailSettings:
        """Return settings that reach it."""
        fields: dict[str, Any] = {
            "server": HOST,
            "port": self.port,
            "tls": tls,
            "sender": "em@example.org",
            "to": ("ann@example.org",),
            "ca_file": self.ca_file if tls != "none" else "",
            "timeout_s": 10.0,
        }
        return MailSettings(**(fields | others))

    @property
    def subjects(self) -> list[str]:
        """Subjects of what it has taken."""
        return [str(one["Subject"]) for one in self.messages]

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Any, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.refused:
            return "550 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802
        self, server: SMTP, session: Any, envelope: Envelope
    ) -> str:
        assert isinstance(envelope.content, bytes)
        content = envelope.content.replace(b"\r\n", b"\n")
        self.messages.append(message_from_bytes(content, policy=policy.default))
        self.receivers.append(list(envelope.rcpt_tos))
        return "250 taken"


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as one:
        one.bind((HOST, 0))
        return int(one.getsockname()[1])


def make_certificate(folder: Path, name: str = HOST) -> Path:
    """Make a certificate of a server's own, with its key in the same file."""
    path = folder / f"{name}.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-nodes", "-days", "2"),
            *("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
            *("-keyout", path.with_suffix(".key"), "-out", path.with_suffix(".crt")),
            *("-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}"),
        ],
        check=True,
        capture_output=True,
    )
    parts = [path.with_suffix(one).read_text() for one in (".key", ".crt")]
    path.write_text("".join(parts))
    return path


@contextmanager
def serve(
    *, tls: str = "none", certificate: Path | None = None, login: bool = False
) -> Iterator[MailServer]:
    """Run a server until the block ends."""
    server = MailServer(free_port(), ca_file=str(certificate or ""))
    context = None
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
    options: dict[str, Any] = {"enable_SMTPUTF8": True}
    if login:  # with TLS from the start this server offers a login, but cannot insist
        options |= {
            "authenticator": _authenticate,
            "auth_required": tls == "starttls",
            "auth_require_tls": tls == "starttls",
        }
    if tls == "starttls":
        options |= {"tls_context": context, "require_starttls": True}
    controller = Controller(
        server,
        hostname=HOST,
        port=server.port,
        ssl_context=context if tls == "tls" else None,
        **options,
    )
    controller.start()
    try:
        yield server
    finally:
        controller.stop()


@contextmanager
def silent_server() -> Iterator[int]:
    """Listen on a port, and never say a word."""
    with socket.socket() as one:
        one.bind((HOST, 0))
        one.listen(8)
        yield int(one.getsockname()[1])


def _authenticate(
    server: SMTP, session: Any, envelope: Envelope, mechanism: str, given: Any
) -> AuthResult:
    right = isinstance(given, LoginPassword) and (
        given.login == USER.encode() and given.password == PASSWORD.encode()
    )
    return AuthResult(success=right, handled=False)
