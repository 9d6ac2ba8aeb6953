"""Where the models of confirmed runs are kept."""

import logging
from pathlib import Path

import pytest

from search.worker.weights import keep_weights


def test_a_model_is_kept_under_its_trial(tmp_path: Path) -> None:
    file = tmp_path / "weights.pt"
    file.write_bytes(b"model")
    assert keep_weights(str(tmp_path / "results"), "depths", 7, file)
    assert [path.name for path in (tmp_path / "results" / "depths" / "weights").iterdir()] == ["trial-7.pt"]
    assert (tmp_path / "results" / "depths" / "weights" / "trial-7.pt").read_bytes() == b"model"


def test_where_it_cannot_be_kept_the_log_says_where_it_stays(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "weights.pt"
    file.write_bytes(b"model")
    (tmp_path / "results").write_text("no folder")
    with caplog.at_level(logging.ERROR):
        assert not keep_weights(str(tmp_path / "results"), "depths", 7, file)
    assert f"stay in {file}" in caplog.text
