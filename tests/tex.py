"""The part of LaTeX that our tables and paragraphs are written in, read strictly.

A brace, an environment or a special sign that LaTeX would complain of raises ValueError.
"""

import re
from dataclasses import dataclass, field

_TOKEN = re.compile(r"%[^\n]*\n?|\\([A-Za-z]+)\*?(\{\})?|\\(.)|([{}&])|([$#_^~<>|])|(-{2,3}|.|\n)", re.S)

_LETTERS = {
    "textbackslash": "\\",
    "textasciitilde": "~",
    "textasciicircum": "^",
    "textless": "<",
    "textgreater": ">",
    "textbar": "|",
    "textasciigrave": "`",
    "ldots": "…",
    "pm": "±",
}
_SILENT = {"centering", "toprule", "midrule", "bottomrule", "ensuremath", "caption", "label", "begin", "end"}


@dataclass
class Tex:
    """What LaTeX makes of a text.

    text: as it is set. columns: of the tabular. rows: its cells as they are set.
    """

    source: str
    text: str = ""
    columns: str = ""
    commands: list[str] = field(default_factory=list)
    environments: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        depth, end = 0, 0
        for token in _TOKEN.finditer(self.source):
            if token.start() != end:
                raise ValueError(f"not LaTeX: {self.source[end : token.start()]!r}")
            end = token.end()
            command, _, escaped, brace, special, plain = token.groups()
            if command:
                self._command(command)
            elif special:
                raise ValueError(f"{special!r} is not escaped in {self.source!r}")
            elif brace in ("{", "}"):
                depth += 1 if brace == "{" else -1
                if depth < 0:
                    raise ValueError("a brace too many")
            else:
                self.text += _set(escaped, plain)
        if depth:
            raise ValueError("a brace is open")
        self._read_environments()

    def _command(self, command: str) -> None:
        if command not in _LETTERS and command not in _SILENT:
            raise ValueError(f"unknown command {command}")
        self.commands.append(command)
        self.text += _LETTERS.get(command, "")

    def _read_environments(self) -> None:
        open_ones = []
        for kind, name in re.findall(r"\\(begin|end)\{(\w+)\}", self.source):
            if kind == "begin":
                self.environments.append(name)
                open_ones.append(name)
            elif open_ones.pop() != name:
                raise ValueError(f"{name} ends where it is not open")
        if open_ones:
            raise ValueError(f"{open_ones} is open")
        body = re.search(r"\\begin\{tabular\}\{@\{\}(\w+)@\{\}\}(.*)\\end\{tabular\}", self.source, re.S)
        if body:
            self.columns = body[1]
            lines = [line for line in body[2].splitlines() if line.endswith(r"\\")]
            self.rows = [re.split(r"(?<!\\)&", line.removesuffix(r"\\")) for line in lines]


def _set(escaped: str | None, plain: str | None) -> str:
    if escaped is not None:
        if escaped not in "{}$&#_%\\":
            raise ValueError(f"unknown sign \\{escaped}")
        return "" if escaped == "\\" else escaped
    return {"--": "\N{EN DASH}", "---": "\N{EM DASH}"}.get(plain or "", plain or "")
