"""The import hooks, on packages made for the test, and what a new process sees."""

import importlib
import pickle
import subprocess
import sys
from importlib.machinery import PathFinder
from importlib.util import find_spec
from pathlib import Path

import mmcv
import pytest

from expalign import compat
from expalign.compat.import_hooks import SourceHook, StandInFinder
from expalign.compat.mmyolo_version import RelaxedVersionLoader

PACKAGE = """
mmcv_minimum_version = '2.0.0rc4'
mmcv_maximum_version = '{bound}'
other = '2.1.0'

class Thing:
    size = 3
"""


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Write package ``toyyolo`` with the given bound, hook it and import it."""
    def make(source: str):
        folder = tmp_path / 'toyyolo'
        folder.mkdir()
        (folder / '__init__.py').write_text(source)
        (folder / 'part.py').write_text('value = 5')
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.setattr(sys, 'meta_path',
                            [SourceHook('toyyolo', RelaxedVersionLoader), *sys.meta_path])
        monkeypatch.setattr(sys, 'dont_write_bytecode', False)
        return importlib.import_module('toyyolo')

    yield make
    for name in ('toyyolo', 'toyyolo.part'):
        sys.modules.pop(name, None)


def test_only_the_stated_bound_is_raised(package) -> None:
    toy = package(PACKAGE.format(bound='2.1.0'))
    assert toy.mmcv_maximum_version == '3.0.0'
    assert (toy.mmcv_minimum_version, toy.other) == ('2.0.0rc4', '2.1.0')


@pytest.mark.parametrize('source', ['value = 1', PACKAGE.format(bound='2.3.0'),
                                    'a = mmcv_maximum_version = "2.1.0"'])
def test_other_versions_are_left_alone(package, source: str) -> None:
    expected: dict = {}
    exec(source, expected)
    loaded = vars(package(source))
    names = set(expected) - {'__builtins__'}
    assert {n: loaded[n] for n in names if n != 'Thing'} == {
        n: expected[n] for n in names if n != 'Thing'}


def test_hooked_package_is_otherwise_normal(package, tmp_path: Path) -> None:
    toy = package(PACKAGE.format(bound='2.1.0'))
    assert toy.__file__ == str(tmp_path / 'toyyolo' / '__init__.py')
    assert list(toy.__path__) == [str(tmp_path / 'toyyolo')]
    assert find_spec('toyyolo') is toy.__spec__
    assert importlib.import_module('toyyolo.part').value == 5
    assert pickle.loads(pickle.dumps(toy.Thing())).size == 3


def test_cached_bytecode_is_neither_written_nor_read(package, tmp_path: Path) -> None:
    toy = package(PACKAGE.format(bound='2.1.0'))
    assert not list(tmp_path.glob('toyyolo/__pycache__/__init__*'))
    importlib.import_module('toyyolo.part')
    assert list(tmp_path.glob('toyyolo/__pycache__/part*'))  # the folder does take bytecode
    importlib.machinery.SourceFileLoader('toyyolo', toy.__file__).get_code('toyyolo')
    assert list(tmp_path.glob('toyyolo/__pycache__/__init__*'))  # as an unhooked process leaves it
    assert importlib.reload(toy).mmcv_maximum_version == '3.0.0'


def test_real_module_wins_over_the_stand_in(tmp_path: Path, monkeypatch) -> None:
    finder = StandInFinder('toy_ext', 'mmcv_ext.py')
    monkeypatch.setattr(sys, 'meta_path', [*sys.meta_path, finder])
    assert find_spec('toy_ext').origin == finder.origin
    (tmp_path / 'toy_ext.py').write_text('compiled = True')
    monkeypatch.syspath_prepend(tmp_path)
    assert find_spec('toy_ext').origin == str(tmp_path / 'toy_ext.py')


def test_finders_decline_every_other_name() -> None:
    for finder in (StandInFinder('mmcv._ext', 'mmcv_ext.py'),
                   SourceHook('mmyolo', RelaxedVersionLoader)):
        for name in ('mmcv', 'mmcv._ext2', '_ext', 'mmyolo.models', 'json'):
            assert finder.find_spec(name) is None


def test_missing_package_stays_missing() -> None:
    hook = SourceHook('no_such_package', RelaxedVersionLoader)
    assert hook.find_spec('no_such_package') is None


def test_install_again_changes_nothing() -> None:
    before = list(sys.meta_path)
    compat.install()
    compat.install()
    assert sys.meta_path == before
    places = {finder.name: place for place, finder in enumerate(before)
              if isinstance(finder, (SourceHook, StandInFinder))}
    search_of_sys_path = before.index(PathFinder)
    assert max(places['mmyolo'], places['lvis.eval']) < search_of_sys_path < places['mmcv._ext']


def test_mmyolo_imports_and_tells_the_truth() -> None:
    import mmyolo
    from mmengine.utils import digit_version
    assert mmyolo.mmcv_maximum_version == '3.0.0'
    assert mmyolo.mmcv_version == digit_version(mmcv.__version__)
    assert mmcv.__version__ == mmcv.version.__version__


def run_python(code: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, '-c', code], text=True, timeout=120,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def test_import_expalign_is_cheap() -> None:
    result = run_python('import sys, expalign\n'
                        'print(*{m.partition(".")[0] for m in sys.modules})')
    loaded = set(result.stdout.split())
    assert 'expalign' in loaded, result.stdout
    assert not loaded & {'torch', 'numpy', 'mmengine', 'mmcv', 'mmdet', 'mmyolo', 'numba'}


@pytest.mark.skipif(compat.mmcv_ops_compiled(), reason='mmcv has compiled operators here')
def test_mmdet_imported_first() -> None:
    """The documented error, and that a later ``import expalign`` in the same process cures it."""
    result = run_python("""
from mmdet.apis import init_detector
from mmdet.registry import MODELS
try:
    MODELS.get('mmdet.RTMDet')
except ModuleNotFoundError as error:
    print('=', error)
try:
    import mmyolo
except AssertionError as error:
    print('=', error)
print('---', flush=True)
import expalign
print('=', MODELS.get('mmdet.RTMDet').__name__, MODELS.get('mmyolo.YOLOv8Head').__name__)
""")
    said = [line[2:] for line in result.stdout.splitlines() if line.startswith('= ')]
    assert said == [
        "No module named 'mmcv._ext'",
        f'MMCV=={mmcv.__version__} is used but incompatible. '
        'Please install mmcv>=2.0.0rc4, <2.1.0.',
        'RTMDet YOLOv8Head',
    ], result.stdout
    before, after = result.stdout.split('---\n')
    assert 'Line NMS is not compiled' in before
    assert 'compiled' not in after
