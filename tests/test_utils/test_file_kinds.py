"""What files are that are not what they claim."""

import os
import pickle

import pytest

from expalign.utils.file_kinds import describe_content, describe_file, special_kind


@pytest.mark.parametrize(('content', 'words'), [
    (b'', 'an empty file'), (b'\0' * 100, 'zero bytes'),
    (b'version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n', 'Git LFS pointer'),
    (b'<!DOCTYPE html><html>', 'an HTML page'), (b'\n <html lang="en">', 'an HTML page'),
    (b'<?xml version="1.0"?><a/>', 'an XML file'),
    (b'hello', "a text file that starts with 'hello'"), (b'{"a": 1}', 'a JSON file'),
    (b'\xef\xbb\xbf[1]', 'a JSON file'), ('{"ä": 1}'.encode('utf-16'), 'text in UTF-16'),
    (b'PK\x03\x04....', 'a ZIP archive'), (b'\x89PNG\r\n\x1a\n....', 'a PNG image'),
    (pickle.dumps([1]), 'a pickle'), (b'\xc3\x28\x00\xff' * 9, 'binary data (36 bytes)'),
    (b'x' * 511 + 'ä'.encode(), 'a text file'), (b'GIF89a', 'a GIF image'),
])
def test_kinds(content, words, tmp_path):
    (tmp_path / 'a').write_bytes(content)
    assert words in describe_file(tmp_path / 'a')
    assert words in describe_content(content[:512], len(content))


def test_special_files(tmp_path):
    os.mkfifo(tmp_path / 'pipe')
    os.symlink('/dev/zero', tmp_path / 'link')
    assert 'a pipe' in describe_file(tmp_path / 'pipe')
    assert 'a device' in describe_file(tmp_path / 'link')
    assert describe_file(tmp_path) == 'a folder'
    assert 'not readable (No such file' in describe_file(tmp_path / 'none')
    assert special_kind(__file__) is None and special_kind('a\0b') is None
