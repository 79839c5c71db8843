"""Files with classes of other projects give their tensors, and nothing of them is ever run."""

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

import expalign
from expalign.checkpoints.foreign_classes import (
    StandIn,
    is_foreign,
    module_state,
    named_module_tensors,
)
from expalign.checkpoints.safe_load import UntrustedCheckpointError, load_foreign_file
from expalign.checkpoints.yolo_world import read_source
from expalign.limits import LimitExceeded
from tests.helpers.yolo_world_layouts import foreign_classes


def save(path, content):
    """An archive as torch.save writes it."""
    torch.save(content, path)
    return path


def archive_of(path, pickled, **files):
    """An archive with a hand-written pickle."""
    with zipfile.ZipFile(path, 'w') as archive:
        archive.writestr('a/data.pkl', pickled)
        archive.writestr('a/version', b'3\n')
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


def test_tensors_are_what_was_saved(tmp_path):
    loaded = load_foreign_file(save(tmp_path / 'a.pth', collections.OrderedDict(TENSORS)))
    for name, tensor in loaded.items():
        assert tensor.dtype == TENSORS[name].dtype
        assert torch.equal(tensor, TENSORS[name]), name


def test_module_of_unknown_classes(tmp_path):
    with foreign_classes('strange.nn.Net', 'strange.nn.Layer') as (net_class, layer_class):
        net, layer = net_class(), layer_class()
        layer.weight = torch.nn.Parameter(torch.ones(2))
        layer.register_buffer('mean', torch.zeros(2))
        layer.register_parameter('bias', None)
        net.first, net.second, net.anchors = layer, torch.nn.Conv2d(1, 1, 1), torch.ones(3)
        save(tmp_path / 'a.pt', {'model': net})
    before = set(torch.serialization.get_safe_globals())
    root = load_foreign_file(tmp_path / 'a.pt')
    model = root['model']
    assert isinstance(model, StandIn) and type(model).__module__ == 'strange.nn'
    tensors = dict(named_module_tensors(model))
    assert list(tensors) == [
        'anchors', 'first.weight', 'first.mean', 'second.weight', 'second.bias']
    assert not any(tensor.requires_grad for tensor in tensors.values())
    assert 'strange' not in sys.modules
    assert module_state(root) is None
    assert set(torch.serialization.get_safe_globals()) == before


def test_what_training_runs_record(tmp_path):
    """mmengine's message hub: a history, whose class pickles bound functions, and numpy arrays."""
    from mmengine.logging import HistoryBuffer
    history = HistoryBuffer([1.0, 2.0], [1, 1])
    content = dict(state_dict=dict(weight=torch.ones(2)), message_hub=dict(
        log_scalars=dict(loss=history), other=collections.defaultdict(), where=tmp_path))
    loaded = load_foreign_file(save(tmp_path / 'a.pth', content))
    assert loaded['state_dict']['weight'].tolist() == [1, 1]
    assert type(loaded['message_hub']['log_scalars']['loss']).__name__ == 'HistoryBuffer'


def test_module_that_contains_itself_is_refused(tmp_path):
    with foreign_classes('strange.Net') as (net_class,):
        net = net_class()
        net.weight = torch.nn.Parameter(torch.ones(1))
        net.__dict__['_modules']['again'] = net
        save(tmp_path / 'a.pt', {'model': net})
    with pytest.raises(ValueError, match='a container in it holds itself'):
        load_foreign_file(tmp_path / 'a.pt')


def test_which_names_may_have_stand_ins():
    for name in ('ultralytics.nn.tasks.WorldModel', 'torch.nn.modules.conv.Conv2d',
                 'numpy.core.multiarray._reconstruct', 'builtins.getattr', 'pathlib.PosixPath'):
        assert is_foreign(name), name
    for name in ('os.system', 'posix.system', 'builtins.eval', 'builtins.__import__',
                 'subprocess.Popen', 'pickle.loads', 'torch.hub.load', 'torch.load',
                 'collections.OrderedDict', 'torch._utils._rebuild_tensor_v2'):
        assert not is_foreign(name), name


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


@pytest.mark.parametrize('trusted', [False, True])
@pytest.mark.parametrize('name', hostile_contents('x'))
def test_hostile_archives_are_refused(name, trusted, tmp_path, harmless):
    path = save(tmp_path / 'a.pth', hostile_contents(harmless)[name])
    expalign.trust_checkpoints(trusted)
    try:
        with pytest.raises(UntrustedCheckpointError, match=r'a\.pth was not loaded: it names') as e:
            read_source(path)
    finally:
        expalign.trust_checkpoints(False)
    assert '--trust-checkpoint' not in str(e.value)


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
def test_hostile_programs_are_refused(name, tmp_path, harmless):
    copyreg.add_extension('os', 'system', 0x7b)
    try:
        path = archive_of(tmp_path / 'a.pth', hostile_programs(harmless)[name])
        with pytest.raises((UntrustedCheckpointError, ValueError), match=r'a\.pth'):
            load_foreign_file(path)
    finally:
        copyreg.remove_extension('os', 'system', 0x7b)


def test_states_of_stand_ins_change_nothing(tmp_path, harmless):
    """A state cannot give an object a class, a method or an attribute."""
    text = b'X' + struct.pack('<I', 12) + b'__setstate__'
    state = b'}' + text + b'cstrange\nOther\ns'
    pickled = program(b'}X\x01\x00\x00\x00a', b'cstrange\nLoud\n)\x81', state, b'b',
                      state + state + b'\x86', b'b', b's')
    loaded = load_foreign_file(archive_of(tmp_path / 'a.pth', pickled))['a']
    assert isinstance(loaded, StandIn) and not hasattr(loaded, '__dict__')
    assert type(loaded).__name__ == 'Loud' and len(loaded.state) == 2


def test_forged_tensors_are_refused(tmp_path, harmless):
    """The function that rebuilds tensors, called with something else than a storage."""
    forged = Calls(torch._utils._rebuild_tensor_v2, Calls(os.system, f'touch {harmless}'), 0, (1,),
                   (1,), False, collections.OrderedDict())
    with pytest.raises(UntrustedCheckpointError, match='it names posix.system'):
        load_foreign_file(save(tmp_path / 'a.pth', dict(a=forged)))
    with foreign_classes('strange.Net') as (net_class,):
        forged = Calls(torch._utils._rebuild_tensor_v2, net_class(), 0, (1,), (1,), False,
                       collections.OrderedDict())
        path = save(tmp_path / 'b.pth', dict(a=forged))
    with pytest.raises(ValueError, match='a tensor is malformed'):
        load_foreign_file(path)


@pytest.mark.parametrize('protocol', [0, 2, 4])
def test_plain_and_legacy_pickles_are_refused(protocol, tmp_path, harmless):
    content = {'state_dict': Calls(os.system, f'touch {harmless}')}
    plain, legacy = tmp_path / 'plain.pth', tmp_path / 'legacy.pth'
    plain.write_bytes(pickle.dumps(content, protocol))
    torch.save(content, legacy, _use_new_zipfile_serialization=False)
    for path in (plain, legacy):
        with pytest.raises(UntrustedCheckpointError, match='was not loaded: it '):
            load_foreign_file(path)


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
    path = save(tmp_path / 'a.pth', dict(a=tensor_program(size, stride, offset)))
    with pytest.raises((ValueError, LimitExceeded),
                       match='malformed|does not fit|and offset|UNPACKED'):
        load_foreign_file(path)


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
    good = save(tmp_path / 'good.pth', dict(a=torch.arange(3.0)))
    for changes, message in (
            ({'data/0': b'1234'}, "'data/0' should have 12 bytes, and 4"),
            ({'data/0': None}, "'data/0' should have 12 bytes, and is not there"),
            ({'data.pkl': None}, "no 'data.pkl'"),
            ({'data.pkl': b'\x80\x02}'}, 'cannot be loaded as a torch checkpoint')):
        path = rewritten(good, tmp_path / 'changed.pth', **changes)
        with pytest.raises(ValueError, match=message) as error:
            load_foreign_file(path)
        assert str(path) in str(error.value)
    with pytest.raises(FileNotFoundError, match='nowhere.pth'):
        load_foreign_file(tmp_path / 'nowhere.pth')


def test_compressed_archives_are_refused(tmp_path):
    path = tmp_path / 'bomb.pth'
    with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as archive:
        archive.writestr('a/data.pkl', bytes(10**6))
    with pytest.raises(ValueError, match="'a/data.pkl' is compressed"):
        load_foreign_file(path)
