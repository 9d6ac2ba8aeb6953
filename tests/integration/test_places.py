"""Places that can be written to, and one clear sentence for each that can't."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from search.errors import PlaceError
from search.places import Remote, check_place, open_place


def test_a_folder_is_a_folder(tmp_path: Path) -> None:
    assert open_place(str(tmp_path)) == tmp_path
    assert open_place(f"file://{tmp_path}") == tmp_path
    check_place(str(tmp_path / "new" / "folder"), "SEARCH_RESULTS")
    assert [*(tmp_path / "new" / "folder").iterdir()] == []


def test_a_bucket_is_a_remote_place(s3: Any) -> None:
    place = open_place(f"{s3.url}/search/")
    assert isinstance(place, Remote)
    assert str(place / "study" / "3") == f"{s3.url}/search/study/3"
    check_place(f"{s3.url}/search", "SEARCH_RESULTS")
    assert s3.filesystem().find(s3.url) == []


def test_all_threads_share_the_connections_and_credentials_of_a_place(s3: Any) -> None:
    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(open_place, s3.url).result()
    assert isinstance(other, Remote)
    assert other is open_place(s3.url)


def refusal(place: str) -> str:
    with pytest.raises(PlaceError) as caught:
        check_place(place, "SEARCH_CHECKPOINTS")
    said = str(caught.value)
    assert "\n" not in said
    assert said.endswith(".")
    return said


def test_what_can_not_be_used_is_one_clear_sentence(s3: Any, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "FileExistsError" in refusal(f"{tmp_path}/file")
    assert refusal("s3://no-such-bucket/x") == (
        "SEARCH_CHECKPOINTS names s3://no-such-bucket/x, which can't be written to "
        "(FileNotFoundError: The specified bucket does not exist): "
        "check its address, the credentials and the network."
    )
    assert "Invalid bucket name" in refusal("s3://no bucket?/x")
    assert "names no folder" in refusal("s3://")
    assert "install affect-search[s3]" not in refusal("gs://bucket/x")
    assert "gs://bucket/x needs a library that is not installed" in refusal("gs://bucket/x")
    assert "Protocol not known: nosuch" in refusal("nosuch://bucket/x")


def test_a_password_in_a_url_is_refused_and_not_shown() -> None:
    said = refusal("s3://key:s3cr3t@bucket/x")
    assert said.startswith("s3://key:***@bucket/x holds a password")
    assert "s3cr3t" not in said


def test_a_server_that_is_gone_and_missing_credentials_are_told(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    s3.stop()
    try:
        said = refusal(f"{s3.url}/x")
    finally:
        s3.start()
    assert "EndpointConnectionError" in said
    assert os.environ["AWS_SECRET_ACCESS_KEY"] not in said


def test_without_credentials_or_library_the_advice_says_so(s3: Any) -> None:
    """In a process of its own, for a filesystem keeps the credentials that it was made with."""
    script = """
import sys
from search.errors import PlaceError
from search.places import check_place
if sys.argv[2] == "no library":
    sys.modules["s3fs"] = None
try:
    check_place(sys.argv[1], "SEARCH_RESULTS")
except PlaceError as error:
    print(error)
"""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    environment |= {"AWS_ENDPOINT_URL": os.environ["AWS_ENDPOINT_URL"], "AWS_EC2_METADATA_DISABLED": "true"}

    def told(case: str) -> str:
        command = [sys.executable, "-c", script, f"{s3.url}/x", case]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60).stdout

    assert "NoCredentialsError: Unable to locate credentials" in told("no credentials")
    assert told("no library") == (
        f"{s3.url}/x needs a library that is not installed: install affect-search[s3].\n"
    )
