"""What a training's config names: data sets, steps of pipelines, files."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

# Settings of a data set, of its `leakage` rule and of metrics that name files.
FILE_KEYS = ('ann_file', 'label_map_file', 'class_text_path', 'refs_file', 'vg_image_data',
             'coco_val', 'lvis_val', 'splits')


def named(kind: Any, name: str) -> bool:
    """Whether a type, with or without its scope, has a name."""
    return isinstance(kind, str) and kind.split('.')[-1] == name


def parts_of_type(node: Any, name: str) -> Iterator[Mapping]:
    """All parts of a config of a type."""
    if isinstance(node, Mapping):
        if named(node.get('type'), name):
            yield node
        node = list(node.values())
    if isinstance(node, Sequence) and not isinstance(node, str):
        for child in node:
            yield from parts_of_type(child, name)


def files_of(node: Any) -> Iterator[str]:
    """The files that a rule or metric names, as they are."""
    if isinstance(node, Mapping):
        for key, value in node.items():
            if key in FILE_KEYS:
                yield from [value] if isinstance(value, str) else value or ()
            else:
                yield from files_of(value)
    elif isinstance(node, Sequence) and not isinstance(node, str):
        for child in node:
            yield from files_of(child)


def training_pipelines(cfg: Any) -> list:
    """The pipelines of training: the first one and those that hooks put in its place."""
    hooks = cfg.get('custom_hooks') or []
    return [cfg.train_dataloader, *(hook.get('switch_pipeline', []) for hook in hooks)]
