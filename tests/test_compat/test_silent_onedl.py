"""mmdet's data sets are imported without a word."""

from importlib.util import find_spec

import pytest

from expalign.compat.silent_onedl import MODULES, SilentLoader

SOURCE = """
from mmengine.logging import print_log
try:
    import absent_package_of_a_test
except ImportError:
    import logging
    print_log(
        'Could not import OneDL. Skipping OneDL datasets.',
        level=logging.DEBUG)
    print_log('another line')
    found = []
"""


def test_that_line_alone_is_left_out(tmp_path, capsys):
    path = tmp_path / 'toy_datasets.py'
    path.write_text(SOURCE)
    namespace = {}
    exec(SilentLoader('toy_datasets', str(path)).get_code('toy_datasets'), namespace)
    assert capsys.readouterr().out == 'another line\n'
    assert namespace['found'] == []


@pytest.mark.parametrize('name', MODULES)
def test_the_modules_are_loaded_so(name):
    assert isinstance(find_spec(name).loader, SilentLoader)
