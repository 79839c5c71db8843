"""Checkpoints that ask for memory, time or trouble: one line with the file, in bounded memory."""

import io
import os
import pickle
import struct
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.runner import CheckpointLoader
from safetensors.torch import save_file

from expalign.checkpoints.safe_load import load_torch_file
from expalign.checkpoints.safetensors_loader import load_from_safetensors
from expalign.limits import LimitExceeded
from tests.helpers.bounded import attempts
from tests.helpers.hostile_pickles import (
    MODULUS,
    PROTOCOL,
    archive,
    call,
    called,
    entry,
    number,
    numbers,
    tensor,
    text,
)

GIGANTIC = number(10**10)
FOUR = tensor(4, (4,), (1,))
# Pickles in torch's zip format, and what is said of them.
PICKLES = {
    'numel.pth': (entry(tensor(2**31, (4,), (1,))), "'data/0' should have 8,589,934,592 bytes"),
    'negative_numel.pth': (entry(tensor(-4, (4,), (1,))), 'storage 0 has the size -4'),
    'negative_size.pth': (entry(tensor(4, (-4,), (1,))), 'a tensor has the size (-4,)'),
    'negative_stride.pth': (entry(tensor(4, (4,), (-1,))), 'stride (-1,)'),
    'offset.pth': (entry(tensor(4, (4,), (1,), 2**40)), 'does not fit its 4 numbers'),
    'storage.pth': (entry(tensor(4, (4,), (1,), kind='os.FloatStorage2')), 'FloatStorage2'),
    'expanded.pth': (entry(tensor(4, (10**6, 10**6), (0, 0))), 'EXPALIGN_MAX_UNPACKED_RATIO'),
    'views.pth': (
        PROTOCOL + b'}(' + b''.join(
            text(str(i)) + tensor(4, (10**6, 1000), (0, 0)) for i in range(20)) + b'u.',
        'EXPALIGN_MAX_UNPACKED_RATIO'),
    'bytearray.pth': (called('__builtin__.bytearray', GIGANTIC), 'builtins.bytearray'),
    'tensor_class.pth': (called('torch.FloatTensor', GIGANTIC), 'torch.FloatTensor'),
    'untyped.pth': (called('torch.storage.UntypedStorage', GIGANTIC), 'UntypedStorage'),
    'meta.pth': (called('torch._utils._rebuild_meta_tensor_no_storage', GIGANTIC), '_no_storage'),
    'typed.pth': (
        called('torch._tensor._rebuild_from_type_v2', call('torch.FloatTensor'),
               call('torch.Tensor'), numbers((10**10,)), b'}'), '_rebuild_from_type_v2'),
    'codec.pth': (called('_codecs.encode', text('a'), text('punycode')), '_codecs.encode'),
    'state.pth': (
        PROTOCOL + call('collections.OrderedDict') + b')R}' + text('items') + b'K\x01sb.',
        'collections.OrderedDict with a state'),
    'memo.pth': (PROTOCOL + b'Nr\xff\xff\xff\xff.', 'a memo with the number 4294967295'),
    'text.pth': (PROTOCOL + b'X\xff\xff\xff\xffabc.', 'expected 4294967295 bytes'),
    'text8.pth': (b'\x80\x04\x8d' + struct.pack('<Q', 2**40) + b'a.', 'expected 1099511627776'),
    'bytes8.pth': (b'\x80\x05\x96' + struct.pack('<Q', 2**33) + b'a.', 'expected 8589934592'),
    'frame.pth': (b'\x80\x04\x95' + struct.pack('<Q', 2**40) + b'N.', 'FRAME'),
    'deep.pth': (entry(b']' * 50_000 + b'a' * 49_999), 'EXPALIGN_MAX_CHECKPOINT_DEPTH'),
    'tuples.pth': (entry(b')' + b'\x85' * 50_000), 'EXPALIGN_MAX_CHECKPOINT_DEPTH'),
    'dicts.pth': (entry(b'(' + b'}' * 600_000 + b'l'), 'EXPALIGN_MAX_PICKLE_STEPS'),
    'collide.pth': (
        PROTOCOL + b'}(' + b''.join(number(MODULUS * k << 9) + b'N' for k in range(1, 9000))
        + b'u.', 'numbers beyond 64 bits'),
    'keys.pth': (PROTOCOL + b'}' + numbers((1, 2)) + b'Ns.', 'a tuple is a key in it'),
    'set.pth': (called('__builtin__.set', b']' + numbers((1, 2)) + b'a'), 'a tuple is a key'),
    'list.pth': (PROTOCOL + b'].', 'it holds a list, where a checkpoint holds weights by their'),
    'tensor.pth': (PROTOCOL + FOUR + b'.', 'it holds a tensor, where'),
    'nothing.pth': (PROTOCOL + b'N.', 'it holds nothing, where'),
    'weights.pth': (entry(b']', 'state_dict'), 'its state_dict is a list, and not a dict'),
    'weight.pth': (
        entry(b'}' + text('w') + b'K\x01s', 'state_dict'), "its state_dict has a int as 'w'"),
    'epoch.pth': (entry(b'}' + text('epoch') + number(-1) + b's', 'meta'), 'meta.epoch is -1'),
    'hub.pth': (entry(b'}' + text('log_scalars') + b'Ns', 'message_hub'), 'hub.log_scalars is a'),
}
# Files that are something else.
OTHERS = {
    'hello': (b'hello', "a text file that starts with 'hello'"),
    'empty': (b'', 'an empty file'),
    'zeros': (bytes(5000), 'a file of zero bytes'),
    'html': (b'<!DOCTYPE html><html>404</html>', 'an HTML page'),
    'lfs': (b'version https://git-lfs.github.com/spec/v1\noid sha256:0\n', 'a Git LFS pointer'),
    'json': (b'{"a": 1}', 'a JSON file'),
    'png': (b'\x89PNG\r\n\x1a\n' + bytes(50), 'a PNG image'),
    'gzip': (b'\x1f\x8b' + bytes(30), 'a file compressed with gzip'),
    'nine': (PROTOCOL + b'Nr\xff\xff\xff\xff.', 'a pickle of Python'),
    'pickle': (pickle.dumps([1, 2]), 'a pickle of Python'),
}


def shared(depth: int) -> list:
    """A list that is small in memory and has two to the power of ``depth`` parts."""
    value: list = []
    for _ in range(depth):
        value = [value, value]
    return value


def layouts(folder: Path) -> dict[str, str]:
    """Archives whose directory lies, old formats, special files; with what is said of them."""
    archive(folder / 'packed.pth', entry(FOUR), bytes(6 * 10**6), packed=True)
    archive(folder / 'whole.pth', entry(FOUR))
    whole = (folder / 'whole.pth').read_bytes()
    first = whole.find(b'PK\1\2')  # of the directory
    size, end = first + 20, len(whole) - 22
    changed = {
        'cut.pth': whole[:-10], 'longer.pth': whole + bytes(30), 'moved.pth': b'PK\3\4' + whole,
        'sizes.pth': whole[:size] + struct.pack('<2I', *[2**31] * 2) + whole[size + 8:],
        'unpacked.pth': whole[:size + 4] + struct.pack('<I', 2**31) + whole[size + 8:],
        'count.pth': whole[:end + 10] + b'\xff\xff' + whole[end + 12:]}
    torch.save(dict(a=torch.ones(4)), folder / 'old.pth', _use_new_zipfile_serialization=False)
    old = (folder / 'old.pth').read_bytes()
    place = old.find(b'K\x04', old.find(b'cpu'))
    for name, count in (('old_numel.pth', 2**31 - 1), ('old_negative.pth', -4)):
        changed[name] = old[:place] + b'J' + struct.pack('<i', count) + old[place + 2:]
    changed['old_cut.pth'] = old[:-8]
    for name, content in changed.items():
        (folder / name).write_bytes(content)
    archive(folder / 'twice.pth', entry(FOUR))
    with zipfile.ZipFile(folder / 'twice.pth', 'a') as file:
        file.writestr('a/DATA.PKL', PROTOCOL + b'N.')
    with zipfile.ZipFile(folder / 'without.pth', 'w') as file:
        file.writestr('a/x', b'')
    with tarfile.open(folder / 'tar.pth', 'w') as file:
        file.addfile(tarfile.TarInfo('storages'), io.BytesIO())
    save_file(dict(a=torch.ones(1)), folder / 'tensors.pth')
    torch.save(dict(a=shared(60)), folder / 'shared.pth')
    torch.save(dict(message_hub=dict(runtime_info=dict(a=shared(60)))), folder / 'shared_hub.pth')
    loop: list = []
    loop.append(loop)
    torch.save(dict(a=loop), folder / 'loop.pth')
    (folder / 'folder.pth').mkdir()
    os.mkfifo(folder / 'pipe.pth')
    (folder / 'device.pth').symlink_to('/dev/zero')
    return {
        'packed.pth': 'is compressed', 'cut.pth': 'it is cut off', 'longer.pth': 'added to it',
        'moved.pth': 'not where it says', 'sizes.pth': 'its entries have 2,147,483,6',
        'unpacked.pth': 'is compressed', 'count.pth': 'EXPALIGN_MAX_ARCHIVE_FILES|zip',
        'old_numel.pth': 'its tensors have 8,589,934,588 bytes',
        'old_negative.pth': 'has the size -4', 'old_cut.pth': 'expected 8 more bytes',
        'twice.pth': "'DATA.PKL' is in it twice", 'without.pth': "no 'data.pkl'",
        'tar.pth': 'binary data', 'tensors.pth': 'a safetensors file: give it a name',
        'shared.pth': 'EXPALIGN_MAX_CHECKPOINT_OBJECTS',
        'shared_hub.pth': 'EXPALIGN_MAX_CHECKPOINT_OBJECTS', 'loop.pth': 'holds itself',
        'folder.pth': 'it is a folder', 'pipe.pth': 'a pipe', 'device.pth': 'a device'}


def test_one_line_with_the_file_in_bounded_memory(tmp_path):
    expected = layouts(tmp_path)
    for name, (content, message) in PICKLES.items():
        archive(tmp_path / name, content)
        expected[name] = message
    for name, (content, message) in OTHERS.items():
        (tmp_path / f'{name}.pth').write_bytes(content)
        expected[f'{name}.pth'] = message
    for name, error, message, seconds in attempts(
            lambda name: load_torch_file(str(tmp_path / name)), expected, tmp_path):
        assert error in ('ValueError', 'LimitExceeded', 'UntrustedCheckpointError'), (name, error)
        assert message.startswith(str(tmp_path / name)) and '\n' not in message, message
        assert any(part in message for part in expected[name].split('|')), message
        # The hint is for files that trust could load.
        assert ('--trust-checkpoint' in message) == (error == 'UntrustedCheckpointError'), message
        assert name not in OTHERS or error == 'ValueError'
        assert seconds < 10, name


def test_honest_files_load(tmp_path):
    weights = dict(a=torch.arange(6.0).view(2, 3).T, b=torch.tensor(True), c=torch.empty(0, 4))
    weights['d'] = weights['a'][1:]
    extra = dict(
        size=torch.Size((2, 3)), kind=torch.float16, names={'x', 'y'}, raw=b'ab\xff', none=None,
        device=torch.device('cpu'), pair=(1, -2.5), seed=2**100, parameter=torch.nn.Parameter(
            torch.ones(2)))
    state = torch.nn.Linear(1, 1).state_dict()  # has _metadata
    for old in (False, True):
        path = tmp_path / f'{old}.pth'
        torch.save(dict(state_dict=state, meta=dict(epoch=3, iter=7), weights=weights, **extra),
                   path, _use_new_zipfile_serialization=not old)
        for found in (load_torch_file(path), load_torch_file(io.BytesIO(path.read_bytes())),
                      CheckpointLoader.load_checkpoint(str(path), map_location='cpu')):
            assert found['state_dict']._metadata == state._metadata
            assert all(torch.equal(found['weights'][key], weights[key]) for key in weights)
            assert found['meta'] == dict(epoch=3, iter=7)
            for key in extra.keys() - {'parameter'}:
                assert found[key] == extra[key]


def test_limits_are_settable(tmp_path, monkeypatch):
    path = tmp_path / 'a.pth'
    torch.save(dict(a=shared(10)), path)
    load_torch_file(path)
    monkeypatch.setenv('EXPALIGN_MAX_CHECKPOINT_OBJECTS', '1000')
    with pytest.raises(LimitExceeded, match=r'a\.pth: .* more than the limit of 1,000\. If that'):
        load_torch_file(path)


def test_safetensors(tmp_path):
    def header(content: bytes, length: int | None = None, rest: bytes = b'') -> bytes:
        return struct.pack('<Q', len(content) if length is None else length) + content + rest

    tensors = ','.join(f'"{i}":{{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}'
                       for i in range(300_000))
    one = b'{"a":{"dtype":"F32","shape":[%s],"data_offsets":[0,%d]}}'
    meta = '{"__metadata__":{"dataset_meta":"%s"}}'
    contents = {
        'short': b'abc', 'lfs': b'version https://git-lfs.github.com/spec/v1\n',
        'length': header(b'{}', 2**62), 'json': header(b'{"a"'), 'deep': header(b'[' * 10**6),
        'many': header(f'{{{tensors}}}'.encode()),
        'shape': header(one % (b'1099511627776', 4), rest=bytes(4)),
        'negative': header(one % (b'-1', 4), rest=bytes(4)),
        'offsets': header(one % (b'1', 2**40), rest=bytes(4)),
        'meta_deep': header((meta % ('[' * 10**5)).encode()),
        'meta_wide': header((meta % ('[' + '[],' * 10**6 + '1]')).encode()),
        'meta_list': header((meta % '[1]').encode()),
        'meta_key': header((meta % '3').encode()),
        'record': header(b'{"__metadata__":{"frozen_encoders":"{\\"__class__\\": 1}"}}')}
    for name, content in contents.items():
        (tmp_path / f'{name}.safetensors').write_bytes(content)
    for name, error, message, seconds in attempts(
            lambda name: load_from_safetensors(str(tmp_path / f'{name}.safetensors')), contents,
            tmp_path):
        assert error in ('ValueError', 'LimitExceeded'), (name, error, message)
        assert f'{name}.safetensors' in message and '\n' not in message, message
        assert seconds < 10, name


def test_prompt_vectors(tmp_path, monkeypatch):
    """Arrays that unpack to gigabytes, or claim a shape that they do not have."""
    from expalign.models.text_encoders.prompt_vectors import read_prompt_vectors
    monkeypatch.setenv('EXPALIGN_MAX_ARRAY_BYTES', str(9 * 10**7))
    names = np.array(['cat', 'dog'])
    huge = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        huge, dict(shape=(2, 10**10), fortran_order=False, descr='<f4'))
    header = huge.getvalue()
    saved = io.BytesIO()
    np.save(saved, names)
    parts = {
        'huge': header + bytes(24), 'negative': header.replace(b'(2, 10', b'(-2,10'),
        'program': header.replace(b'(2, 10', b'(f(), 10'), 'text': b'hello',
        'pickle': pickle.dumps([1])}
    for name, content in parts.items():
        with zipfile.ZipFile(tmp_path / f'{name}.npz', 'w') as file:
            file.writestr('names.npy', saved.getvalue())
            file.writestr('vectors.npy', content)
    np.savez_compressed(tmp_path / 'packed.npz', names=names,
                        vectors=np.zeros((2, 12 * 10**6), np.float32))
    np.savez(tmp_path / 'objects.npz', names=np.array([1, 'a'], object), vectors=np.ones((2, 3)))
    (tmp_path / 'hello.npz').write_text('hello')
    (tmp_path / 'lfs.npz').write_bytes(OTHERS['lfs'][0])
    files = [*parts, 'packed', 'objects', 'hello', 'lfs']
    found = {}
    for name, error, message, seconds in attempts(
            lambda name: read_prompt_vectors(str(tmp_path / f'{name}.npz')), files, tmp_path):
        assert error in ('ValueError', 'LimitExceeded'), (name, error, message)
        assert f'{name}.npz' in message and '\n' not in message, message
        assert seconds < 10
        found[name] = message
    assert 'EXPALIGN_MAX_ARRAY_BYTES' in found['packed'] and 'Git LFS' in found['lfs']
