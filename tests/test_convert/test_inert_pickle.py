"""Tensors are read as torch reads them, and nothing that a file asks for is ever run."""

import builtins
import collections
import copyreg
import os
import pickle
import struct
import sys
import zipfile

import pytest
import torch

from expalign.convert.inert_pickle import (
    Inert,
    InertArchive,
    UnreadableCheckpoint,
    as_mapping,
    module_state,
    named_module_tensors,
)
from tests.helpers.yolo_world_layouts import foreign_classes


def save(path, content):
    """An archive as torch.save writes it."""
    torch.save(content, path)
    return path


def archive_of(path, pickled, **files):
    """An archive with a hand-written pickle."""
    with zipfile.ZipFile(path, 'w') as archive:
        archive.writestr('a/data.pkl', pickled)
        for name, data in files.items():
            archive.writestr(f'a/data/{name}', data)
    return path


class Calls:
    """Pickles as a call of ``function(*args)``."""

    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


class CallsWithState(Calls):
    """Pickles as a call, and then hands the result a state."""

    def __init__(self, function, args, state):
        super().__init__(function, *args)
        self.state = state

    def __reduce__(self):
        return (*self.call, self.state)


# Tensors -----------------------------------------------------------------------------------------

TENSORS = {
    'float': torch.arange(6.0).reshape(2, 3),
    'half': torch.arange(4, dtype=torch.float16),
    'bfloat': torch.arange(3, dtype=torch.bfloat16),
    'double': torch.arange(3, dtype=torch.float64),
    'long': torch.tensor(5),
    'int': torch.arange(3, dtype=torch.int32),
    'byte': torch.arange(3, dtype=torch.uint8),
    'bool': torch.tensor([True, False]),
    'empty': torch.empty(0, 4),
    'transposed': torch.arange(6.0).reshape(2, 3).T,
    'slice': torch.arange(10.0)[3:9:2],
    'parameter': torch.nn.Parameter(torch.ones(2)),
}


def test_tensors_are_what_torch_reads(tmp_path):
    archive = InertArchive(save(tmp_path / 'a.pth', collections.OrderedDict(TENSORS)))
    for name, record in as_mapping(archive.root).items():
        tensor = archive.tensor(record)
        assert tensor.dtype == TENSORS[name].dtype and not tensor.requires_grad
        assert torch.equal(tensor, TENSORS[name].detach()), name


def test_views_of_one_storage(tmp_path):
    whole = torch.arange(6.0)
    archive = InertArchive(save(tmp_path / 'a.pth', [whole, whole[2:4]]))
    assert archive.tensor(archive.root[1]).tolist() == [2, 3]


def test_other_values_are_no_tensors(tmp_path):
    archive = InertArchive(save(tmp_path / 'a.pth', [1, 'a', {'b': None}, torch.float16]))
    assert [archive.tensor(x) for x in archive.root] == [None] * 4


def test_module_of_unknown_classes(tmp_path):
    with foreign_classes('strange.nn.Net', 'strange.nn.Layer') as (net_class, layer_class):
        net, layer = net_class(), layer_class()
        layer.weight = torch.nn.Parameter(torch.ones(2))
        layer.register_buffer('mean', torch.zeros(2))
        layer.register_parameter('bias', None)
        net.first, net.second, net.anchors = layer, torch.nn.Conv2d(1, 1, 1), torch.ones(3)
        save(tmp_path / 'a.pt', {'model': net})
    archive = InertArchive(tmp_path / 'a.pt')
    model = archive.root['model']
    assert isinstance(model, Inert) and model.origin == 'strange.nn.Net'
    assert [name for name, _ in named_module_tensors(archive, model)] == [
        'anchors', 'first.weight', 'first.mean', 'second.weight', 'second.bias']
    assert 'strange' not in sys.modules
    assert module_state(archive.root) is None


def test_module_that_contains_itself_ends(tmp_path):
    with foreign_classes('strange.Net') as (net_class,):
        net = net_class()
        net.weight = torch.nn.Parameter(torch.ones(1))
        net.__dict__['_modules']['again'] = net
        save(tmp_path / 'a.pt', net)
    archive = InertArchive(tmp_path / 'a.pt')
    assert [name for name, _ in named_module_tensors(archive, archive.root)] == ['weight']


# Hostile files -----------------------------------------------------------------------------------

@pytest.fixture
def harmless(tmp_path, monkeypatch):
    """Fails the test when anything ran: a shell command, an evaluation, or an import."""
    marker = tmp_path / 'it-ran'
    module = tmp_path / 'hostile_module.py'
    module.write_text(f'open({str(marker)!r}, "w").close()\nclass Loud:\n    pass\n')
    monkeypatch.syspath_prepend(str(tmp_path))
    yield marker
    assert not marker.exists(), 'the file ran code'
    assert 'hostile_module' not in sys.modules, 'the file imported a module'


def hostile_contents(marker):
    """Objects whose pickles run something when they are loaded."""
    shell = Calls(os.system, f'touch {marker}')
    code = f'open({str(marker)!r}, "w").close()'
    state = collections.OrderedDict(weight=Calls(builtins.eval, code))
    with_metadata = collections.OrderedDict(weight=torch.ones(1))
    with_metadata._metadata = shell
    return {
        'shell': shell,
        'eval': Calls(builtins.eval, code),
        'exec': Calls(builtins.exec, code),
        'in a mapping': {'state_dict': {'weight': shell}},
        'in an ordered mapping': {'state_dict': state},
        'in its metadata': {'state_dict': with_metadata},
        'in a list': [torch.ones(1), [shell]],
        'as a key': {('a', 'b'): 1, Calls(builtins.eval, code): 2},
        'as the state of a call': CallsWithState(collections.OrderedDict, (), {'a': shell}),
        'a method to set a state with': CallsWithState(
            collections.OrderedDict, (), {'__setstate__': os.system}),
        'getattr': Calls(getattr, Calls(__import__, 'os'), 'system'),
        'import': Calls(__import__, 'hostile_module'),
        'lazy': Calls(list, Calls(map, builtins.eval, [code])),
        'a pickle in the pickle': Calls(pickle.loads, pickle.dumps(shell)),
    }


@pytest.mark.parametrize('name', hostile_contents('x'))
def test_hostile_archives_run_nothing(name, tmp_path, harmless):
    archive = InertArchive(save(tmp_path / 'a.pth', hostile_contents(harmless)[name]))
    mapping = as_mapping(archive.root) or {}
    weights = as_mapping(mapping.get('state_dict')) or {}
    for value in (archive.root, *mapping.values(), *weights.values()):
        archive.tensor(value)
    list(named_module_tensors(archive, archive.root))


def test_the_same_contents_do_run_elsewhere(tmp_path):
    """The files above are armed: Python's own unpickler runs what they ask for."""
    marker = tmp_path / 'it-ran'
    pickle.loads(pickle.dumps(hostile_contents(marker)['in an ordered mapping']))
    assert marker.exists()


def program(*parts):
    """A pickle of protocol 2 from opcodes."""
    return b'\x80\x02' + b''.join(parts) + b'.'


def hostile_programs(marker):
    """Pickles that no pickler writes."""
    text = f'touch {marker}'.encode()
    word = b'X' + struct.pack('<I', len(text)) + text
    return {
        'INST': b'(' + b'S"' + text + b'"\n' + b'ios\nsystem\n.',
        'OBJ': program(b'(', b'cos\nsystem\n', word, b'o'),
        'NEWOBJ': program(b'chostile_module\nLoud\n', b')', b'\x81'),
        'dotted name': b'\x80\x04' + b'\x8c\x08builtins\x8c\x0dstr.__class__\x93' + b')R.',
        'call of a result': program(b'cos\nsystem\n', word, b'\x85R', word, b'\x85R'),
        'BUILD on a class': program(
            b'ccollections\nOrderedDict\n', b'}X\x03\x00\x00\x00abccos\nsystem\ns', b'b'),
        'BUILD on a storage': program(
            b'(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000',
            b'X\x03\x00\x00\x00cpuK\x01tQ', b'}X\x0c\x00\x00\x00__setstate__cos\nsystem\nsb'),
        'extension registry': program(b'\x82\x7b', word, b'\x85R'),
        'memo abuse': program(b'cos\nsystem\nq\x00', b'h\x00', word, b'\x85R'),
    }


@pytest.mark.parametrize('name', hostile_programs('x'))
def test_hostile_programs_run_nothing(name, tmp_path, harmless):
    copyreg.add_extension('os', 'system', 0x7b)
    try:
        path = archive_of(tmp_path / 'a.pth', hostile_programs(harmless)[name])
        try:
            archive = InertArchive(path)
        except UnreadableCheckpoint as error:
            assert str(path) in str(error)
        else:
            archive.tensor(archive.root)
    finally:
        copyreg.remove_extension('os', 'system', 0x7b)


def test_forged_tensors_run_nothing(tmp_path, harmless):
    """The function that rebuilds tensors, called with something else than a storage."""
    forged = Calls(torch._utils._rebuild_tensor_v2, Calls(os.system, f'touch {harmless}'), 0, (1,),
                   (1,), False, collections.OrderedDict())
    archive = InertArchive(save(tmp_path / 'a.pth', forged))
    with pytest.raises(UnreadableCheckpoint, match='a tensor is malformed'):
        archive.tensor(archive.root)


@pytest.mark.parametrize('protocol', [0, 2, 4])
def test_plain_and_legacy_pickles_are_refused_unread(protocol, tmp_path, harmless):
    content = {'state_dict': Calls(os.system, f'touch {harmless}')}
    plain, legacy = tmp_path / 'plain.pth', tmp_path / 'legacy.pth'
    plain.write_bytes(pickle.dumps(content, protocol))
    torch.save(content, legacy, _use_new_zipfile_serialization=False)
    for path in (plain, legacy):
        with pytest.raises(UnreadableCheckpoint, match='not a zip archive as torch.save'):
            InertArchive(path)


# Damaged files -----------------------------------------------------------------------------------

def tensor_program(size, stride, offset=0, count=2):
    """A pickle of one float tensor with the given geometry, made by torch and then changed."""
    class Geometry:
        def __reduce__(self):
            return torch._utils._rebuild_tensor_v2, (
                torch.arange(float(count)).storage(), offset, size, stride, False,
                collections.OrderedDict())
    return Geometry()


@pytest.mark.filterwarnings('ignore:TypedStorage')
@pytest.mark.parametrize('size, stride, offset', [
    ((3,), (1,), 0), ((2,), (1,), 1), ((2,), (2,), 0), ((10**12,), (0,), 0), ((2,), (-1,), 1),
    ((2,), (1, 1), 0), ((-1,), (1,), 0), (('a',), (1,), 0)])
def test_tensors_beyond_their_storage_are_refused(size, stride, offset, tmp_path):
    path = save(tmp_path / 'a.pth', tensor_program(size, stride, offset))
    archive = InertArchive(path)
    with pytest.raises(UnreadableCheckpoint, match='malformed|does not fit|with stride'):
        archive.tensor(archive.root)


def rewritten(source, target, **changes):
    """A copy of an archive with files replaced or, with None, removed."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, 'w') as new:
        for item in old.infolist():
            name = item.filename.partition('/')[2]
            data = changes.get(name, old.read(item))
            if data is not None:
                new.writestr(item.filename, data)
    return target


def test_damaged_archives(tmp_path):
    good = save(tmp_path / 'good.pth', torch.arange(3.0))
    short = InertArchive(rewritten(good, tmp_path / 'short.pth', **{'data/0': b'1234'}))
    with pytest.raises(UnreadableCheckpoint, match='storage 0 has 4 bytes for 3 x torch.float32'):
        short.tensor(short.root)
    gone = InertArchive(rewritten(good, tmp_path / 'gone.pth', **{'data/0': None}))
    with pytest.raises(UnreadableCheckpoint, match="no 'data/0'"):
        gone.tensor(gone.root)
    with pytest.raises(UnreadableCheckpoint, match="no 'data.pkl'"):
        InertArchive(rewritten(good, tmp_path / 'empty.pth', **{'data.pkl': None}))
    with pytest.raises(UnreadableCheckpoint, match='cannot be read .*cut.pth|cut.pth.*cannot'):
        InertArchive(rewritten(good, tmp_path / 'cut.pth', **{'data.pkl': b'\x80\x02}'}))
    with pytest.raises(FileNotFoundError, match='nowhere.pth does not exist'):
        InertArchive(tmp_path / 'nowhere.pth')


def test_compressed_archives_are_refused(tmp_path):
    path = tmp_path / 'bomb.pth'
    with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as archive:
        archive.writestr('a/data.pkl', bytes(10**6))
    with pytest.raises(UnreadableCheckpoint, match="'a/data.pkl' is compressed"):
        InertArchive(path)
