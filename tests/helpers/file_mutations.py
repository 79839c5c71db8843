"""Seeded small changes of valid files, as strangers' files have them."""

import copy
import random

# Values that stand for what people and attackers put into files.
VALUES = (None, True, False, 0, -1, 1, 3.5, 1e9, -1e9, 1e18, 1e308, 2**63, 10**400, '', ' ', '0',
          '1', 'NaN', 'x' * 5000, '\0', '../../x', '/dev/zero', 'caf\u00e9', '\ud800', [], {}, [[]],
          [None],
          [1e9] * 4, [-1, -1, -1, -1], [[1, 2]], {'size': [1e9, 1e9], 'counts': 'zzzz'},
          {'size': [-1, 5], 'counts': [3]}, {'a': {'b': 1}})
BYTES = (b'\0', b'\xff', b'\xff\xfe', b'\xef\xbb\xbf', b'\n', b'\t', b' ', b'-', b':', b'[', b'{',
         b'&a ', b'*a', b'!!python/object:os.system ', b'"', b"'", b'#', b'1e999', b'nan', b'../..',
         b'/dev/zero', b'9' * 400, b'[' * 3000, b'%', b'|\n', b'<<: ', b'? ')


def mutate_value(content, rng: random.Random):
    """Replace, remove, double or add one value somewhere in lists and objects, in place."""
    places = [(content, key) for key in _keys(content)]
    for container, key in places:
        inner = container[key]
        places += [(inner, k) for k in _keys(inner)]
    container, key = rng.choice(places)
    kind = rng.randrange(4)
    if kind == 0:
        del container[key]
    elif kind == 1 and isinstance(container, list):
        container.insert(key, container[key])
    elif kind == 2 and isinstance(container[key], int | float):
        container[key] = str(container[key])
    else:
        container[key] = copy.deepcopy(rng.choice(VALUES))
    return content


def _keys(value) -> list:
    if isinstance(value, dict):
        return list(value)
    return list(range(len(value))) if isinstance(value, list) else []


def mutate_bytes(content: bytes, rng: random.Random) -> bytes:
    """Cut, drop, double, replace or insert a few bytes."""
    start = rng.randrange(len(content) + 1)
    end = min(len(content), start + rng.choice((1, 1, 2, 8, 64)))
    part = rng.choice((b'', content[start:end] * 2, rng.choice(BYTES),
                       rng.choice(BYTES) + content[start:end], rng.randbytes(end - start)))
    return content[:start] if rng.random() < 0.1 else content[:start] + part + content[end:]
