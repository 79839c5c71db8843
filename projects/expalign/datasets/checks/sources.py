"""The annotation files behind a config's dataloader."""

from collections.abc import Iterator
from typing import Any

from mmdet.registry import DATASETS
from mmengine.registry import init_default_scope

from ..mdetr_grounding import MDETRGroundingDataset
from ..odvg import ODVGDataset
from ..refs import RefsDataset
from ..text_coco import TextCocoDataset
from .odvg_reader import ODVGReader
from .readers import CocoReader, MDETRReader, RefsReader

READERS = {
    RefsDataset: RefsReader,
    MDETRGroundingDataset: MDETRReader,
    ODVGDataset: ODVGReader,
    TextCocoDataset: CocoReader,
}


def leaf_configs(dataset: dict) -> Iterator[dict]:
    """The data sets inside mixtures and wrappers, each once."""
    if 'datasets' in dataset:
        for member in dataset['datasets']:
            yield from leaf_configs(member)
    elif 'dataset' in dataset:
        yield from leaf_configs(dataset['dataset'])
    else:
        yield dataset


def readers_of_split(cfg: Any, split: str) -> list:
    """A reader for every source of ``cfg.SPLIT_dataloader``.

    Raises:
        ValueError: there is no such dataloader, or a data set of a type that cannot be checked.
    """
    dataloader = cfg.get(f'{split}_dataloader')
    if dataloader is None:
        raise ValueError(f'the config has no {split}_dataloader')
    init_default_scope('mmdet')
    return [_reader(leaf) for leaf in leaf_configs(dataloader['dataset'])]


def _reader(leaf: dict):
    # Lazy: annotation files are read by the reader; `indices` is for quick runs.
    settings = {key: value for key, value in leaf.items() if key != 'indices'}
    dataset = DATASETS.build(dict(settings, lazy_init=True, pipeline=[]))
    for kind, reader in READERS.items():
        if isinstance(dataset, kind):
            return reader(dataset)
    known = ', '.join(f'expalign.{kind.__name__}' for kind in READERS)
    raise ValueError(f"cannot check a data set of type {leaf['type']!r}: use one of {known}, or a "
                     'subclass')
