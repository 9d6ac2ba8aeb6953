"""Reports for people with a browser: each study's page, read from where workers publish it."""

import logging
import re
from collections.abc import Iterable
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

from search.places import open_place, reason
from search.study.definition import NAME_PATTERN

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

PREFIX = "/reports/"

log = logging.getLogger(__name__)


class Reports:
    """A WSGI application around another one: `/reports/NAME` is a study's report, the rest is the other's.

    place: the folder or URL that studies are published to. Nothing but report.html of a study's folder is read.
    """

    def __init__(self, app: "WSGIApplication", place: str) -> None:
        self._app = app
        self._place = open_place(place)

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if not path.startswith(PREFIX):
            return self._app(environ, start_response)
        if environ["REQUEST_METHOD"] != "GET":
            return _answer(start_response, HTTPStatus.METHOD_NOT_ALLOWED, b"A report can only be read.\n")
        name = path.removeprefix(PREFIX)
        try:
            page = self._read(name) if re.fullmatch(NAME_PATTERN, name) else None
        except Exception as error:  # of a dozen kinds, each library's own
            log.warning("the report of %s can't be read from %s (%s)", name, self._place, reason(error))
            return _answer(start_response, HTTPStatus.BAD_GATEWAY, b"The reports can't be reached just now.\n")
        if page is None:
            text = b"There is no such report: it is written when the first trial of a study ends.\n"
            return _answer(start_response, HTTPStatus.NOT_FOUND, text)
        return _answer(start_response, HTTPStatus.OK, page, "text/html")

    def _read(self, name: str) -> bytes | None:
        folder = self._place / name
        try:
            if isinstance(folder, Path):
                return (folder / "report.html").read_bytes()
            return folder.read("report.html")
        except FileNotFoundError:
            return None


def _answer(start: "StartResponse", status: HTTPStatus, body: bytes, kind: str = "text/plain") -> Iterable[bytes]:
    headers = [("Content-Type", f"{kind}; charset=utf-8"), ("Content-Length", str(len(body)))]
    start(f"{status.value} {status.phrase}", [*headers, ("Cache-Control", "no-store")])
    return [body]
