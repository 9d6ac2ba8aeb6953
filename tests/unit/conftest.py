from collections.abc import Iterator

import pytest


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Small networks lose more to waiting threads than they gain, on a busy machine all the more."""
    import torch  # not needed, and slow to import, for most tests

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
