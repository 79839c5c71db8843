"""Reading configs: overrides, work folders, and errors that name their true cause."""

import pytest
from mmengine.config import Config

from expalign.utils.load_config import load_config, set_work_dir


def write(folder, text, name='config.py'):
    path = folder / name
    path.write_text(text)
    return path


def test_options_are_merged(tmp_path):
    path = write(tmp_path, 'model = dict(width=1, depth=2)\n')
    cfg = load_config(path, {'model.width': 3, 'new.key': 'x'})
    assert cfg.model == dict(width=3, depth=2)
    assert cfg.new.key == 'x'


def test_missing_file_is_named(tmp_path):
    path = tmp_path / 'absent.py'
    with pytest.raises(FileNotFoundError, match=f'config file {path} does not exist'):
        load_config(path)


@pytest.mark.parametrize(('body', 'cause'), [
    ('import no_such_library\n', "ModuleNotFoundError: No module named 'no_such_library'"),
    ('from math import no_such_name\n', 'ImportError: cannot import name .no_such_name. from'),
])
def test_failed_custom_import_names_the_cause(tmp_path, monkeypatch, body, cause):
    monkeypatch.syspath_prepend(tmp_path)
    module = f'custom_{len(body)}'
    write(tmp_path, body, f'{module}.py')
    path = write(tmp_path, f"custom_imports = dict(imports=['{module}'])\n")
    expected = f'Failed to import {module} .*because of {cause}'
    with pytest.raises(ImportError, match=expected) as info:
        load_config(path)
    assert str(info.value).startswith(str(path))
    assert 'PYTHONPATH' not in str(info.value)


def test_other_errors_in_custom_imports_pass_through(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    write(tmp_path, 'raise ValueError("the library is too old")\n', 'custom_value.py')
    path = write(tmp_path, "custom_imports = dict(imports=['custom_value'])\n")
    with pytest.raises(ValueError, match='the library is too old'):
        load_config(path)


@pytest.mark.parametrize(('argument', 'in_config', 'expected'), [
    ('here', 'there', 'here'), (None, 'there', 'there'), (None, None, 'work_dirs/small'),
])
def test_work_dir_precedence(argument, in_config, expected):
    cfg = Config({} if in_config is None else dict(work_dir=in_config))
    set_work_dir(cfg, argument, 'configs/small.py')
    assert cfg.work_dir == expected
