"""Errors of e-mail, of the command hook, and of the user's settings."""

from tomoline.errors._kind import ErrorKind

BAD_SETTINGS = ErrorKind(
    "MAIL-01",
    "settings cannot be used",
    "settings.toml in the user's configuration folder holds tables with known names and values.",
    "Correct the named line; 'tomoline mail --example' prints one.",
)
NOT_SENT = ErrorKind(
    "MAIL-02",
    "message could not be sent",
    "The mail server must take the message; a run goes on without.",
    "Check server, port, tls, user and password in settings.toml, then 'tomoline mail --test'.",
    warning=True,
)
NO_SERVER = ErrorKind(
    "MAIL-03",
    "no mail server is set",
    "A message needs a server, a sender and a receiver.",
    "Write them to settings.toml; 'tomoline mail --example' prints one.",
)
HOOK_FAILED = ErrorKind(
    "MAIL-04",
    "the command hook failed",
    "The command that settings.toml names ends with status 0 within its time.",
    "Try the command by hand; the run goes on without.",
    warning=True,
)

KINDS = (BAD_SETTINGS, NOT_SENT, NO_SERVER, HOOK_FAILED)
