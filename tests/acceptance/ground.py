"""What every fleet of a test session stands on."""

import shutil
from pathlib import Path

from search.store.records import StudyRow
from tests.postgres import Postgres

from .fleet import Fleet
from .records import RATES
from .unruly import DATASET, MODEL, STUDY

ROOT = Path(__file__).parents[2]


class Ground:
    """A server, a checkout with the unruly plug-ins, prepared data.

    calm: value and epochs of each learning rate where nothing goes wrong.
    """

    def __init__(self, folder: Path, postgres: Postgres) -> None:
        self.folder, self.postgres = folder, postgres
        self.checkout = folder / "checkout"
        for name in ("search", "models", "datasets", "studies"):
            shutil.copytree(ROOT / name, self.checkout / name, ignore=shutil.ignore_patterns("__pycache__"))
        (self.checkout / "models" / "unruly.py").write_text(MODEL)
        (self.checkout / "datasets" / "stuck.py").write_text(DATASET)
        (self.checkout / "calm.yaml").write_text(STUDY)
        self.cache: Path | None = None
        self.study: StudyRow | None = None
        fleet = Fleet(self, folder / "calm")
        fleet.run("launch", str(self.checkout / "calm.yaml"), "--workers", "0")
        fleet.run("worker", "--study", "calm")
        self.study = fleet.study("calm")
        self.calm = {trial.parameters["lr"]: (trial.value, trial.epochs) for trial in fleet.trials("calm")}
        self.cache = folder / "calm" / "home" / "cache"
        fleet.close()
        assert len(self.calm) == len(RATES)
