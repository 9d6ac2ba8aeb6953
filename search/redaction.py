"""Texts without the passwords of this process, however they are quoted in them."""

import os
import re
from collections.abc import Callable, Iterable

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
    known = re.compile("|".join("".join(map(_quoted, secret)) for secret in longest_first) or "(?!)")
    return lambda text: without_url_passwords(known.sub(_HIDDEN, text))


def without_url_passwords(text: str) -> str:
    """The text with `***` for the password of every `://user:password@`."""
    return _USERINFO.sub(rf"\1{_HIDDEN}@", text)


def _quoted(character: str) -> str:
    """A pattern for one character of a secret: as it is, or as URLs, Python, JSON and SQL quote it."""
    code = ord(character)
    utf8 = character.encode(errors="surrogatepass")
    utf16 = character.encode("utf-16-be", errors="surrogatepass").hex()
    forms = [
        "".join(f"%(?:25)*{byte:02x}" for byte in utf8),
        "".join(rf"\\+x{byte:02x}" for byte in utf8),
        "".join(rf"\\+u{utf16[start : start + 4]}" for start in range(0, len(utf16), 4)),
        rf"\\+(?:x{code:02x}|u{code:04x}|U{code:08x})",
    ]
    plain = re.escape(character)
    if not character.isalnum():
        plain = rf"(?:\\*{plain}){{1,2}}"
    if character == " ":
        plain = rf"{plain}|\+"
    if character == "\n":
        plain = r"\n[ |]*"  # a traceback indents the exceptions of a group
    if character in _LETTERS:
        plain = rf"{plain}|\\+{_LETTERS[character]}"
    return f"(?:{plain}|(?i:{'|'.join(forms)}))"
