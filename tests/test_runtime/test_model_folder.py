"""A folder is a model: its files are told apart by what is in them."""

import shutil

import numpy as np
import pytest

from expalign.runtime import OnnxDetector
from tests.helpers.exported import IMAGES


def test_files_of_any_name(exports, tmp_path):
    exported = exports('none')
    for source, name in ((exported.detector_file, 'z.onnx'), (exported.text_file, 'a.onnx')):
        shutil.copy(source, tmp_path / name)
    shutil.copy(exported.folder / 'text.tokenizer.json', tmp_path)
    (found,) = OnnxDetector(tmp_path, threads=1, image_size=(64, 64))(IMAGES[0], ['cat'], 0)
    (expected,) = exported.onnx(image_size=(64, 64))(IMAGES[0], ['cat'], 0)
    assert len(found) and np.array_equal(found.boxes, expected.boxes)
    # Another text side than that of the folder.
    named = OnnxDetector(tmp_path, exported.text_file, threads=1)
    assert named.text_side.settings.tokenizer == 'text.tokenizer.json'

    shutil.copy(tmp_path / 'z.onnx', tmp_path / 'y.onnx')
    with pytest.raises(ValueError, match=r'has 2 detectors, y\.onnx, z\.onnx: name the file'):
        OnnxDetector(tmp_path)
    for name in 'yz':
        (tmp_path / f'{name}.onnx').unlink()
    with pytest.raises(ValueError, match=r'has no detector, only the text side a\.onnx'):
        OnnxDetector(tmp_path)
    (tmp_path / 'b.onnx').write_bytes(b'nothing')
    with pytest.raises(ValueError, match=r'b\.onnx cannot be opened as an ONNX model'):
        OnnxDetector(tmp_path)
    with pytest.raises(FileNotFoundError, match='has no ONNX file'):
        OnnxDetector(IMAGES[0].rpartition('/')[0])


def test_models_of_others(tmp_path):
    onnx = pytest.importorskip('onnx', reason='needs onnx')
    value = onnx.helper.make_tensor_value_info('x', onnx.TensorProto.FLOAT, [1])
    out = onnx.helper.make_tensor_value_info('y', onnx.TensorProto.FLOAT, [1])
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node('Identity', ['x'], ['y'])], 'g', [value], [out])
    model = onnx.helper.make_model(
        graph, opset_imports=[onnx.helper.make_opsetid('', 17)], ir_version=8)
    onnx.save(model, tmp_path / 'other.onnx')
    with pytest.raises(ValueError, match=r'other\.onnx is neither a detector nor a text side'):
        OnnxDetector(tmp_path)
