"""From files and a mapping to a study that the store can take."""

from collections.abc import Sequence
from pathlib import Path

from search.errors import HistoryError
from search.history.folders import is_wandb, run_folders
from search.history.mapping import Mapping
from search.history.table import Table, joined, read_csv
from search.history.trials import read_trials
from search.store.imports import ImportedStudy
from search.store.records import Origin
from search.study import StudyDefinition


def read_study(sources: Sequence[Path], mapping: Mapping, name: str) -> ImportedStudy:
    """The study of that name which the sources hold: CSV files, or a folder with a run in each of its folders.

    Raises HistoryError with all that is wrong with them, UnknownName where `name` is no name.
    """
    table = joined([_read(source, mapping) for source in sources])
    history = read_trials(table, mapping)
    definition = StudyDefinition(
        name="imported",
        question=mapping.filled(mapping.question),
        dataset={"name": mapping.filled(mapping.dataset.name), "image_size": mapping.dataset.image_size},
        model={"name": mapping.filled(mapping.model)},
        objective=mapping.objective.metric,
        training={"epochs": max(max(trial.epochs) for trial in history.trials)},
        space=mapping.space(),
        sampler="imported",
        budget={"trials": len(history.trials)},
        confirm={"seeds": 0},
    )
    origin = Origin(
        source=", ".join(source.name for source in sources),
        sha256=table.sha256,
        judged_on=mapping.judged_on,
        items=history.items,
        notes=(*mapping.notes, *history.notes),
    )
    return ImportedStudy(definition.renamed(name), origin, history.trials)


def _read(source: Path, mapping: Mapping) -> Table:
    if not source.exists():
        raise HistoryError(f"there is no file or folder {source}.")
    if not source.is_dir():
        return read_csv(source)
    folders = run_folders(source)
    if is_wandb(folders):
        from search.history.wandb import read_wandb

        return read_wandb(source, folders)
    from search.history.tensorboard import read_tensorboard  # TensorBoard is an extra

    return read_tensorboard(source, folders, mapping.folder)
