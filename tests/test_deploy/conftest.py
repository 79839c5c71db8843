"""Tiny detectors, exported once for all tests of this folder."""

import pytest

pytest.importorskip('onnx', reason='needs onnx')
pytest.importorskip('onnxruntime', reason='needs onnxruntime')


@pytest.fixture(scope='session')
def exports(tmp_path_factory, run_at_root):
    """A function from the form of a detector to its export; see ``tests.helpers.exported``."""
    from tests.helpers.exported import export
    made = {}

    def get(form):
        if form not in made:
            made[form] = export(form, tmp_path_factory.mktemp(form))
        return made[form]

    return get
