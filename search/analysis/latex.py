"""LaTeX in which every text is shown letter by letter."""

import re

from search.analysis.evidence import Table

_SIGNS = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "`": r"\textasciigrave{}",
    '"': "''",
    "[": "{[}",  # after the end of a row, a bracket or a star would be its option
    "*": "{*}",
    "±": r"\ensuremath{\pm}",
    "\N{EN DASH}": "--",
    "…": r"\ldots{}",
} | {sign: f"\\{sign}" for sign in "{}$&#_%"}
_SIGN = re.compile("|".join(map(re.escape, _SIGNS)) + "|-(?=-)")


def literal(text: str) -> str:
    """Text as LaTeX sets it letter by letter, in one line; without characters that nothing can set."""
    line = "".join(letter for letter in " ".join(text.split()) if letter.isprintable())
    return _SIGN.sub(lambda found: _SIGNS.get(found[0], "-{}"), line)


def table(it: Table, caption: str, label: str) -> str:
    """A floating table that needs the package booktabs.

    label: of ASCII letters, digits, `-` and `:`.
    """
    align = "".join("r" if numeric else "l" for numeric in it.numeric)
    notes = " ".join([caption, *it.notes])
    lines = [
        r"% \usepackage{booktabs}",
        r"\begin{table}[t]",
        r"\centering",
        rf"\caption{{{literal(notes)}}}",
        rf"\label{{{label}}}",
        rf"\begin{{tabular}}{{@{{}}{align}@{{}}}}",
        r"\toprule",
        *([_row(it.columns), r"\midrule"] if it.has_heading else []),
        *map(_row, it.rows),
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]
    return "".join(f"{line}\n" for line in lines)


def _row(cells: tuple[str, ...]) -> str:
    return " & ".join(map(literal, cells)) + r" \\"
