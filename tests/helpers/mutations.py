"""Seeded changes to files and to nested data, for tests that try thousands of them."""

import random
from collections.abc import Sequence
from copy import deepcopy
from typing import Any

EDGES = (b'\0' * 8, b'\xff' * 8, b'\xff\xff\xff\x7f', b'\0\0\0\x80', b'PK\5\6', b'\x80\x02', b'.')
VALUES = (
    None, True, -1, 0, 1, 2**31, 2**63, 10**30, -1.5, float('nan'), float('inf'), '', 'a', 'a b',
    '/dev/zero', '../..', 'https://host.invalid/a', 'os.system', 'x' * 5000, '\0', [], {}, (), [[]],
    [1] * 1000, dict(type='os.system'), dict(type=None), dict(a=1), [None, 'a', {}])


def mutated_bytes(content: bytes, rng: random.Random) -> bytes:
    """The content with one to three changes: bits, edges of numbers, cuts, copies, runs."""
    data = bytearray(content)
    for _ in range(rng.randint(1, 3)):
        place, length = rng.randrange(len(data) + 1), rng.choice((1, 4, 50, 1000))
        kind = rng.randrange(6)
        if kind == 0 and place < len(data):
            data[place] ^= 1 << rng.randrange(8)
        elif kind == 1:
            edge = rng.choice(EDGES)
            data[place:place + len(edge)] = edge
        elif kind == 2:
            del data[place:place + length]
        elif kind == 3:
            data[place:place] = data[place:place + length]
        elif kind == 4:
            data[place:place + length] = rng.randbytes(length)
        else:
            del data[place:]
    return bytes(data)


def mutated_value(value: Any, rng: random.Random, values: Sequence[Any] = VALUES) -> Any:
    """A copy of nested dicts and lists in which one entry is changed, renamed, added or gone."""
    value = deepcopy(value)
    places = list(_places(value))
    container, key = rng.choice(places)
    new = deepcopy(rng.choice(values))
    kind = rng.randrange(5)
    if kind == 0:
        del container[key]
    elif kind == 1 and isinstance(container, dict):
        container[rng.choice(('type', '_scope_', 'backend_args', 'init_cfg', 'a', 3, ''))] = new
    elif kind == 2 and isinstance(container, dict):
        other_container, other_key = rng.choice(places)
        container[key] = deepcopy(other_container[other_key])
    elif kind == 3 and isinstance(container, list):
        container.extend([container[key]] * rng.choice((1, 100)))
    else:
        container[key] = new
    return value


def _places(value: Any):
    """Every (container, key) at any depth."""
    if isinstance(value, dict | list):
        for key in list(value) if isinstance(value, dict) else range(len(value)):
            yield value, key
            yield from _places(value[key])
