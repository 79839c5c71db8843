"""Settings in an ONNX file of a stranger: of the right kind and size, or one line with the file."""

import json

import pytest

from expalign.limits import LimitExceeded
from expalign.runtime.sessions import open_session
from expalign.runtime.settings import (
    METADATA_KEY,
    DetectorSettings,
    TextSettings,
    from_metadata,
    to_metadata,
)

TEXT = TextSettings('a.json', '0' * 64, 77, 'longest', 0, '[PAD]', 512)
DETECTOR = DetectorSettings((640, 480), 114, 'RGB', 512, 0.001, 30000, 0.7, False, 300, True)


@pytest.mark.parametrize('settings', [TEXT, DETECTOR])
def test_own_settings_come_back(settings):
    found = from_metadata(type(settings), to_metadata(settings), 'a.onnx')
    assert to_metadata(found) == to_metadata(settings)


@pytest.mark.parametrize(('settings', 'name', 'value'), [
    *((TEXT, 'max_length', value) for value in (10**9, 0, -1, 1.5, '77', None, True)),
    *((TEXT, 'tokenizer', value) for value in ('../a.json', '/etc/passwd', '', 'a\nb', 3)),
    (TEXT, 'tokenizer_sha256', 'x'), (TEXT, 'padding', 'none'), (TEXT, 'pad_id', 2**40),
    (TEXT, 'pad_id', -1), (TEXT, 'pad_token', None), (TEXT, 'embed_dims', 10**9),
    *((DETECTOR, 'image_size', value) for value in ([640], [0, 640], [10**6] * 2, 'ab', None)),
    (DETECTOR, 'pad_value', 256), (DETECTOR, 'channel_order', 'GBR'), (DETECTOR, 'score_thr', 2),
    (DETECTOR, 'score_thr', 'x'), (DETECTOR, 'nms_pre', 10**12), (DETECTOR, 'max_per_img', -5),
    (DETECTOR, 'max_per_prompt', 0), (DETECTOR, 'iou_threshold', float('nan')),
    (DETECTOR, 'class_agnostic', 1), (DETECTOR, 'multi_label', None),
    (DETECTOR, 'prototype_stride', 10**9), (DETECTOR, 'vocabulary', [1]),
    (DETECTOR, 'vocabulary', 'cat'), (DETECTOR, 'config', 3),
    (DETECTOR, 'known_classes', dict(names=[1])), (DETECTOR, 'known_classes', ['cat'])])
def test_other_settings_are_refused(settings, name, value):
    stated = json.loads(to_metadata(settings)[METADATA_KEY])
    metadata = {METADATA_KEY: json.dumps(stated | {name: value})}
    with pytest.raises((ValueError, LimitExceeded), match=f'^a.onnx: the setting {name}'):
        from_metadata(type(settings), metadata, 'a.onnx')


@pytest.mark.parametrize('text', ['', '[]', '3', '{"a": 1}', '[' * 10**5, 'null', '{"config"'])
def test_metadata_of_others(text):
    with pytest.raises(ValueError, match='^a.onnx is not a detector that'):
        from_metadata(DetectorSettings, {METADATA_KEY: text}, 'a.onnx')


def test_limits_are_settable(monkeypatch):
    monkeypatch.setenv('EXPALIGN_MAX_TEXT_LENGTH', '10')
    with pytest.raises(LimitExceeded, match='EXPALIGN_MAX_TEXT_LENGTH'):
        from_metadata(TextSettings, to_metadata(TEXT), 'a.onnx')


def test_files_that_are_something_else(tmp_path):
    pytest.importorskip('onnxruntime')
    for name, content, kind in (
            ('lfs', b'version https://git-lfs.github.com/spec/v1\n', 'a Git LFS pointer'),
            ('html', b'<!DOCTYPE html>', 'an HTML page'), ('empty', b'', 'an empty file'),
            ('hello', b'hello', "a text file that starts with 'hello'")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=f'{name} .*it is {kind}'):
            open_session(tmp_path / name, DetectorSettings, None, 1)
    with pytest.raises(ValueError, match='it is a folder'):
        open_session(tmp_path, DetectorSettings, None, 1)
