"""Checkpoints written byte by byte, as torch.save would never write them."""

import struct
import zipfile
from pathlib import Path

PROTOCOL = b'\x80\x02'
MODULUS = 2**61 - 1  # of Python's hash of whole numbers


def call(name: str) -> bytes:
    """Put a class or function on the stack."""
    module, _, name = name.rpartition('.')
    return f'c{module}\n{name}\n'.encode()


def text(value: str) -> bytes:
    """Put a string on the stack."""
    return b'X' + struct.pack('<I', len(value)) + value.encode()


def number(value: int) -> bytes:
    """Put a whole number on the stack."""
    length = value.bit_length() // 8 + 1
    return b'\x8a' + bytes([length]) + value.to_bytes(length, 'little', signed=True)


def numbers(values: tuple[int, ...]) -> bytes:
    """Put a tuple of whole numbers on the stack."""
    return b'(' + b''.join(map(number, values)) + b't'


def tensor(count: int, size: tuple, stride: tuple, offset: int = 0,
           kind: str = 'torch.FloatStorage') -> bytes:
    """Put a tensor of the storage '0', which has ``count`` numbers, on the stack."""
    storage = (b'(' + text('storage') + call(kind) + text('0') + text('cpu') + number(count)
               + b'tQ')
    return (call('torch._utils._rebuild_tensor_v2') + b'(' + storage + number(offset)
            + numbers(size) + numbers(stride) + b'\x89' + call('collections.OrderedDict') + b')R'
            + b'tR')


def entry(value: bytes, key: str = 'a') -> bytes:
    """A pickle of ``{key: value}``."""
    return PROTOCOL + b'}' + text(key) + value + b's.'


def called(name: str, *arguments: bytes) -> bytes:
    """A pickle of ``{'a': name(*arguments)}``."""
    return entry(call(name) + b'(' + b''.join(arguments) + b'tR')


def archive(path: Path, pickled: bytes, storage: bytes = bytes(16), packed: bool = False) -> None:
    """Write a checkpoint in torch's zip format."""
    kind = zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
    with zipfile.ZipFile(path, 'w', kind) as file:
        file.writestr('a/data.pkl', pickled)
        file.writestr('a/data/0', storage)
        file.writestr('a/version', b'3\n')
