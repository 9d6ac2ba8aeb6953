"""Prints what an image installs beside the package itself, after pyproject.toml: `dashboard` or `worker`."""

import sys
import tomllib
from pathlib import Path

pyproject = tomllib.loads(Path("pyproject.toml").read_text())
project = pyproject["project"]
extras = project["optional-dependencies"]
wanted = {
    "dashboard": [*pyproject["dependency-groups"]["dashboard"], *extras["s3"]],
    "worker": [*project["dependencies"], *extras["ray"], *extras["s3"]],
}
sys.stdout.write("".join(f"{requirement}\n" for requirement in wanted[sys.argv[1]]))
