"""YOLO-World v2's tensors, names and shapes, written down from its description, for all sizes.

Nothing here uses the code under test: what the converter must understand is stated once more.
"""

import pickle
import sys
from contextlib import contextmanager
from types import ModuleType

import torch

# size: depth factor, width factor, width of C5 before the factor
FACTORS = {'s': (0.33, 0.5, 1024), 'm': (0.67, 0.75, 768), 'l': (1.0, 1.0, 512),
           'x': (1.0, 1.25, 512)}
TINY = {'tiny': (0.33, 0.25, 512)}  # no size of theirs: the smallest that has a head of attention
TEXT = 512


class Layout(dict):
    """Name -> shape, with helpers for the recurring parts."""

    def norm(self, name, channels):
        for key in ('weight', 'bias', 'running_mean', 'running_var'):
            self[f'{name}.{key}'] = (channels,)
        self[f'{name}.num_batches_tracked'] = ()

    def conv(self, name, c_in, c_out, kernel=1):
        self[f'{name}.conv.weight'] = (c_out, c_in, kernel, kernel)
        self.norm(f'{name}.bn', c_out)

    def plain(self, name, c_in, c_out):
        self[f'{name}.weight'] = (c_out, c_in, 1, 1)
        self[f'{name}.bias'] = (c_out,)

    def c2f(self, name, c_in, c_out, blocks, words, attention=None):
        """A C2f layer; ``words``: (first conv, last conv, bottlenecks, conv of a bottleneck)."""
        first, last, group, inner = words
        half = c_out // 2
        self.conv(f'{name}.{first}', c_in, 2 * half)
        self.conv(f'{name}.{last}', (2 + blocks + bool(attention)) * half, c_out)
        for block in range(blocks):
            for step in (1, 2):
                self.conv(f'{name}.{group}.{block}.{inner}{step}', half, half, 3)
        if attention:
            block, linear, value = attention
            self[f'{name}.{block}.bias'] = (half // 32,)
            self[f'{name}.{block}.{linear}.weight'] = (half, TEXT)
            self[f'{name}.{block}.{linear}.bias'] = (half,)
            self.conv(f'{name}.{block}.{value}', half, half, 3)


def sizes(size):
    """Blocks of a shallow and a deep layer, and the widths of stem, C2, C3, C4, C5."""
    depth, width, last = (FACTORS | TINY)[size]
    widths = [int(c * width) for c in (64, 128, 256, 512, last)]
    return max(round(3 * depth), 1), max(round(6 * depth), 1), widths


def ultralytics(size):
    """Names and shapes in a ``yolov8*-worldv2.pt``, text vectors and constants left out."""
    few, many, (w1, w2, w3, w4, w5) = sizes(size)
    out = Layout()
    words, attention = ('cv1', 'cv2', 'm', 'cv'), ('attn', 'gl', 'proj_conv')
    out.conv('model.0', 3, w1, 3)
    for index, (c_in, c_out, blocks) in enumerate(
            ((w1, w2, few), (w2, w3, many), (w3, w4, many), (w4, w5, few))):
        out.conv(f'model.{2 * index + 1}', c_in, c_out, 3)
        out.c2f(f'model.{2 * index + 2}', c_out, c_out, blocks, words)
    out.conv('model.9.cv1', w5, w5 // 2)
    out.conv('model.9.cv2', 2 * w5, w5)
    out.c2f('model.12', w5 + w4, w4, few, words, attention)
    out.c2f('model.15', w4 + w3, w3, few, words, attention)
    out.conv('model.16', w3, w3, 3)
    out.c2f('model.18', w3 + w4, w4, few, words, attention)
    out.conv('model.19', w4, w4, 3)
    out.c2f('model.21', w4 + w5, w5, few, words, attention)
    for level, channels in enumerate((w3, w4, w5)):
        head(out, 'model.22.cv2', level, channels, max(16, w3 // 4, 64), 64)
        head(out, 'model.22.cv3', level, channels, max(w3, 80), TEXT)
        out.norm(f'model.22.cv4.{level}.norm', TEXT)
        # One of the two is stored with one element, the other without an axis.
        out[f'model.22.cv4.{level}.bias'] = (1,)
        out[f'model.22.cv4.{level}.logit_scale'] = ()
    return out


def mmyolo(size):
    """Names and shapes in the ``state_dict`` of the YOLO-World repository's checkpoints."""
    few, many, (w1, w2, w3, w4, w5) = sizes(size)
    out = Layout()
    words = ('main_conv', 'final_conv', 'blocks', 'conv')
    attention = ('attn_block', 'guide_fc', 'project_conv')
    image = 'backbone.image_model'
    out.conv(f'{image}.stem', 3, w1, 3)
    for stage, (c_in, c_out, blocks) in enumerate(
            ((w1, w2, few), (w2, w3, many), (w3, w4, many), (w4, w5, few)), start=1):
        out.conv(f'{image}.stage{stage}.0', c_in, c_out, 3)
        out.c2f(f'{image}.stage{stage}.1', c_out, c_out, blocks, words)
    out.conv(f'{image}.stage4.2.conv1', w5, w5 // 2)
    out.conv(f'{image}.stage4.2.conv2', 2 * w5, w5)
    out['backbone.text_model.model.text_projection.weight'] = (TEXT, TEXT)
    out.c2f('neck.top_down_layers.0', w5 + w4, w4, few, words, attention)
    out.c2f('neck.top_down_layers.1', w4 + w3, w3, few, words, attention)
    out.conv('neck.downsample_layers.0', w3, w3, 3)
    out.c2f('neck.bottom_up_layers.0', w3 + w4, w4, few, words, attention)
    out.conv('neck.downsample_layers.1', w4, w4, 3)
    out.c2f('neck.bottom_up_layers.1', w4 + w5, w5, few, words, attention)
    module = 'bbox_head.head_module'
    for level, channels in enumerate((w3, w4, w5)):
        head(out, f'{module}.reg_preds', level, channels, max(16, w3 // 4, 64), 64)
        head(out, f'{module}.cls_preds', level, channels, max(w3, 80), TEXT)
        out.norm(f'{module}.cls_contrasts.{level}.norm', TEXT)
        out[f'{module}.cls_contrasts.{level}.bias'] = ()
        out[f'{module}.cls_contrasts.{level}.logit_scale'] = ()
    return out


def head(out, name, level, c_in, hidden, c_out):
    """A branch of the head: two 3x3 convolutions and a plain 1x1 one."""
    out.conv(f'{name}.{level}.0', c_in, hidden, 3)
    out.conv(f'{name}.{level}.1', hidden, hidden, 3)
    out.plain(f'{name}.{level}.2', hidden, c_out)


def tensors(layout, seed=0):
    """Random half-precision tensors of the layout's shapes; counters are integers.

    Kernels and variances are such that what a network of them computes stays finite.
    """
    generator = torch.Generator().manual_seed(seed)
    made = {}
    for name, shape in layout.items():
        values = torch.randn(shape, generator=generator)
        if name.endswith('num_batches_tracked'):
            made[name] = torch.tensor(7)
        elif name.endswith('running_var'):
            made[name] = (values.abs() + 0.5).half()
        elif len(shape) == 4:
            made[name] = (values * (2 / values[0].numel()) ** 0.5).half()
        else:
            made[name] = values.half()
    return made


@contextmanager
def foreign_classes(*names):
    """Importable stand-ins for another project's module classes, for as long as they are needed."""
    modules, classes = {}, []
    for name in names:
        module, _, qualname = name.rpartition('.')
        cls = type(qualname, (torch.nn.Module,), {'__module__': module})
        modules.setdefault(module, ModuleType(module)).__dict__[qualname] = cls
        classes.append(cls)
    added = dict(modules)
    for name in modules:
        while '.' in name:  # the packages that the module lies in
            name = name.rpartition('.')[0]
            added.setdefault(name, ModuleType(name))
    sys.modules.update(added)
    try:
        yield classes
    finally:
        for name in added:
            del sys.modules[name]


def save_ultralytics(path, weights, names, vectors):
    """Write a file as ultralytics does: the whole pickled model, of classes only it has."""
    with foreign_classes('ultralytics.nn.tasks.WorldModel', 'ultralytics.nn.modules.Part') as (
            root_class, part_class):
        root = root_class()
        for name, tensor in weights.items():
            *path_parts, leaf = name.split('.')
            module = root
            for part in path_parts:
                if part not in module._modules:
                    module.add_module(part, part_class())
                module = module._modules[part]
            buffer = leaf.startswith('running_') or leaf == 'num_batches_tracked'
            if buffer:
                module.register_buffer(leaf, tensor)
            else:
                module.register_parameter(
                    leaf, torch.nn.Parameter(tensor, requires_grad=False))
        root.names, root.txt_feats = dict(enumerate(names)), vectors
        root.model._modules['22'].anchors = torch.empty(0)
        torch.save({'model': root, 'ema': None, 'license': 'AGPL-3.0'}, path,
                   pickle_module=pickle)
