"""ODinW's sets behind one another, each with its own prompts."""

import os
from collections.abc import Sequence

from mmengine.config import Config
from mmengine.dataset import ConcatDataset
from mmengine.logging import print_log

from expalign.registry import DATASETS

from .odinw_sets import ODINW_TABLES, ODinWSet
from .text_coco import TextCocoDataset


class ODinWSubset(TextCocoDataset):
    """One set of ODinW.

    The ``source`` of its samples is the set's name, by which the metric knows them.

    Args:
        row: the set.
        root: the benchmark's root.
        prompt_overrides: see :class:`ODinWDataset`.
        kwargs: of mmdet's ``CocoDataset``.
    """

    def __init__(self, row: ODinWSet, root: str, prompt_overrides: bool = True, **kwargs) -> None:
        self.row = row
        self.texts = row.texts(prompt_overrides)
        super().__init__(
            data_root=os.path.join(root, row.root), ann_file=row.ann_file,
            data_prefix=dict(img=row.images), metainfo=dict(classes=row.classes), source=row.name,
            **kwargs)

    @classmethod
    def _load_metainfo(cls, metainfo: dict | None = None) -> dict:
        """Keep the names as they are: in two sets white space tells categories apart."""
        return super(TextCocoDataset, cls)._load_metainfo(metainfo)

    def category_ids(self, categories: list[dict], used: set) -> list[int]:
        """The ids of the set's classes in the table's order."""
        return self.row.category_ids(categories, self.ann_file)

    def get_data_info(self, idx: int) -> dict:
        """Return record ``idx`` with the set's prompts."""
        data_info = super().get_data_info(idx)
        data_info['text'] = list(self.texts)
        return data_info


@DATASETS.register_module()
class ODinWDataset(ConcatDataset):
    """The sets of a table of :mod:`expalign.datasets.odinw_sets`, for evaluation.

    Evaluated by :class:`expalign.evaluation.ODinWMetric`, which reads the sets from ``metainfo``;
    the pipeline must pack the meta key ``source``.

    Args:
        data_root: the benchmark's folder.
        pipeline: test pipeline, the same for all sets.
        table: ``'odinw13'``, ``'odinw35'`` (folders as in the benchmark) or ``'local'`` (three sets
            in flat folders).
        sets: only the sets with these names; all by default.
        allow_missing: go on without the sets that are not on disk; the metric names them.
        prompt_overrides: search for some classes by the benchmark's prompts instead of their names.
        kwargs: of mmdet's ``CocoDataset``, the same for all sets.

    Raises:
        ValueError: no such table or set.
        FileNotFoundError: sets that are not on disk, unless ``allow_missing``; or none of them is.
    """

    def __init__(self, data_root: str, pipeline: list[dict], table: str = 'odinw13',
                 sets: Sequence[str] | None = None, allow_missing: bool = False,
                 prompt_overrides: bool = True, **kwargs) -> None:
        rows = self._rows(table, sets)
        absent = {row.name: path for row in rows if (path := self._absent_path(row, data_root))}
        if absent and (not allow_missing or len(absent) == len(rows)):
            listed = ''.join(f'\n  {name}: {path} not found' for name, path in absent.items())
            remedy = '' if len(absent) == len(rows) else (
                ', or go on without them: tools/test.py --allow-missing')
            raise FileNotFoundError(
                f'{len(absent)} of {len(rows)} sets of ODinW ({table}) are not on disk:{listed}\n'
                f"check 'data_root' of the data set ({data_root}){remedy}")
        if absent:
            print_log(f'ODinW ({table}): not on disk: {", ".join(absent)}', 'current', level=30)
        self.table, self.missing = table, tuple(absent)
        self.rows = [row for row in rows if row.name not in absent]
        super().__init__(
            [ODinWSubset(row, data_root, prompt_overrides, pipeline=pipeline, test_mode=True,
                         **kwargs) for row in self.rows],
            ignore_keys=['classes'])

    @property
    def metainfo(self) -> dict:
        """What the metric needs: ``table``, ``sets`` (rows with their files) and ``missing``."""
        return dict(
            table=self.table, missing=self.missing,
            sets=[dict(row=row, ann_file=dataset.ann_file, images=len(dataset))
                  for row, dataset in zip(self.rows, self.datasets, strict=True)])

    @staticmethod
    def _rows(table: str, sets: Sequence[str] | None) -> list[ODinWSet]:
        if table not in ODINW_TABLES:
            raise ValueError(f'no table {table!r} of ODinW; there are {sorted(ODINW_TABLES)}')
        rows = {row.name: row for row in ODINW_TABLES[table]}
        unknown = sorted(set(sets or ()) - rows.keys())
        if unknown:
            raise ValueError(f'the table {table!r} of ODinW has no set {unknown}: {list(rows)}')
        return list(rows.values()) if sets is None else [rows[name] for name in sets]

    @staticmethod
    def _absent_path(row: ODinWSet, data_root: str) -> str | None:
        """The first of the set's paths that does not exist."""
        paths = [os.path.join(data_root, row.root, part) for part in (row.ann_file, row.images)]
        return next((path for path in paths if not os.path.exists(path)), None)


def allow_missing_sets(cfg: Config) -> None:
    """Let the test data of a config lack sets of ODinW; for a tool's ``--allow-missing``.

    Raises:
        ValueError: the test data are not :class:`ODinWDataset`.
    """
    dataset = cfg.test_dataloader.dataset
    if dataset.type.split('.')[-1] != ODinWDataset.__name__:
        raise ValueError(
            "--allow-missing is for 'expalign.ODinWDataset', and this config tests "
            f'{dataset.type!r}')
    dataset.allow_missing = True
