"""A method whose operations are replayed as one CUDA graph."""

from collections.abc import Callable, Sequence
from threading import get_ident
from typing import Any

import torch
from mmengine.logging import print_log
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_unflatten

KEPT_GRAPHS = 4
LARGEST_INPUT = 2**26  # bytes; larger batches keep the GPU busy without it


class GraphedMethod:
    """Calls a method through a CUDA graph, recorded when it is first called with such arguments.

    The method takes and gives tensors (and tuples of them) on one GPU, works on fixed shapes and
    never waits for the device. Results are overwritten by the next call. Where arguments are large
    the method is called as it is; where recording fails that is said once, and it is, too.

    Args:
        method: its first argument can be hashed and tells graphs of one shape apart.
    """

    def __init__(self, method: Callable) -> None:
        self.method = method
        self._graphs: dict[tuple, tuple] = {}
        self._failed = False

    def __getstate__(self) -> dict:
        return vars(self) | dict(_graphs={})

    def __call__(self, key: Any, *args) -> Any:
        """What the method gives."""
        tensors, tree = tree_flatten(args)
        given = [x for x in tensors if x is not None]
        if self._failed or sum(x.nbytes for x in given) > LARGEST_INPUT:
            return self.method(key, *args)
        # Every thread has graphs of its own: their inputs and results are places in memory.
        shapes = (key, get_ident(), tree, *(None if x is None else (x.shape, x.dtype, x.device)
                               for x in tensors))
        if shapes not in self._graphs:
            try:
                recorded = self._record(key, tensors, tree)
            except RuntimeError as error:
                self._failed = True
                print_log(f'no CUDA graph of {self.method.__name__}: {error}', 'current', level=30)
                return self.method(key, *args)
            self._graphs = dict([*self._graphs.items()][1 - KEPT_GRAPHS:]) | {shapes: recorded}
        replay, inputs, outputs = self._graphs[shapes]
        with torch.no_grad():
            torch._foreach_copy_(inputs, given)
        replay()
        return outputs

    def _record(self, key: Any, tensors: Sequence[Tensor | None], tree: Any) -> tuple:
        """What replays the method, its inputs and its outputs."""
        # Tensors of inference mode could not be written to outside of it.
        with torch.inference_mode(False), torch.no_grad():
            copies = [None if x is None else x.clone() for x in tensors]
            replay, outputs = record_graph(
                lambda: self.method(key, *tree_unflatten(copies, tree)))
        return replay, [x for x in copies if x is not None], outputs


def record_graph(call: Callable[[], Any]) -> tuple[Callable[[], None], Any]:
    """A replay of the operations of a call, and the tensors that it writes to."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(2):  # libraries get their work space before the recording
            call()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    # Other threads may go on using the device.
    with torch.cuda.graph(graph, capture_error_mode='thread_local'):
        outputs = call()
    return graph.replay, outputs
