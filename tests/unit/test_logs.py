"""Logs of real processes, read as they leave them: on a pipe, in a file and on a terminal."""

import json
import os
import pty
import re
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest

from search.logs import last_words
from search.redaction import known_secrets, redaction
from search.settings import Settings

CANARY = "c4n@ry:/{%\"\\ 'pä€\n$w"

PREAMBLE = """
import gc, logging, os, sys, threading, traceback, warnings
from urllib.parse import quote
from search import logs
secret = os.environ["CANARY"]
logs.configure([secret])
log = logging.getLogger("search.somewhere")
"""


def command(script: str) -> list[str]:
    return [sys.executable, "-c", PREAMBLE + script]


def environment(secret: str) -> dict[str, str]:
    return os.environ | {"CANARY": secret, "PYTHONIOENCODING": "utf-8"}


def on_pipe(script: str, secret: str = CANARY) -> str:
    """Standard error of a process that has configured its logs and runs the script."""
    return subprocess.run(
        command(script), env=environment(secret), capture_output=True, text=True, timeout=60
    ).stderr


def entries(output: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines()]


def on_terminal(script: str, secret: str = CANARY, **more: str) -> str:
    """As `on_pipe`, where standard error is a terminal."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(command(script), env=environment(secret) | more, stderr=theirs):
        os.close(theirs)
        shown = b""
        try:
            while piece := os.read(ours, 65_536):
                shown += piece
        except OSError:  # how a terminal says that its last writer is gone
            pass
    os.close(ours)
    return shown.decode().replace("\r\n", "\n")


EVERYWHERE = """
log.warning("message " + secret)
log.warning("argument %s", secret)
log.warning("shown %r", [secret])
log.warning("extra", extra={"one": secret, "two": {"deep": [secret, {secret: 1}]}, "three": ValueError(secret)})
log.warning("url postgresql://user:%s@host/db", quote(secret, safe=""))
log.warning({"message": "mapping", "secret": secret})
log.warning("stack", stack_info=True)
log.warning("wrong %d", secret)
log.warning("wrong", {"too": secret}, secret)
class Hostile:
    def __str__(self): raise RuntimeError(secret)
log.warning("hostile %s", Hostile())
warnings.warn("warned of " + secret)
try:
    try:
        raise KeyError(secret)
    except KeyError as error:
        error.add_note(f"a note of {secret!r}")
        raise RuntimeError(f"could not reach postgresql://user:{quote(secret)}@host/db") from error
except RuntimeError:
    log.exception("chained")
def fail(): raise ExceptionGroup(secret, [OSError(5, secret, secret)])
thread = threading.Thread(target=fail, name="search-" + secret)
thread.start()
thread.join()
class Dying:
    def __del__(self): raise ValueError(secret)
Dying()
raise ValueError(f"uncaught {secret}")
"""


def without_quoting(text: str) -> str:
    """The letters of a text alone, which no way of quoting changes."""
    return "".join(letter for letter in text if letter.isascii() and letter.isalpha())


@pytest.mark.parametrize("run", [on_pipe, on_terminal])
def test_a_secret_appears_nowhere(run: Any) -> None:
    # Letters survive every way of quoting: these are found wherever any form of the secret is.
    shown = run(EVERYWHERE, secret="c4n@ry:/{%\"\\ 'zqxjk€\n$w")
    for words in (
        *("message", "argument", "shown", "extra", "url", "mapping", "stack", "a log call", "warned of"),
        *("chained", "KeyError", "a note of", "in the thread", "ExceptionGroup", "OSError", "__del__", "uncaught"),
    ):
        assert words in shown
    assert "zqxjk" not in without_quoting(shown)
    assert "c4n" not in shown


@pytest.mark.parametrize(
    "form",
    [
        CANARY,
        quote(CANARY),
        quote(CANARY, safe=""),
        quote_plus(CANARY),
        quote(CANARY, safe="").lower(),
        quote(quote(CANARY, safe=""), safe=""),
        repr(CANARY),
        repr([CANARY]),
        repr(repr(CANARY)),
        ascii(CANARY),
        repr(CANARY.encode()),
        json.dumps(CANARY),
        json.dumps(json.dumps(CANARY)),
        json.dumps(CANARY, ensure_ascii=False),
        CANARY.replace("\\", "\\\\").replace("'", "\\'"),
        CANARY.replace("'", "''").replace("%", "%%"),
        quote(CANARY).replace("{", "%7B"),
    ],
)
def test_a_secret_is_found_however_quoted(form: str) -> None:
    hidden = redaction([CANARY])(f"before {form} after")
    assert re.fullmatch(r"""before [\['"\\b]*\*\*\*[\]'"\\]* after""", hidden)


@pytest.mark.parametrize(
    "secret", ["\\", "\\\n", "\\\\é", "''", "%25x", "%%%", "+ +", " ", 'a\\"', "{{{", "\t\r", "\\'\\'"]
)
@pytest.mark.parametrize(
    "quoting", [str, quote, quote_plus, repr, ascii, json.dumps, lambda text: repr(json.dumps(text))]
)
def test_a_secret_of_nothing_but_what_is_quoted_is_found(secret: str, quoting: Callable[[str], str]) -> None:
    assert redaction([f"zq{secret}xj"])(quoting(f"<zq{secret}xj>")).count("***") == 1


@pytest.mark.parametrize(
    "text", ["\\" * 50_000, "://a:" * 40_000, "%25" * 50_000, "'" * 50_000, "\\'" * 50_000, "c4n@ry:/{%" * 20_000]
)
def test_hostile_text_does_not_hold_the_search_up(text: str) -> None:
    hide = redaction([CANARY, "\\\\''\"\"ab", "%%%\\'\\'x"])
    started = time.perf_counter()
    hide(text)
    assert time.perf_counter() - started < 3


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("s3://key:s3cr3t@bucket/x", "s3://key:***@bucket/x"),
        ("postgresql://u:p@ss/w:rd@h:5432/db is gone", "postgresql://u:***@h:5432/db is gone"),
        ("redis://:pw@host", "redis://:***@host"),
        ("http://127.0.0.1:8080/dashboard", "http://127.0.0.1:8080/dashboard"),
        ("no://user@host, a@b", "no://user@host, a@b"),
    ],
)
def test_passwords_of_urls_are_hidden(text: str, hidden: str) -> None:
    assert redaction([])(text) == hidden


def test_the_longer_of_two_secrets_goes_first_and_an_empty_one_is_none() -> None:
    assert redaction(["abc", "abcdef", ""])("abcdef abc x") == "*** *** x"


def settings(store: str | None) -> Settings:
    return Settings(home=Path(), data=Path(), results="results", store=store)


def test_the_secrets_of_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "PGPASSWORD"):
        monkeypatch.delenv(variable, raising=False)
    assert known_secrets(settings(None)) == []
    assert known_secrets(settings("postgresql://u@h/d?password=p%40w")) == ["p@w"]
    assert known_secrets(settings("no url, but a secret")) == ["no url, but a secret"]
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "aws")
    assert known_secrets(settings("postgresql://u:p%40w@h/d")) == ["aws", "p@w"]


def test_a_line_is_json_with_time_level_logger_message_and_extra() -> None:
    before = datetime.now(UTC)
    (line,) = entries(on_pipe('log.info("ticket %s", 3, extra={"study": "lr", "loss": float("nan"), "n": 2})'))
    time = datetime.fromisoformat(line.pop("time"))
    assert time.utcoffset() == timedelta(0)
    assert before - timedelta(seconds=1) < time < datetime.now(UTC)
    assert line == {
        "level": "INFO",
        "logger": "search.somewhere",
        "message": "ticket 3",
        "study": "lr",
        "loss": "nan",
        "n": 2,
    }


def test_others_are_heard_from_warnings_up() -> None:
    found = entries(on_pipe('other = logging.getLogger("other"); other.info("no"); other.warning("yes")'))
    assert [line["message"] for line in found] == ["yes"]


HOSTILE = r"""
log.info("one\ntwo\r{\"level\": \"ERROR\"}\033[31m [red]x[/red] \u2028 \u202e %s", "a\nb", extra={"k": "c\nd"})
try:
    raise ValueError("x\n12:00:00 ERROR forged\033[2J")
except ValueError:
    log.exception("failed")
"""


def test_hostile_text_stays_inside_its_line_of_json() -> None:
    output = on_pipe(HOSTILE)
    assert output.isascii()
    assert "\033" not in output
    first, second = entries(output)
    assert first["message"] == 'one\ntwo\r{"level": "ERROR"}\033[31m [red]x[/red] \u2028 \u202e a\nb'
    assert (first["level"], first["k"]) == ("INFO", "c\nd")
    assert second["exception"].endswith("forged\033[2J")


def test_hostile_text_stays_inside_its_line_on_a_terminal() -> None:
    first, *rest = on_terminal(HOSTILE, NO_COLOR="1").rstrip("\n").split("\n")
    assert first.endswith(r'INFO one\ntwo\r{"level": "ERROR"}\x1b[31m [red]x[/red] \u2028 \u202e a\nb  k=c\nd')
    assert rest[0].endswith("ERROR failed")
    assert all(line.startswith("  ") for line in rest[1:])
    assert rest[-1] == r"  12:00:00 ERROR forged\x1b[2J"


def test_only_a_terminal_is_coloured_and_only_where_wanted() -> None:
    script = 'log.warning("careful")'
    assert "\033[33mWARNING\033[0m careful" in on_terminal(script)
    assert "\033" not in on_terminal(script, NO_COLOR="1")
    assert "\033" not in on_pipe(script)


def test_configured_twice_there_is_one_line_with_the_newer_secrets() -> None:
    (line,) = entries(on_pipe('logs.configure(["other"]); log.info("other %s", secret)', secret="first"))
    assert line["message"] == "*** first"


def test_a_reader_that_is_gone_ends_nothing() -> None:
    script = 'os.close(2); log.info("nobody"); print("still here")'
    done = subprocess.run(command(script), env=environment(CANARY), capture_output=True, text=True, timeout=60)
    assert done.stdout == "still here\n"


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ('log.info("one"); log.warning("two\\nlines")', "two\nlines"),
        ('log.info("one"); print("search: the store is gone.", file=sys.stderr)', "search: the store is gone."),
        ('log.info("one"); raise ValueError("boom")', "an uncaught exception: ValueError: boom"),
        ('print("[1, 2]", file=sys.stderr)', "[1, 2]"),
        ("", "it said nothing"),
        ('log.info("x" * 200_000); log.info("last")', "last"),
    ],
)
def test_the_last_words_of_a_log(script: str, words: str, tmp_path: Path) -> None:
    file = tmp_path / "worker.log"
    with file.open("wb") as output:
        subprocess.run(command(script), env=environment(CANARY), stderr=output, timeout=60)
    assert last_words(file) == words
