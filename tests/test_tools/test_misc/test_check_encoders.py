"""tools/misc/check_encoders.py with generated encoders: file format and comparison."""

import numpy as np
import pytest
import torch

from tests.helpers.small_encoders import TOKEN_WIDTH, WIDTHS, clip, dinov3

TOOL = 'tools/misc/check_encoders.py'


@pytest.fixture(scope='module')
def models(tmp_path_factory) -> list[str]:
    folder = tmp_path_factory.mktemp('encoders')
    return ['--image-model', dinov3(folder / 'dinov3'), '--text-model', clip(folder / 'clip')]


def test_the_wrappers_give_what_transformers_gives(run_script, models, tmp_path, capsys):
    path = tmp_path / 'features.npz'
    run_script(TOOL, *models, '--record', path)
    out = capsys.readouterr().out
    assert out.count('equal') == 5 and 'DIFFERENT' not in out
    assert 'image: 0.' in out and 'the paper says 26 M frozen' in out
    with np.load(path) as content:
        assert content['models'].tolist() == [models[1], models[3]]
        assert [content[f'C{level}'].shape for level in (3, 4, 5)] == [
            (3, WIDTHS[0], 4, 4), (3, WIDTHS[1], 2, 2), (3, WIDTHS[2], 1, 1)]
        assert content['sentences'].shape == (10, TOKEN_WIDTH)
        assert content['tokens'].shape[1] == TOKEN_WIDTH
    run_script(TOOL, *models, '--compare', path)
    assert capsys.readouterr().out.count('equal') == 5


def test_other_weights_are_told(run_script, models, tmp_path, capsys):
    path = tmp_path / 'features.npz'
    run_script(TOOL, *models, '--record', path)
    with np.load(path) as content:
        arrays = dict(content)
    arrays['C4'] = arrays['C4'] + np.abs(arrays['C4']).max() * 1e-3
    arrays['tokens'] = arrays['tokens'][1:]
    np.savez(path, **arrays)
    with pytest.raises(SystemExit) as info:
        run_script(TOOL, *models, '--compare', path)
    out = capsys.readouterr().out
    assert info.value.code == 1 and out.count('DIFFERENT') == 2 and 'inf' in out
    run_script(TOOL, *models, '--record', path, '--tolerance', 1)
    del arrays['C5']
    np.savez(path, **arrays)
    with pytest.raises(ValueError, match='has no C5: it was not written by --record'):
        run_script(TOOL, *models, '--compare', path)
    with pytest.raises(FileNotFoundError, match='write it with --record'):
        run_script(TOOL, *models, '--compare', tmp_path / 'none.npz')


def test_photographs_need_no_interpolation():
    import importlib.util
    spec = importlib.util.spec_from_file_location('check_encoders_tool', TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    values = module.pixels()
    assert values.shape == (3, 3, 224, 224) and values.dtype == torch.float32
    assert len(set(module.PROMPTS)) == 10
