"""What the container files promise, as far as it can be read from them without a Docker daemon."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())

# Stands for an environment that lacks what the dashboard's image lacks.
WITHOUT_TRAINING = """
import importlib.abc
import sys

LACKING = {"torch", "torchvision", "torchmetrics", "timm", "sklearn", "scipy", "statsmodels", "plotly", "kaleido",
           "jinja2", "PIL", "prometheus_client", "pynvml", "ray"}

class Lacking(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in LACKING:
            raise ModuleNotFoundError(f"{name} is not in the dashboard's image", name=name)

sys.meta_path.insert(0, Lacking())
import search.cli, search.commands.serving, search.commands.studies
"""


def test_the_dashboard_installs_nothing_that_the_package_does_not_need() -> None:
    assert set(PYPROJECT["dependency-groups"]["dashboard"]) <= set(PYPROJECT["project"]["dependencies"])


def test_the_dashboards_image_needs_no_torch_and_no_plotly() -> None:
    ran = subprocess.run([sys.executable, "-c", WITHOUT_TRAINING], capture_output=True, text=True, cwd=ROOT)
    assert ran.returncode == 0, ran.stderr


def test_the_images_requirements_are_the_projects() -> None:
    printed = {
        image: subprocess.run(
            [sys.executable, "docker/requirements.py", image], capture_output=True, text=True, cwd=ROOT, check=True
        ).stdout.split("\n")
        for image in ("dashboard", "worker")
    }
    assert set(printed["dashboard"]) <= set(printed["worker"])
    assert set(PYPROJECT["project"]["dependencies"]) <= set(printed["worker"])


def test_the_gpu_file_asks_for_gpus_as_compose_2_wants_it() -> None:
    services = yaml.safe_load((ROOT / "compose.gpu.yml").read_text())["services"]
    assert [*services] == ["workers"]
    (device,) = services["workers"]["deploy"]["resources"]["reservations"]["devices"]
    # Compose 1 accepts both a count and ids, or no capabilities; compose 2 refuses them.
    assert device == {"driver": "nvidia", "count": "all", "capabilities": ["gpu"]}


def test_the_threat_page_names_tests_that_there_are() -> None:
    named = set(re.findall(r"`(test_\w+)`", (ROOT / "docs" / "security.md").read_text()))
    written = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    assert named
    assert {name for name in named if f"def {name}(" not in written} == set()
