"""Sending a message about a batch."""

from __future__ import annotations

import getpass
import smtplib
import socket
import sys
from email.message import EmailMessage

TIMEOUT_S = 30.0


def message(address: str, title: str, text: str) -> EmailMessage:
    """Return the message.

    >>> message("me@lab.org", "2 of 2 data sets finished", "")["Subject"]
    'tomoline: 2 of 2 data sets finished'
    """
    mail = EmailMessage()
    mail["Subject"] = f"tomoline: {title}"
    mail["From"] = f"{getpass.getuser()}@{socket.gethostname()}"
    mail["To"] = address
    mail.set_content(f"{title}\n{text}".rstrip() + "\n")
    return mail


def send(address: str, server: str, title: str, text: str) -> None:
    """Send a message; a run does not fail because that cannot be done."""
    try:
        with smtplib.SMTP(server, timeout=TIMEOUT_S) as connection:
            connection.send_message(message(address, title, text))
    except (OSError, smtplib.SMTPException) as error:
        sys.stderr.write(f"no message could be sent to {address} by {server}: {error}\n")
