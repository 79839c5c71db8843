"""The environment report."""

import huggingface_hub
import pytest

from expalign import __version__, collect_env

CLIP = 'openai/clip-vit-large-patch14'


@pytest.fixture
def no_base_report(monkeypatch):
    """Leave mmengine's part out: it starts processes."""
    monkeypatch.setattr(collect_env, 'collect_base_env', lambda: dict(PyTorch=1))


def test_report(no_base_report, monkeypatch) -> None:
    monkeypatch.setattr(collect_env, 'mmcv_ops_compiled', lambda: False)
    env = collect_env.collect_env()
    assert list(env)[:2] == ['PyTorch', 'ExpAlign'] and env['PyTorch'] == '1'
    assert env['ExpAlign'] == __version__
    assert env['mmyolo'].startswith('0.')
    assert env['mmcv operators'] == 'not compiled: NMS and soft-NMS by expalign, no others'
    monkeypatch.setattr(collect_env, 'mmcv_ops_compiled', lambda: True)
    assert collect_env.collect_env()['mmcv operators'] == 'compiled'


def test_hub_weights_are_looked_up_in_the_local_cache(no_base_report, tmp_path,
                                                      monkeypatch) -> None:
    monkeypatch.setattr(huggingface_hub.constants, 'HF_HUB_CACHE', str(tmp_path))
    assert collect_env.collect_env()[f'weights {CLIP}'] == 'not cached'
    repo = tmp_path / 'models--openai--clip-vit-large-patch14'
    weights = repo / 'snapshots' / 'abc' / 'model.safetensors'
    weights.parent.mkdir(parents=True)
    weights.touch()
    (repo / 'refs').mkdir()
    (repo / 'refs' / 'main').write_text('abc')
    assert collect_env.collect_env()[f'weights {CLIP}'] == f'cached ({weights})'


def test_packaged_weights(tmp_path, monkeypatch) -> None:
    (tmp_path / 'toy_weights').mkdir()
    (tmp_path / 'toy_weights' / '__init__.py').touch()
    monkeypatch.syspath_prepend(tmp_path)
    assert collect_env._package_state('toy_weights', '*.pth') == 'package installed, without *.pth'
    weights = tmp_path / 'toy_weights' / 'w.pth'
    weights.touch()
    assert collect_env._package_state('toy_weights', '*.pth') == f'installed ({weights})'
    assert collect_env._package_state('no_such_weights', '*') == 'package not installed'


def test_missing_library_is_reported() -> None:
    state = collect_env._version('no_such_library')
    assert state == "not installed (No module named 'no_such_library')"


def test_main_prints_one_line_a_fact(monkeypatch, capsys) -> None:
    monkeypatch.setattr(collect_env, 'collect_env', lambda: {'mmcv': '2.3.6', 'GCC': 'n/a'})
    collect_env.main()
    assert capsys.readouterr().out == 'mmcv: 2.3.6\nGCC: n/a\n'
