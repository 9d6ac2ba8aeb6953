"""The command line: what there is to say. `search.commands` does it.

Nothing heavy is imported here, so `--help` is quick, and a training process, which starts through this module,
loads nothing of the store.
"""

import argparse
import importlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from search import __version__
from search.errors import SearchError
from search.redaction import without_url_passwords
from search.settings import read_settings

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code: 0, 2 with one clear message, or 130 after Ctrl-C."""
    arguments = _parser().parse_args(argv)
    try:
        settings = read_settings()
        module, _, function = arguments.command.partition(".")
        command = getattr(importlib.import_module(f"search.commands.{module}"), function)
        code: int = command(arguments, settings)
        return code
    except SearchError as error:
        print(f"search: {without_url_passwords(str(error))}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="search", description="Hyperparameter search for facial-expression and affect models."
    )
    parser.add_argument("--version", action="version", version=f"search {__version__}")
    group = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    launch = _add(group, "launch", "register a study and train it on this machine", "training.launch")
    _add_study_file(launch)
    launch.add_argument("--name", help="register it under another name, such as clsfer_lr@2")
    launch.add_argument("--workers", type=_count, help="worker processes; 0 only registers the study")
    _add_ray(launch, "train on a Ray cluster: one worker for each of its slots")

    check = _add(
        group, "check", "validate a study file and its presets, with every problem at once", "training.check"
    )
    _add_study_file(check)
    _add_json(check, "print the resolved definition as JSON")

    worker = _add(group, "worker", "serve every open study of the store, or one", "training.worker")
    worker.add_argument("--study", help="serve this study alone, and end when it is done")
    place = worker.add_mutually_exclusive_group()
    place.add_argument("--slot", type=_count, help="train on this slot, from 0; by default on a free one")
    _add_ray(place, "keep a worker on every slot of a Ray cluster")
    worker.add_argument(
        "--threads", type=_count, default=0, help="CPU threads; 0 is the slot's share of the cores"
    )
    worker.add_argument("--owned", action="store_true", help=argparse.SUPPRESS)

    _add_json(_add(group, "list", "list every study in the store", "studies.list_studies"))
    status = _add(group, "status", "tell who trains what, or a study's progress and best trial", "studies.status")
    status.add_argument("study", nargs="?", help="its name in the store; by default every worker and study")
    _add_json(status)
    report = _add(group, "report", "write a study's report: what it found, and the evidence", "findings.report")
    _add_study(report)
    report.add_argument("--paper", action="store_true", help="also write figures, tables and texts for a paper")
    _add_json(report, "print the conclusion and the files as JSON")
    for name, summary in {
        "show": "list a study's trials, with the reasons of those that failed",
        "audit": "replay pruners over a study's learning curves: what each would have saved and spoilt",
        "pause": "give out no more trials; running ones go on",
        "resume": "give out trials again",
        "stop": "close a study; resume opens it again",
    }.items():
        named = _add(group, name, summary, f"{'findings' if name == 'audit' else 'studies'}.{name}")
        _add_study(named)
        _add_json(named)

    compare = _add(group, "compare", "hold two studies, or two trials, against each other", "findings.compare")
    compare.add_argument("a", metavar="A", help="a study in the store, or one of its trials, such as clsfer_lr:17")
    compare.add_argument("b", metavar="B", help="what it is compared with, of the same kind")
    _add_json(compare)

    campaign = _add_group(group, "campaign", "chain studies: what one finds is fixed in the next")
    for name, summary in {
        "launch": "train the steps of a campaign, one after the other",
        "status": "tell what each step has found, and how the campaign went on",
        "report": "write the campaign's report, a diary of its steps",
    }.items():
        named = _add(campaign, name, summary, f"campaigns.{name}")
        named.add_argument("campaign", help="a name from studies/, or the path of a .campaign.yaml file")
        named.add_argument("--preset", help="lay this preset of the file over it, such as quick")
        named.add_argument("--name", help="under another name, such as clsfer@2")
        if name == "launch":
            named.add_argument("--root", help="the data sets' folder, in place of those in the files")
            named.add_argument("--workers", type=_count, help="worker processes; 0 only registers the next step")
        if name == "status":
            _add_json(named)

    history = _add(group, "import", "store results from elsewhere as a finished study", "findings.import_study")
    history.add_argument(
        "sources",
        nargs="+",
        type=Path,
        metavar="SOURCE",
        help="CSV files, or a folder of TensorBoard or wandb",
    )
    history.add_argument("--study", required=True, help="the name that the study gets in the store")
    history.add_argument(
        "--mapping",
        help="a .yaml file that says what the columns are; by default a shipped one, by the file's name",
    )
    history.add_argument(
        "--rows",
        action="append",
        type=_cell,
        default=[],
        metavar="COLUMN=VALUE",
        help="take only rows with this cell; may be given again",
    )
    _add_json(history)

    dashboard = _add(group, "dashboard", "serve optuna-dashboard over the store", "serving.dashboard")
    dashboard.add_argument(
        "--host", default="127.0.0.1", help="address to listen on; by default this machine only"
    )
    dashboard.add_argument("--port", type=_count, default=8080, help="port to listen on")
    dashboard.add_argument("--password-file", type=Path, help="file with the password of the user `search`")

    data = _add_group(group, "data", "look at a data set, or prepare it")
    _add_json(_add(data, "list", "tell what each data set is, its terms, and how to get it", "training.data_list"))
    data_check = _add(data, "check", "tell what a data set holds and what is wrong with it", "training.data_check")
    data_check.add_argument("dataset", help="its name: a file of datasets/")
    data_check.add_argument("--root", type=Path, help="its folder; by default the one of its name in SEARCH_DATA")
    _add_json(data_check)
    _add_study_file(_add(data, "prepare", "decode a study's data into the cache", "training.data_prepare"))

    store = _add_group(group, "store", "look after the database")
    _add(store, "migrate", "create or upgrade its tables", "serving.store_migrate")
    _add_json(_add(store, "status", "tell where it is and which schema it has", "serving.store_status"))
    _add(store, "stop", "stop the embedded server, whoever uses it", "serving.store_stop")
    return parser


def _add(group: "Subparsers", name: str, summary: str, command: str) -> argparse.ArgumentParser:
    """command: the function that does it, in its module of `search.commands`."""
    parser = group.add_parser(name, help=summary, description=_sentence(summary))
    parser.set_defaults(command=command)
    return parser


def _add_group(group: "Subparsers", name: str, summary: str) -> "Subparsers":
    parser = group.add_parser(name, help=summary, description=_sentence(summary))
    return parser.add_subparsers(title="commands", metavar="COMMAND", required=True)


def _add_study_file(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", help="a name from studies/, or the path of a .yaml file")
    parser.add_argument("--preset", help="lay this preset of the file over it, such as quick")
    parser.add_argument(
        "--root", "--data-root", dest="root", help="the data set's folder, in place of the one in the file"
    )


def _add_study(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", help="the study's name in the store")


def _add_json(parser: argparse.ArgumentParser, summary: str = "print JSON") -> None:
    parser.add_argument("--json", action="store_true", help=summary)


def _add_ray(parser: argparse._ActionsContainer, summary: str) -> None:
    parser.add_argument(
        "--ray",
        nargs="?",
        const="auto",
        metavar="ADDRESS",
        help=f"{summary}; by default that of RAY_ADDRESS or of this machine, started where there is none",
    )


def _sentence(summary: str) -> str:
    return f"{summary[0].upper()}{summary[1:]}."


def _cell(text: str) -> tuple[str, str]:
    column, separator, value = text.partition("=")
    if not separator:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form COLUMN=VALUE")
    return column, value


def _count(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{value} is below 0")
    return value
