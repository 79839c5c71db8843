"""Settings of the tests of data sets."""

import gc

import pytest


@pytest.fixture(scope='package', autouse=True)
def quick_collection():
    """mmengine collects garbage whenever a data set is built: spare it the imported modules."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()
