"""Files of arrays that are something else, or that unpack to more than they should."""

import io
import os
import random
import zipfile

import numpy as np
import pytest

from expalign.utils.npz_files import read_arrays
from tests.helpers.file_mutations import mutate_bytes


def read(path):
    return read_arrays(path, ('names', 'vectors'), 'vectors')


def header(shape, dtype='<f4'):
    """The head of an array of a shape."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        file, {'descr': dtype, 'fortran_order': False, 'shape': shape})
    return file.getvalue()


def test_arrays_come_back(tmp_path):
    for save in (np.savez, np.savez_compressed):
        save(tmp_path / 'a.npz', names=np.array(['a', 'é']), vectors=np.eye(2), more=np.ones(3))
        arrays = read(tmp_path / 'a.npz')
        assert sorted(arrays) == ['names', 'vectors']
        assert arrays['names'].tolist() == ['a', 'é']
        assert (arrays['vectors'] == np.eye(2)).all()
    np.savez(tmp_path / 'b.npz', names=np.array(['a']))
    assert list(read(tmp_path / 'b.npz')) == ['names']


def test_what_unpacks_to_a_thousand_times_its_size_is_not_unpacked(tmp_path, monkeypatch):
    monkeypatch.setenv('EXPALIGN_MAX_ARRAY_BYTES', '1000000')
    np.savez_compressed(tmp_path / 'a.npz', vectors=np.zeros((400, 1000)))
    assert (tmp_path / 'a.npz').stat().st_size < 5000
    with pytest.raises(ValueError, match=r'a\.npz: 3,200,128 bytes of arrays, more than the limit '
                       r'of 1,000,000\. .* EXPALIGN_MAX_ARRAY_BYTES'):
        read(tmp_path / 'a.npz')


@pytest.mark.parametrize('shape', [(10**10, 10**5), (2,), (-1, 4), ()])
def test_a_head_that_does_not_fit_its_array(tmp_path, shape):
    with zipfile.ZipFile(tmp_path / 'a.npz', 'w') as archive:
        archive.writestr('vectors.npy', header(shape) + bytes(16))
    with pytest.raises(ValueError, match=r'a\.npz: vectors\.npy says that it is .* has 16 bytes'):
        read(tmp_path / 'a.npz')


@pytest.mark.parametrize(('content', 'message'), [
    (b'', 'it is an empty file'),
    (b'hello', "it is a text file that starts with 'hello'"),
    (b'version https://git-lfs.github.com/spec/v1', 'a Git LFS pointer'),
    (b'\x80\x04K\x01.', 'a pickle of Python'),
])
def test_other_files_are_named(tmp_path, content, message):
    (tmp_path / 'a.npz').write_bytes(content)
    with pytest.raises(ValueError, match=rf'^vectors .*a\.npz: not a whole \.npz file .*{message}'):
        read(tmp_path / 'a.npz')


def test_objects_pipes_and_nothing(tmp_path):
    np.savez(tmp_path / 'a.npz', names=np.array(['a', 1], object))
    with pytest.raises(ValueError, match=r'names\.npy holds objects, which need pickles'):
        read(tmp_path / 'a.npz')
    os.mkfifo(tmp_path / 'pipe.npz')
    with pytest.raises(ValueError, match='it is a pipe'):
        read(tmp_path / 'pipe.npz')
    with pytest.raises(FileNotFoundError, match=r'none\.npz: the file does not exist'):
        read(tmp_path / 'none.npz')


@pytest.mark.parametrize('save', [np.savez, np.savez_compressed])
def test_mutated_files(tmp_path, save):
    path = tmp_path / 'a.npz'
    save(path, names=np.array(['a', 'b']), vectors=np.eye(2))
    content = path.read_bytes()
    for number in range(300):
        path.write_bytes(mutate_bytes(content, random.Random(number)))
        try:
            read(path)
        except ValueError as error:
            assert 'a.npz' in str(error), number
