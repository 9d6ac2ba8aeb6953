"""Commands that train, or look at data and study files before.

What trains is loaded by the commands that do: it takes a quarter of a gigabyte, and seconds.
"""

from argparse import Namespace
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, replace
from multiprocessing import get_context

from search import catalog, console
from search.settings import Settings
from search.study import StudyDefinition, load_study, preset_names
from search.training.survey import survey
from search.worker import data

SURVEY_SIZE = 64  # pixels; only duplicates depend on it


def launch(arguments: Namespace, settings: Settings) -> int:
    from search import launch as launching

    definition = _definition(arguments)
    if arguments.name:
        definition = definition.renamed(arguments.name)
    return launching.launch(definition, settings, workers=arguments.workers, ray=arguments.ray)


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


def data_list(arguments: Namespace, settings: Settings) -> int:
    abouts = {name: catalog.about(name) for name in catalog.names("datasets")}
    if arguments.json:
        console.show_json([{"name": name, **asdict(about)} for name, about in abouts.items()])
    else:
        console.show(console.dataset_table(abouts))
    return 0


def data_check(arguments: Namespace, settings: Settings) -> int:
    splits = data.load_splits(arguments.dataset, arguments.root, {}, settings.data)
    found = survey(splits, SURVEY_SIZE)
    if arguments.json:
        console.show_json(asdict(found))
    else:
        console.show(console.survey_tables(found))
    return 0


def data_prepare(arguments: Namespace, settings: Settings) -> int:
    # In a process that ends: the model's file is asked for its arguments, and loads half a gigabyte of torch.
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as aside:
        definition = aside.submit(_definition, arguments).result()
    with console.progress_bar(f"preparing {definition.dataset.name}") as progress:
        folder, manifest = data.prepare(definition, settings, progress)
    print(f"{folder} (fingerprint {manifest.fingerprint})")
    return 0


def _definition(arguments: Namespace) -> StudyDefinition:
    return load_study(arguments.study, preset=arguments.preset, root=arguments.root)
