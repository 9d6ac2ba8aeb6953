"""Our storage keeps every promise of Optuna's: Optuna's own conformance suite, against a real Postgres."""

import pytest
from optuna.storages import BaseStorage, _CachedStorage
from optuna.testing.pytest_storages import StorageTestCase

from search.store.connection import Store


class TestPostgresStorage(StorageTestCase):
    """Under Optuna's cache, as samplers and pruners use it."""

    @pytest.fixture
    def storage(self, store: Store) -> BaseStorage:
        return _CachedStorage(store.storage)
