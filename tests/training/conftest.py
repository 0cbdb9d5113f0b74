"""Tiny batches: one thread is faster than two."""

import pytest

from tests.conftest import one_thread

_one_thread = pytest.fixture(one_thread, autouse=True, scope="package")
