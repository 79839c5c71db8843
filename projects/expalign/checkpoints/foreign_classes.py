"""Checkpoints with classes of other projects in them: torch reads them, with stand-ins.

``torch.load(weights_only=True)`` takes the classes that it is told of. Here it is told of empty
ones: no name of the file is looked up, nothing is imported, and what the file calls by such a name
gives an object that only keeps what it is given.
"""

import re
import sys
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from threading import Lock
from typing import Any

import torch
from torch import Tensor

# Of Python's own library what records of training runs consist of, and of torch its layers. The
# functions in here are none either: a stand-in for getattr() gets nothing.
PLAIN = re.compile(
    r'builtins\.(getattr|slice|range|object)|collections\.(defaultdict|deque)|copyreg\.\w+'
    r'|pathlib\.\w+|types\.SimpleNamespace|argparse\.Namespace|datetime\.\w+|enum\.\w+'
    r'|torch\.nn\.modules\..+')
_LOADING = Lock()  # torch's list of classes is one for the whole process


class StandIn:
    """What a class or function of the file becomes.

    Attributes:
        state: what the file sets as its state, or None.
    """

    __slots__ = ('state',)  # and nothing else, whatever the file would set

    def __new__(cls, *args: Any) -> 'StandIn':
        self = super().__new__(cls)
        self.state = None
        return self

    def __setstate__(self, state: Any) -> None:
        self.state = state


def is_foreign(name: str) -> bool:
    """Whether a stand-in may take the place of a class or function, ``'module.name'``."""
    root = name.partition('.')[0]
    return bool(PLAIN.fullmatch(name)) or root not in (*sys.stdlib_module_names, 'torch')


@contextmanager
def stand_ins(names: Collection[str]) -> Iterator[None]:
    """Within it, ``torch.load(weights_only=True)`` takes these names, and makes stand-ins."""
    classes = []
    for name in names:
        module, _, last = name.rpartition('.')
        classes.append(type(last, (StandIn,), dict(
            __slots__=(), __module__=module, __qualname__=last)))
    with _LOADING, torch.serialization.safe_globals(classes):
        yield


def module_state(value: Any) -> Mapping[str, Any] | None:
    """The attributes of a stand-in for an ``nn.Module``, or None where ``value`` is none."""
    state = value.state if isinstance(value, StandIn) else None
    if isinstance(state, dict) and {'_parameters', '_buffers', '_modules'} <= state.keys():
        return state
    return None


def named_module_tensors(value: Any) -> Iterator[tuple[str, Tensor]]:
    """Every tensor of a tree of stand-ins for ``nn.Module`` by its dotted name.

    Parameters and buffers have the names that ``state_dict()`` would give them. Tensors that are
    plain attributes (anchors, text vectors) are listed too, under ``module.attribute``.
    """
    stack = [('', value)]
    while stack:
        prefix, module = stack.pop()
        state = module_state(module)
        if state is None:
            continue
        for group in (state['_parameters'], state['_buffers'], state):
            for name, tensor in as_mapping(group).items():
                if isinstance(tensor, Tensor):
                    yield f'{prefix}{name}', tensor.detach()
        children = as_mapping(state['_modules'])
        stack += [(f'{prefix}{name}.', child) for name, child in reversed(children.items())]


def as_mapping(value: Any) -> dict[Any, Any]:
    """A dict of the file; an empty one for anything else."""
    return value if isinstance(value, dict) else {}
