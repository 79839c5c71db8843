"""Streaming of COCO files: the depth of strangers' files, and files that are something else."""

import io
import json
import os
import random

import pytest

from expalign.data_tools.coco_stream import stream
from expalign.data_tools.depth_guard import DepthGuard


def depth_by_definition(content):
    """The deepest place of valid JSON."""
    if isinstance(content, dict):
        return 1 + max(map(depth_by_definition, content.values()), default=0)
    if isinstance(content, list):
        return 1 + max(map(depth_by_definition, content), default=0)
    return 0


def random_json(rng, depth):
    kind = rng.randrange(3 if depth else 1)
    if kind == 0:
        return ''.join(rng.choice('[]{}"\\,:aé\n') for _ in range(rng.randrange(8)))
    values = [random_json(rng, depth - 1) for _ in range(rng.randrange(4))]
    return values if kind == 1 else {f'{i}"]{{\\': value for i, value in enumerate(values)}


def test_the_guard_counts_as_a_parser_does(monkeypatch):
    """Brackets in strings do not count, wherever a part of the file ends."""
    rng = random.Random(0)
    for _ in range(300):
        content = random_json(rng, 6)
        text = json.dumps(content, ensure_ascii=rng.random() < 0.5).encode()
        depth, size = depth_by_definition(content), rng.choice([1, 2, 3, 7, 1000])
        for limit in {max(depth, 1), max(depth - 1, 1)}:
            monkeypatch.setenv('EXPALIGN_MAX_JSON_DEPTH', str(limit))
            guard, found = DepthGuard(io.BytesIO(text), 'x'), b''
            try:
                while part := guard.read(size):
                    found += part
            except ValueError:
                assert depth > limit
            else:
                assert (depth, found) <= (limit, text)


def test_nested_lists_are_refused_before_they_fill_the_memory(tmp_path):
    path = tmp_path / 'deep.json'
    for text in ('[' * 109_000 + ']' * 109_000, '{"a":' * 40_000 + '1' + '}' * 40_000):
        path.write_text(f'{{"images": [{text}]}}')
        with pytest.raises(ValueError, match=r'deep\.json.: [\d,]+ lists and objects inside one '
                           r'another, more than the limit of 200\. .*EXPALIGN_MAX_JSON_DEPTH'):
            list(stream(path, 'images'))


@pytest.mark.parametrize(('content', 'message'), [
    (b'', 'it is an empty file'),
    (b'hello', "it is a text file that starts with 'hello'"),
    (b'<!DOCTYPE html><html>', 'it is an HTML page'),
    (b'version https://git-lfs.github.com/spec/v1', 'it is a Git LFS pointer'),
    (b'\x89PNG\r\n\x1a\n', 'it is a PNG image'),
    ('{"images": []}'.encode('utf-16'), 'text in UTF-16'),
    (b'{"images": [{"id": 1}', 'the file may be cut short'),
    (b'{"images": [{"id": NaN}]}', r'lexical error'),
    (b'{"images": [{"id": ' + b'1' * 5000 + b'}]}', 'integer overflow'),
    (b'{"images": [{"file_name": "caf\xe9"}]}', 'UTF-?8'),
    (b'{"images": [3]}', r'images\[0\] is a int, not an object'),
])
def test_what_is_no_coco_file_is_named(tmp_path, content, message):
    path = tmp_path / 'x.json'
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf'x\.json.*{message}'):
        list(stream(path, 'images'))


def test_a_byte_order_mark(tmp_path):
    (tmp_path / 'x.json').write_text('{"images": [{"id": 1}]}', encoding='utf-8-sig')
    assert list(stream(tmp_path / 'x.json', 'images')) == [{'id': 1}]


def test_pipes_are_not_read(tmp_path):
    os.mkfifo(tmp_path / 'pipe.json')
    for path, kind in ((tmp_path / 'pipe.json', 'a pipe'), ('/dev/zero', 'a device'),
                       (tmp_path, 'a folder')):
        with pytest.raises(ValueError, match=f'is {kind}'):
            list(stream(path, 'images'))
