"""The data sets behind a config's dataloader."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from mmdet.registry import DATASETS
from mmengine.registry import init_default_scope

from expalign.datasets.annotation_file import check_annotation_file
from expalign.datasets.source_records import SourceRecords

from .statistics import input_side


@dataclass
class Source:
    """A data set that has not read its annotation file.

    Args:
        dataset: built with ``lazy_init=True``.
        own_classes: whether its classes are to be read from its file, and not set in the config.
        input_side: longer side of the network's input; None if the config does not tell.
    """

    dataset: SourceRecords
    own_classes: bool
    input_side: int | None


def leaf_configs(dataset: dict) -> Iterator[dict]:
    """The data sets inside mixtures and wrappers, each once."""
    if 'datasets' in dataset:
        for member in dataset['datasets']:
            yield from leaf_configs(member)
    elif 'dataset' in dataset:
        yield from leaf_configs(dataset['dataset'])
    else:
        yield dataset


def sources_of_split(cfg: Any, split: str) -> list[Source]:
    """Every source of ``cfg.SPLIT_dataloader``.

    Raises:
        ValueError: there is no such dataloader, or a data set of a type that cannot be checked.
        FileNotFoundError: an annotation file does not exist.
    """
    dataloader = cfg.get(f'{split}_dataloader')
    if dataloader is None:
        raise ValueError(f'the config has no {split}_dataloader')
    init_default_scope('mmdet')
    side = input_side(dict(dataloader['dataset']))
    return [source_of(leaf, side) for leaf in leaf_configs(dataloader['dataset'])]


def source_of(leaf: dict, side: int | None) -> Source:
    """The source of the config of a single data set; arguments and errors as above."""
    # Lazy: annotation files are read by the check; `indices` is for quick runs.
    settings = {key: value for key, value in leaf.items() if key != 'indices'}
    dataset = DATASETS.build(dict(settings, lazy_init=True, pipeline=[]))
    if not isinstance(dataset, SourceRecords):
        raise ValueError(
            f"cannot check a data set of type {leaf['type']!r}: use one of expalign.RefsDataset, "
            'expalign.MDETRGroundingDataset, expalign.ODVGDataset, expalign.TextCocoDataset, or a '
            'subclass')
    check_annotation_file(
        dataset.ann_file, "'ann_file' and 'data_root' of the dataset", dataset.backend_args)
    return Source(dataset, dataset.metainfo.get('classes') is None, side)
