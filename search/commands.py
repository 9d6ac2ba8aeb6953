"""What each command does: calls one function of a room, and prints.

What only some of the commands need is imported by those: the dashboard's image has no libraries for training and
drawing.
"""

from argparse import Namespace
from dataclasses import asdict, replace
from typing import Any

from sqlalchemy import make_url

from search import __version__, console
from search.analysis import dashboard as dashboard_server
from search.settings import Settings
from search.store import embedded, imports, schema, studies, workers
from search.store.connection import open_store, store_url
from search.store.records import StudyRow, StudyState
from search.store.workers import WorkerRecord
from search.study import StudyDefinition, load_study, preset_names
from search.study.campaign import Campaign, renamed
from search.study.campaign_file import load_campaign

SURVEY_SIZE = 64  # pixels; only duplicates depend on it


def launch(arguments: Namespace, settings: Settings) -> int:
    from search.launch import launch as launch_study

    definition = _definition(arguments)
    if arguments.name:
        definition = definition.renamed(arguments.name)
    return launch_study(definition, settings, workers=arguments.workers, ray=arguments.ray)


def check(arguments: Namespace, settings: Settings) -> int:
    definition = _definition(arguments)
    for preset in preset_names(arguments.study):
        load_study(arguments.study, preset=preset)
    if arguments.json:
        print(definition.canonical_json())
    else:
        console.show(console.definition_table(definition))
    return 0


def worker(arguments: Namespace, settings: Settings) -> int:
    from search.worker import service, slots

    if arguments.ray:
        from search.worker import on_ray  # Ray is an extra

        on_ray.run(settings, arguments.ray, study=arguments.study)
        return 0
    slot = None if arguments.slot is None else slots.numbered_slot(settings, arguments.slot)
    if slot is not None and arguments.threads:
        slot = replace(slot, threads=arguments.threads)
    service.run(settings, study=arguments.study, slot=slot, owned=arguments.owned)
    return 0


def list_studies(arguments: Namespace, settings: Settings) -> int:
    store = open_store(settings)
    rows = store.run(studies.everyone)
    if arguments.json:
        console.show_json([_plain(row) for row in rows])
    else:
        console.show(console.study_table(rows))
    return 0


def status(arguments: Namespace, settings: Settings) -> int:
    from search.analysis import results
    from search.analysis.conclusion import conclude

    store = open_store(settings)
    there = store.run(lambda connection: workers.everyone(connection, study=arguments.study))
    if arguments.study is None:
        return _fleet_status(store.run(studies.everyone), there, settings, as_json=arguments.json)
    row = store.run(lambda connection: studies.find(connection, arguments.study))
    found = store.run(lambda connection: results.read(connection, row))
    conclusion = conclude(found)
    if arguments.json:
        best = console.best_trial(row, found.records)
        console.show_json(
            _plain(row)
            | {
                "best": best and asdict(best),
                "conclusion": asdict(conclusion),
                "workers": [asdict(w) for w in there],
            }
        )
    else:
        console.show(console.status_table(row, found.records, there, answer=conclusion.answer))
    return 0


def show(arguments: Namespace, settings: Settings) -> int:
    store = open_store(settings)
    row = store.run(lambda connection: studies.find(connection, arguments.study))
    trials = store.run(lambda connection: studies.records(connection, row))
    if arguments.json:
        console.show_json([asdict(trial) for trial in trials])
    else:
        console.show(console.trial_table(row, trials))
    return 0


def report(arguments: Namespace, settings: Settings) -> int:
    from search.analysis.publish import publish

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
    from search.analysis.publish import publish
    from search.history.importing import read_study
    from search.history.mapping_file import load_mapping

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
    from search.analysis import results
    from search.analysis.audit import audit as audit_study

    store = open_store(settings)
    found = audit_study(store.run(lambda c: results.read(c, studies.find(c, arguments.study))))
    if arguments.json:
        console.show_json(asdict(found))
    else:
        console.show(console.audit_tables(found))
    return 0


def pause(arguments: Namespace, settings: Settings) -> int:
    return _set_state(arguments, settings, "paused")


def resume(arguments: Namespace, settings: Settings) -> int:
    return _set_state(arguments, settings, "open")


def stop(arguments: Namespace, settings: Settings) -> int:
    return _set_state(arguments, settings, "stopped")


def compare(arguments: Namespace, settings: Settings) -> int:
    from search.analysis import compare_words
    from search.analysis.compare import compare as compared

    found = open_store(settings).run(lambda connection: compared(connection, arguments.a, arguments.b))
    if arguments.json:
        console.show_json(asdict(found))
    else:
        heads, sentences = (found.a.name, found.b.name), compare_words.sentences(found)
        console.show(console.side_by_side(heads, compare_words.rows(found), sentences))
    return 0


def campaign_launch(arguments: Namespace, settings: Settings) -> int:
    from search.campaigns import run

    return run.launch(_campaign(arguments, root=arguments.root), settings, workers=arguments.workers)


def campaign_status(arguments: Namespace, settings: Settings) -> int:
    from search.campaigns import progress, status

    campaign = _campaign(arguments)
    now = open_store(settings).run(lambda connection: progress.read(connection, campaign))
    if arguments.json:
        console.show_json(status.plain(now))
    else:
        console.show(status.table(now))
    return 0


def campaign_report(arguments: Namespace, settings: Settings) -> int:
    from search.campaigns import report

    for file in report.write(open_store(settings), _campaign(arguments), settings.results):
        print(file)
    return 0


def dashboard(arguments: Namespace, settings: Settings) -> int:
    open_store(settings).close()  # an empty database gets its tables, which the dashboard needs
    file = arguments.password_file or settings.dashboard_password_file
    dashboard_server.serve(
        store_url(settings),
        settings.results,
        host=arguments.host,
        port=arguments.port,
        password=dashboard_server.read_password(file) if file else None,
        names=settings.dashboard_names,
    )
    return 0


def data_check(arguments: Namespace, settings: Settings) -> int:
    from search.training.survey import survey
    from search.worker import data

    splits = data.load_splits(arguments.dataset, arguments.root, {}, settings.data)
    found = survey(splits, SURVEY_SIZE)
    if arguments.json:
        console.show_json(asdict(found))
    else:
        console.show(console.survey_tables(found))
    return 0


def data_prepare(arguments: Namespace, settings: Settings) -> int:
    from search.worker import data

    definition = _definition(arguments)
    with console.progress_bar(f"preparing {definition.dataset.name}") as progress:
        folder, manifest = data.prepare(definition, settings, progress)
    print(f"{folder} (fingerprint {manifest.fingerprint})")
    return 0


def store_migrate(arguments: Namespace, settings: Settings) -> int:
    url = store_url(settings)
    schema.migrate(url)
    print(f"the store's schema is version {schema.versions(url)[1]}")
    return 0


def store_status(arguments: Namespace, settings: Settings) -> int:
    url = store_url(settings)
    installed, wanted = schema.versions(url)
    facts = {
        "server": "named by SEARCH_STORE" if settings.store else f"embedded, in {settings.home / 'postgres'}",
        "url": make_url(url).render_as_string(hide_password=True),
        "schema": installed,
        "wanted_schema": wanted,
    }
    if arguments.json:
        console.show_json(facts)
    else:
        console.show(console.fact_table(facts))
    return 0


def store_stop(arguments: Namespace, settings: Settings) -> int:
    stopped = embedded.stop(settings.home / "postgres")
    print("the embedded server is stopped" if stopped else "no embedded server runs")
    return 0


def _fleet_status(rows: list[StudyRow], there: list[WorkerRecord], settings: Settings, *, as_json: bool) -> int:
    if as_json:
        console.show_json({"workers": [asdict(each) for each in there], "studies": [_plain(row) for row in rows]})
    else:
        console.show(console.worker_table(there, lease_seconds=settings.lease_seconds))
        console.show(console.study_table(rows))
    return 0


def _show_files(files: list[str]) -> None:
    """All but the figures, of which there are many."""
    for file in files:
        if "/figures/" not in file:
            print(file)


def _definition(arguments: Namespace) -> StudyDefinition:
    return load_study(arguments.study, preset=arguments.preset, root=arguments.root)


def _campaign(arguments: Namespace, root: str | None = None) -> Campaign:
    campaign = load_campaign(arguments.campaign, preset=arguments.preset, root=root)
    return renamed(campaign, arguments.name) if arguments.name else campaign


def _set_state(arguments: Namespace, settings: Settings, state: StudyState) -> int:
    store = open_store(settings)
    row = store.run(lambda connection: studies.find(connection, arguments.study))
    store.run(lambda connection: studies.set_state(connection, row, state))
    if arguments.json:
        console.show_json({"study": row.name, "state": state})
    else:
        print(f"study {row.name} is {state}")
    return 0


def _plain(row: StudyRow) -> dict[str, Any]:
    return asdict(row) | {
        "definition": row.definition.model_dump(mode="json"),
        "context": row.context.model_dump(mode="json"),
        "counts": row.counts,
        "is_done": row.is_done,
    }
