"""The command ``expalign-runtime``, and that nothing of it needs torch or OpenMMLab."""

import json
import shutil
import subprocess
import sys

import cv2
import numpy as np
import pytest

from expalign.apis.runtime_command import main
from tests.helpers.exported import IMAGES

SIZE = ('--image-size', '320', '320', '--threads', '1')
# Draws, saves and prints with imports of the others refused.
ALONE = '''
import json, sys, time
start = time.perf_counter()
class Refused:
    names = {'torch', 'mmengine', 'mmcv', 'mmdet', 'mmyolo', 'transformers', 'onnx'}
    def find_spec(self, name, path=None, target=None):
        if name.partition('.')[0] in self.names:
            raise ImportError(f'{name} is not to be imported here')
sys.meta_path.insert(0, Refused())
from expalign.apis.runtime_command import main
main(['--help'])
assert 'onnxruntime' not in sys.modules
help_took = time.perf_counter() - start
main(sys.argv[1:])
from expalign.runtime import Detections, OnnxDetector
assert not Refused.names & sys.modules.keys()
print(f'help: {help_took:.2f}')
'''


@pytest.fixture(scope='module')
def model(exports, tmp_path_factory):
    """A folder with an exported model that has masks."""
    folder = tmp_path_factory.mktemp('model')
    exported = exports('masks')
    for name in ('m.onnx', 'text.onnx', 'text.tokenizer.json'):
        shutil.copy(exported.folder / name, folder)
    return folder


def run(*arguments):
    main(['detect', *SIZE, *map(str, arguments)])


def failing(capsys, *arguments):
    with pytest.raises(SystemExit) as stopped:
        run(*arguments)
    error = capsys.readouterr().err
    assert stopped.value.code == 2 and error.count('\n') == 1, error
    return error


def test_where_nothing_else_is_installed(model, tmp_path):
    folder = tmp_path / 'in'
    folder.mkdir()
    photo = shutil.copy(IMAGES[0], folder)
    (folder / 'broken.jpg').write_bytes(b'no image')
    result = subprocess.run(
        [sys.executable, '-c', ALONE, 'detect', model, folder, 'a cat. an owl', *SIZE,
         '--out-dir', tmp_path, '--format', 'pictures', 'json', 'coco', 'yolo', 'csv'],
        capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert '1 of 2 images could not be read and are left out: broken.jpg' in result.stderr
    lines = result.stdout.splitlines()
    assert '2 prompts: a cat | an owl' in lines
    assert any(line.startswith(f'{photo}: ') and 'best 0.' in line for line in lines)
    assert float(lines[-1].removeprefix('help: ')) < 2, 'a quiet core takes 0.3 s'
    name = IMAGES[0].rpartition('/')[2].removesuffix('.jpg')
    record = json.loads((tmp_path / 'preds' / f'{name}.json').read_text())
    assert record['schema'] == 'expalign.detections' and record['prompts'] == ['a cat', 'an owl']
    assert len(record['detections']) > 5 and 'counts' in record['detections'][0]['mask']
    drawn = cv2.imread(str(tmp_path / 'vis' / f'{name}.jpg'))
    assert drawn.shape == cv2.imread(IMAGES[0]).shape
    assert {path.name for path in tmp_path.iterdir()} == {
        'in', 'vis', 'preds', 'labels', 'classes.txt', 'coco.json', 'detections.csv'}


def test_folders_and_several_photographs(model, tmp_path, capsys):
    folder = tmp_path / 'in'
    folder.mkdir()
    for image in IMAGES:
        shutil.copy(image, folder)
    run(model, folder, 'cat, owl', '--out-dir', tmp_path / 'a', '--batch-size', 2, '--print-result')
    out = capsys.readouterr().out
    records = [json.loads(line) for line in out.splitlines() if line.startswith('{')]
    assert [record['image'] for record in records] == sorted(
        map(str, folder.iterdir()))
    run(model, *IMAGES, 'cat, owl', '--out-dir', tmp_path / 'b', '--format', 'json')
    for image, record in zip(sorted(IMAGES), records, strict=True):
        name = image.rpartition('/')[2].removesuffix('.jpg')
        other = json.loads((tmp_path / 'b' / 'preds' / f'{name}.json').read_text())
        np.testing.assert_allclose(
            [entry['score'] for entry in other['detections']],
            [entry['score'] for entry in record['detections']], atol=2e-4)
        assert other['prompts'] == ['cat', 'owl'] and other['threshold'] == record['threshold']


def test_mistakes_are_one_line(model, tmp_path, capsys):
    out = ('--out-dir', tmp_path / 'out')
    photo = IMAGES[0]
    assert 'nothing does not exist' in failing(capsys, tmp_path / 'nothing', photo, 'cat', *out)
    assert f'{photo} is a photograph' in failing(capsys, photo, 'cat', *out)
    assert 'a photograph and what to search for' in failing(capsys, model, 'cat', *out)
    assert 'say what to search for' in failing(capsys, model, photo, *out)
    assert 'the input none.jpg does not exist' in failing(capsys, model, 'none.jpg', 'cat', *out)
    assert 'has no ONNX file' in failing(capsys, tmp_path, photo, 'cat', *out)
    assert 'no text side' in failing(capsys, model / 'm.onnx', photo, 'cat', *out)
    assert 'text.onnx is not a detector' in failing(capsys, model / 'text.onnx', photo, 'x', *out)
    assert 'multiples of 32' in failing(capsys, model, photo, 'cat', *out, '--image-size', 9, 9)
    assert 'did you mean --score-thr?' in failing(capsys, model, photo, 'cat', '--conf', '0.2')
    assert 'addresses are not read here' in failing(capsys, model, 'http://a/b.jpg', 'cat', *out)
    (tmp_path / 'bad.jpg').write_bytes(b'no image')
    assert "bad.jpg'" in failing(capsys, model, tmp_path / 'bad.jpg', 'cat', *out)
    for wrong in ('find', '--out'):
        with pytest.raises(SystemExit):
            main([wrong])
        assert f'{wrong!r} is no command' in capsys.readouterr().err
