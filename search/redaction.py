"""Texts without the passwords of this process, however they are quoted in them."""

import os
import re
from collections.abc import Callable, Iterable
from itertools import groupby

from search.settings import SECRET_VARIABLES, Settings

Redact = Callable[[str], str]

_HIDDEN = "***"
_USERINFO = re.compile(r"(://[^\s:/@]{0,500}:)\S{0,500}@")
_LETTERS = {"\n": "n", "\r": "r", "\t": "t", "\b": "b", "\f": "f"}  # as escaped after a backslash


def known_secrets(settings: Settings) -> list[str]:
    """The passwords of this process: of the store's URL, and of the environment's variables that hold one."""
    found = [os.environ.get(variable) for variable in SECRET_VARIABLES]
    if settings.store:
        from sqlalchemy import make_url  # a training process logs, too, and never needs it
        from sqlalchemy.exc import ArgumentError

        try:
            url = make_url(settings.store)
            found += [url.password, *url.normalized_query.get("password", ())]
        except ArgumentError:
            found.append(settings.store)
    return [secret for secret in found if secret]


def redaction(secrets: Iterable[str]) -> Redact:
    """A function that puts `***` for the secrets, however quoted, and for the passwords of URLs in a text."""
    longest_first = sorted({secret for secret in secrets if secret}, key=len, reverse=True)
    known = re.compile("|".join(map(_pattern, longest_first)) or "(?!)")
    return lambda text: without_url_passwords(known.sub(_HIDDEN, text))


def without_url_passwords(text: str) -> str:
    """The text with `***` for the password of every `://user:password@`."""
    return _USERINFO.sub(rf"\1{_HIDDEN}@", text)


def _pattern(secret: str) -> str:
    """A pattern for the secret: as it is, or as URLs, Python, JSON, SQL and a nest of them quote it.

    Possessive (`+`) or of bounded length wherever hostile text could make it try again and again.
    """
    pieces, before = [], ""
    for character, run in groupby(secret):
        pieces.append(_run(character, len([*run]), after_backslash=before == "\\"))
        before = character
    return "".join(pieces)


def _run(character: str, length: int, *, after_backslash: bool) -> str:
    """A pattern for so many of one character."""
    # The backslash that quotes this one is taken already where the character before is one itself.
    escape = r"\\{0,8}+" if after_backslash else r"\\{1,8}+"
    code = ord(character)
    utf8 = character.encode(errors="surrogatepass")
    utf16 = character.encode("utf-16-be", errors="surrogatepass").hex()
    coded = [
        "".join(f"%(?:25){{0,3}}{byte:02x}" for byte in utf8),
        "".join(f"{escape}x{byte:02x}" for byte in utf8),
        "".join(f"{escape}u{utf16[start : start + 4]}" for start in range(0, len(utf16), 4)),
        f"{escape}(?:x{code:02x}|u{code:04x}|U{code:08x})",
    ]
    if character in _LETTERS:
        coded.append(f"{escape}{_LETTERS[character]}")
    quoted = f"(?i:{'|'.join(coded)})"
    plain = re.escape(character)
    if character == "\\":
        return rf"(?:\\{{{length},{8 * length}}}+|{quoted}{{{length}}})"
    if character in "'\"%{}":  # which SQL and templates double
        return rf"(?:\\{{0,8}}+{plain}|{quoted}){{{length},{2 * length}}}"
    if character == "\n":
        plain = r"\n[ |]*+"  # a traceback indents the exceptions of a group
    if character == " ":
        plain = r" |\+"
    escaped = "" if character.isalnum() else r"\\{0,8}+"
    return f"(?:{escaped}(?:{plain})|{quoted}){{{length}}}"
