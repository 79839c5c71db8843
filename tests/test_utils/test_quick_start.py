"""No collection while things are made, the usual ones afterwards."""

import gc

import pytest

from expalign.utils.quick_start import uncollected


@pytest.fixture(autouse=True)
def as_before():
    yield
    gc.unfreeze()


def test_collections_wait_and_come_back():
    frozen = gc.get_freeze_count()
    with uncollected():
        assert not gc.isenabled()
        kept = [[] for _ in range(1000)]
    assert gc.isenabled()
    assert gc.get_freeze_count() - frozen >= len(kept)


def test_an_error_leaves_the_collector_on():
    with pytest.raises(ValueError, match='no'), uncollected():
        raise ValueError('no')
    assert gc.isenabled()


def test_off_stays_off():
    gc.disable()
    try:
        with uncollected():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
