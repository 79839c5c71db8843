"""Settings of the whole test set: offline, one thread a process, skips that say why."""

import gc
import importlib.util
import os
import socket
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# Before torch, matplotlib and transformers are imported; child processes inherit them.
os.environ['HF_HUB_OFFLINE'] = '1'
os.environ['MPLBACKEND'] = 'Agg'
os.environ.setdefault('MPLCONFIGDIR', str(ROOT / '.pytest_cache' / 'matplotlib'))
os.environ.setdefault('OMP_NUM_THREADS', '1')

# Before any test module imports mmdet or mmyolo.
import expalign  # noqa: E402, F401

LOCAL_HOSTS = ('127.0.0.1', '::1', 'localhost')


@pytest.fixture(scope='session')
def repo_root() -> Path:
    """The root of the repository."""
    return ROOT


@pytest.fixture(scope='session', autouse=True)
def run_at_root():
    """Configs name data relative to the root, whatever folder pytest was started in."""
    before = Path.cwd()
    os.chdir(ROOT)
    yield
    os.chdir(before)


@pytest.fixture(scope='session', autouse=True)
def no_network():
    """Refuse connections to other machines."""
    connect = socket.socket.connect

    def local_only(self, address):
        if self.family != socket.AF_UNIX and address[0] not in LOCAL_HOSTS:
            raise OSError(f'a test tried to reach {address}: tests run without a network')
        return connect(self, address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, 'connect', local_only)
        yield


@pytest.fixture(scope='session')
def run_script(run_at_root):
    """Call a script's ``main()`` with a command line, in this process instead of a new one.

    For example ``run_script('tools/train.py', 'config.py', '--amp')``.
    """
    def run(path: str, *arguments: object):
        forget_visualizers()
        spec = importlib.util.spec_from_file_location(Path(path).stem + '_script', ROOT / path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, 'argv', [path, *map(str, arguments)])
            try:
                return module.main()
            finally:
                gc.unfreeze()  # what a command keeps to its end is garbage here

    return run


@pytest.fixture(scope='session')
def exports(tmp_path_factory, run_at_root):
    """A function from the form of a detector to its export; see ``tests.helpers.exported``.

    Each is made once for all tests.
    """
    for package in ('onnx', 'onnxruntime'):
        pytest.importorskip(package, reason=f'needs {package}')
    from tests.helpers.exported import export
    made = {}

    def get(form):
        if form not in made:
            made[form] = export(form, tmp_path_factory.mktemp(form))
        return made[form]

    return get


def forget_visualizers() -> None:
    """Empty mmengine's tables of named visualizers, as a new process would find them.

    A hook takes the one that was named last, which may be of a runner of another test.
    """
    from mmengine.visualization import Visualizer
    kinds = [Visualizer]
    for kind in kinds:
        kind._instance_dict.clear()
        kinds += kind.__subclasses__()


@pytest.fixture
def real_data() -> Path:
    """The folder with real data; its tests carry the marker ``real_data``."""
    return Path(os.environ['EXPALIGN_DATA'])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what was asked for and cannot run here."""
    reasons = {}
    if not os.environ.get('EXPALIGN_DATA'):
        reasons['real_data'] = 'EXPALIGN_DATA does not name the folder with the real data'
    if any(item.get_closest_marker('gpu') for item in items):
        import torch
        if not torch.cuda.is_available():
            reasons['gpu'] = 'no CUDA device'
    for item in items:
        for marker, reason in reasons.items():
            if item.get_closest_marker(marker):
                item.add_marker(pytest.mark.skip(reason=reason))
