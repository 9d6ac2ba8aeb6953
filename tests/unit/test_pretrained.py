"""Files of weights: what is read of them, and what every model refuses in one line."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from search import catalog
from search.errors import WeightsError
from search.pretrained import read_state

STATE = {"conv1.weight": torch.arange(6.0).reshape(2, 3), "bn1.bias": torch.ones(2)}
SMALL: dict[str, dict[str, Any]] = {
    "backbone": {"outputs": 7, "image_size": 32},
    "clsfer": {"outputs": 7, "image_size": 48, "width": 8, "depths": (1, 1, 1, 1), "depth": 1},
    "emotion_spaces": {"columns": {"ekman": 6}, "image_size": 32, "network": "test_resnet"},
    "swav": {"outputs": 7, "network": "resnet18"},
}


@pytest.mark.parametrize(
    "content",
    [
        STATE,
        {"state_dict": STATE, "epoch": 3},
        {"model": STATE},
        {f"module.{key}": tensor for key, tensor in STATE.items()},
    ],
    ids=["bare", "state_dict", "model", "module."],
)
def test_state_dicts_of_torch(tmp_path: Path, content: dict[str, Any]) -> None:
    torch.save(content, tmp_path / "weights.pth")
    read = read_state(str(tmp_path / "weights.pth"))
    assert read.keys() == STATE.keys()
    assert all(torch.equal(read[key], tensor) for key, tensor in STATE.items())


def test_safetensors(tmp_path: Path) -> None:
    save_file(STATE, tmp_path / "weights.safetensors")
    read = read_state(str(tmp_path / "weights.safetensors"))
    assert all(torch.equal(read[key], tensor) for key, tensor in STATE.items())


@pytest.mark.parametrize("name", ["damaged.pth", "damaged.safetensors"])
@pytest.mark.parametrize("content", [b"", b"not weights", b"PK\x03\x04 cut short"])
def test_damaged_file(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(WeightsError, match=f"{name} is damaged or no state dict: not loaded; save one with"):
        read_state(str(tmp_path / name))


def test_cut_file(tmp_path: Path) -> None:
    torch.save(STATE, tmp_path / "cut.pth")
    content = (tmp_path / "cut.pth").read_bytes()
    (tmp_path / "cut.pth").write_bytes(content[: len(content) // 2])
    with pytest.raises(WeightsError, match=r"cut.pth is damaged"):
        read_state(str(tmp_path / "cut.pth"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (torch.ones(3), "is damaged or no state dict"),
        ([torch.ones(3)], "is damaged or no state dict"),
        ({"epoch": 3}, "holds more than tensors"),
        ({"state_dict": {"epoch": 3}}, "holds more than tensors"),
    ],
    ids=str,
)
def test_no_state_dict(tmp_path: Path, content: object, message: str) -> None:
    torch.save(content, tmp_path / "other.pth")
    with pytest.raises(WeightsError, match=f"other.pth {message}"):
        read_state(str(tmp_path / "other.pth"))


class Bomb:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[[Path], None], tuple[Path]]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("name", SMALL)
def test_no_model_runs_code_in_a_weights_file(tmp_path: Path, name: str) -> None:
    torch.save({"conv1.weight": Bomb(tmp_path / "burst")}, tmp_path / "bomb.pth")
    with pytest.raises(WeightsError, match=r"bomb.pth is damaged or no state dict"):
        catalog.model(name)(**SMALL[name], weights=str(tmp_path / "bomb.pth"))
    assert not (tmp_path / "burst").exists()


@pytest.mark.parametrize("name", SMALL)
def test_no_weights_file(tmp_path: Path, name: str) -> None:
    with pytest.raises(WeightsError, match=r"absent.pth is no file"):
        catalog.model(name)(**SMALL[name], weights=str(tmp_path / "absent.pth"))


@pytest.mark.parametrize("name", SMALL)
def test_a_file_without_weights(tmp_path: Path, name: str) -> None:
    torch.save({}, tmp_path / "empty.pth")
    with pytest.raises(WeightsError, match=r"empty.pth does not fit"):
        catalog.model(name)(**SMALL[name], weights=str(tmp_path / "empty.pth"))


def test_frozen_features_read_their_weights_alike(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"absent.pth is no file"):
        catalog.features("ir50")(image_size=48, width=4, weights=str(tmp_path / "absent.pth"))
