"""The parts of a detector that do not depend on prompts, through ``torch.compile``."""

from collections.abc import Callable
from typing import Any

import torch
from mmengine.logging import print_log
from torch import Tensor, nn

from .graphed import GraphedMethod


class CompilationError(RuntimeError):
    """``torch.compile`` failed, for want of a compiler as a rule."""


class CompiledPart:
    """A method of a module, compiled when it is first called.

    Says once when it is called with images of another size or number, for which torch compiles
    again. A copy of the module compiles for itself.

    Args:
        method: the method.
        options: of ``torch.compile``.
        watched: whether the sizes of its input are those of the images.
    """

    def __init__(self, method: Callable, options: dict[str, Any], watched: bool) -> None:
        self.method, self.options, self.watched = method, options, watched
        self._compiled: Callable | None = None
        self._sizes: set[tuple] = set()

    def __getstate__(self) -> dict:
        return vars(self) | dict(_compiled=None)

    def __call__(self, *args) -> Any:
        """What the method gives.

        Raises:
            CompilationError: torch cannot compile here.
        """
        if self._compiled is None:
            self._compiled = torch.compile(self.method, **self.options)
        if self.watched:
            self._note_size(args[0])
            if self.options.get('mode'):
                # What the last batch left in the graphs' memory is no longer needed.
                torch.compiler.cudagraph_mark_step_begin()
        try:
            return self._compiled(*args)
        except torch._dynamo.exc.BackendCompilerFailed as error:
            raise CompilationError(
                'torch.compile failed; it needs a C++ compiler (g++), and on a GPU Triton. Leave '
                f'compilation out, or install them. {str(error).strip().splitlines()[0]}'
            ) from error

    def _note_size(self, images: Tensor) -> None:
        size = tuple(images.shape)
        if size not in self._sizes and len(self._sizes) == 1:
            print_log(
                f'compiled for images of {next(iter(self._sizes))}, now there are some of {size}: '
                'torch compiles again, now and perhaps for further sizes', 'current', level=30)
        self._sizes.add(size)


def compile_model(
    model: nn.Module, cuda_graphs: bool = False, backend: str = 'inductor'
) -> None:
    """Compile image encoder, pyramid and branches of a detector, in place.

    Names of parameters, checkpoints and results are the same but for rounding.

    Args:
        model: an ``ExpAlignDetector``, bare or in a wrapper that has it as ``module``.
        cuda_graphs: on a GPU, replay each part as one graph, and candidates, boxes and NMS as
            another: for prediction, where batches are of one size.
        backend: of ``torch.compile``.
    """
    while hasattr(model, 'module'):
        model = model.module
    options: dict[str, Any] = dict(backend=backend)
    if cuda_graphs and next(model.parameters()).is_cuda:
        options['mode'] = 'reduce-overhead'
        head = model.bbox_head
        if head.nms_is_greedy() and not isinstance(head.first_attempt, GraphedMethod):
            head.first_attempt = GraphedMethod(head.first_attempt)
    parts = ((model.backbone, 'forward'), (model.neck, 'trunk'),
             (model.bbox_head.head_module, 'maps'))
    for owner, name in parts:
        if not isinstance(getattr(owner, name), CompiledPart):
            part = CompiledPart(getattr(owner, name), options, owner is model.backbone)
            setattr(owner, name, part)
