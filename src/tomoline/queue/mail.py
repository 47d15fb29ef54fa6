"""Making and sending messages: SMTP with verified certificates, from the standard library."""

from __future__ import annotations

import getpass
import hashlib
import smtplib
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from email.utils import formatdate
from pathlib import Path

from tomoline import errors
from tomoline.errors import Notice, TomolineError
from tomoline.queue.user_settings import MailSettings

LONGEST_TITLE = 150


def send_mail(
    settings: MailSettings,
    title: str,
    text: str,
    *,
    message_id: str = "",
    tell: Callable[[str], None] = lambda line: None,
) -> list[Notice]:
    """Send a message.

    Parameters
    ----------
    settings : MailSettings
        Server and addresses.
    title, text : str
        Anything may stand in them; what a mail's head cannot hold is taken out of the title.
    message_id : str
        Made by `message_id_of`, so that a second copy can be recognised; "" for a new one.
    tell : callable
        Gets a line for each thing that went well.

    Returns
    -------
    list of Notice
        MAIL-02 for each address that was refused while others were taken.

    Raises
    ------
    TomolineError
        MAIL-03 if server or addresses are not set, MAIL-02 if the message could not be sent.
    """
    lacking = [name for name in ("server", "to") if not getattr(settings, name)]
    if lacking:
        raise errors.notify.NO_SERVER.error(
            "settings.toml", f"[mail] lacks {' and '.join(lacking)}."
        )
    message = make_message(settings, title, text, message_id)
    with _translated(settings), _connected(settings, tell) as connection:
        refused = connection.send_message(message)
        taken = [address for address in settings.to if address not in refused]
        tell(f"accepted for {', '.join(taken)}")
        return [
            errors.notify.NOT_SENT.notice(address, f"{_server(settings)}: {_answer(*answer)}")
            for address, answer in refused.items()
        ]


def make_message(
    settings: MailSettings, title: str, text: str, message_id: str = ""
) -> EmailMessage:
    r"""Return a message, ready to be sent.

    >>> settings = MailSettings(server="localhost", to=("me@example.org",))
    >>> make_message(settings, "TS_01\r\nBcc: all@example.org failed", "")["Subject"]
    'tomoline: TS_01 Bcc: all@example.org failed'
    """
    message = EmailMessage()
    title = _plain(" ".join(title.split()))
    if len(title) > LONGEST_TITLE:
        title = f"{title[: LONGEST_TITLE - 3]}..."
    message["Subject"] = f"tomoline: {title}"
    message["From"] = sender_of(settings)
    message["To"] = ", ".join(settings.to)
    message["Date"] = formatdate(localtime=True)
    if message_id:
        message["Message-ID"] = message_id
    message["Auto-Submitted"] = "auto-generated"  # so that nobody's absence answers it
    lines = [_plain(line) for line in f"{title}\n\n{text}".rstrip().splitlines()]
    message.set_content("\n".join(lines) + "\n", charset="utf-8")
    return message


def sender_of(settings: MailSettings) -> str:
    """Return the address that messages come from."""
    return settings.sender or f"{_user()}@{socket.gethostname()}"


def message_id_of(settings: MailSettings, folder: Path, kind: str, event: int) -> str:
    """Return the name of a message: the same for the same event of a project.

    >>> settings = MailSettings(sender="me@example.org")
    >>> message_id_of(settings, Path("/data/night"), "failed", 7)  # doctest: +ELLIPSIS
    '<tomoline.failed.7...@example.org>'
    """
    project = hashlib.sha256(f"{socket.gethostname()}\0{folder}".encode(errors="replace"))
    domain = sender_of(settings).rpartition("@")[2]
    return f"<tomoline.{kind}.{event}.{project.hexdigest()[:16]}@{domain}>"


@contextmanager
def _connected(settings: MailSettings, tell: Callable[[str], None]) -> Iterator[smtplib.SMTP]:
    """Connect, secure the connection and log in; leave politely, whatever happened."""
    host, port = settings.server, settings.usual_port
    connection: smtplib.SMTP
    if settings.tls == "tls":
        connection = smtplib.SMTP_SSL(
            host, port, timeout=settings.timeout_s, context=_trust(settings)
        )
    else:
        connection = smtplib.SMTP(host, port, timeout=settings.timeout_s)
    try:
        tell(f"connected to {_server(settings)}")
        if settings.tls == "starttls":
            connection.starttls(context=_trust(settings))
        if settings.tls != "none":
            tell(f"secured: the certificate is good for {host}")
        if settings.user:
            connection.login(settings.user, settings.password)
            tell(f"logged in as {settings.user}")
        yield connection
        try:
            connection.quit()
        except OSError:  # those of SMTP are such, too
            pass  # the message has been taken by then
    finally:
        connection.close()


def _trust(settings: MailSettings) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=settings.ca_file or None)


@contextmanager
def _translated(settings: MailSettings) -> Iterator[None]:
    """Turn what goes wrong with a server into MAIL-02."""
    try:
        yield
    except smtplib.SMTPRecipientsRefused as error:
        answers = [f"{to}: {_answer(*answer)}" for to, answer in error.recipients.items()]
        raise _not_sent(settings, f"refuses to send to {'; '.join(answers)}") from error
    except smtplib.SMTPSenderRefused as error:
        answer = _answer(error.smtp_code, error.smtp_error)
        raise _not_sent(settings, f"refuses the sender {error.sender}: {answer}") from error
    except smtplib.SMTPAuthenticationError as error:
        answer = _answer(error.smtp_code, error.smtp_error)
        raise _not_sent(settings, f"refuses the user {settings.user}: {answer}") from error
    except smtplib.SMTPResponseException as error:
        answer = _answer(error.smtp_code, error.smtp_error)
        raise _not_sent(settings, f"answers {answer}") from error
    except smtplib.SMTPException as error:
        if isinstance(error.__context__, TimeoutError):
            raise _no_answer(settings) from error
        raise _not_sent(settings, f"{error}") from error
    except ssl.SSLCertVerificationError as error:
        raise _not_sent(
            settings,
            f"its certificate cannot be trusted: {error.verify_message}",
            "Name the server as its certificate does; for one of its own, set ca_file.",
        ) from error
    except TimeoutError as error:
        raise _no_answer(settings) from error
    except OSError as error:
        raise _not_sent(settings, f"{error.strerror or error}") from error
    except UnicodeError as error:  # in the server's name, or in user and password
        raise _not_sent(settings, f"{error}") from error


def _no_answer(settings: MailSettings) -> TomolineError:
    return _not_sent(settings, f"no answer in {settings.timeout_s:g} s")


def _not_sent(settings: MailSettings, found: str, remedy: str | None = None) -> TomolineError:
    found = " ".join(found.split()).rstrip(".")
    return errors.notify.NOT_SENT.error(_server(settings), f"{found}.", remedy)


def _server(settings: MailSettings) -> str:
    return f"{settings.server}:{settings.usual_port}"


def _answer(code: int, text: bytes | str) -> str:
    words = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    return f"{code} {words}".strip()


def _plain(line: str) -> str:
    """Return a line with what no mail can hold written as an escape."""
    line = line.replace("\t", " ")
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in line)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return "tomoline"
