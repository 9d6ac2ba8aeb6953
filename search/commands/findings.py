"""Commands that tell what was found, here or elsewhere."""

from argparse import Namespace
from dataclasses import asdict

from search import __version__, console
from search.analysis import audit as auditing
from search.analysis import compare as comparing
from search.analysis import compare_words, results
from search.analysis.publish import publish
from search.history.importing import read_study
from search.history.mapping_file import load_mapping
from search.settings import Settings
from search.store import imports, studies
from search.store.connection import open_store


def report(arguments: Namespace, settings: Settings) -> int:
    store = open_store(settings)
    told, files = publish(store, arguments.study, settings.results, paper=arguments.paper)
    if arguments.json:
        facts = {"study": arguments.study, "conclusion": asdict(told.conclusion)}
        console.show_json(facts | {"warnings": [asdict(each) for each in told.warnings], "files": files})
    else:
        print(told.conclusion.answer)
        _show_files(files)
    return 0


def import_study(arguments: Namespace, settings: Settings) -> int:
    mapping = load_mapping(arguments.mapping or arguments.sources[0].stem).keeping(dict(arguments.rows))
    found = read_study(arguments.sources, mapping, arguments.study)
    store = open_store(settings)
    is_new = store.run(lambda connection: imports.store(connection, found, code_version=__version__))
    files = publish(store, arguments.study, settings.results, images=True)[1] if is_new else []
    if arguments.json:
        facts = {"study": arguments.study, "is_new": is_new, "trials": len(found.trials), "files": files}
        console.show_json(facts | {"origin": found.origin.model_dump()})
    else:
        console.show(console.import_table(found, is_new=is_new))
        _show_files(files)
    return 0


def audit(arguments: Namespace, settings: Settings) -> int:
    store = open_store(settings)
    found = auditing.audit(store.run(lambda c: results.read(c, studies.find(c, arguments.study))))
    if arguments.json:
        console.show_json(asdict(found))
    else:
        console.show(console.audit_tables(found))
    return 0


def compare(arguments: Namespace, settings: Settings) -> int:
    found = open_store(settings).run(lambda connection: comparing.compare(connection, arguments.a, arguments.b))
    if arguments.json:
        console.show_json(asdict(found))
    else:
        heads, sentences = (found.a.name, found.b.name), compare_words.sentences(found)
        console.show(console.side_by_side(heads, compare_words.rows(found), sentences))
    return 0


def _show_files(files: list[str]) -> None:
    """All but the figures, of which there are many."""
    for file in files:
        if "/figures/" not in file:
            print(file)
