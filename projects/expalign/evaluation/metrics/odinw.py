"""Box AP of every set of ODinW and the benchmark's means."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log

from expalign.datasets.odinw_sets import ODINW_TABLES, ODinWSet
from expalign.evaluation.prediction_checks import check_all_tested
from expalign.registry import METRICS

from .coco_metric import CocoMetric


class ODinWSetMetric(CocoMetric):
    """COCO's box AP (100 boxes an image) of one set, whose categories the table knows."""

    def __init__(self, row: ODinWSet, ann_file: str) -> None:
        self.row = row
        super().__init__(
            ann_file=ann_file, metric='bbox', metric_items=['mAP', 'mAP_50'])

    def _category_ids(self, classes: Sequence[str]) -> list[int]:
        return self.row.category_ids(self._coco_api.dataset['categories'], self.ann_file)


@METRICS.register_module()
class ODinWMetric(BaseMetric):
    """Box AP and AP50 of each set of :class:`expalign.datasets.ODinWDataset`.

    Every sample is judged by the metric of its own set (meta key ``source``), and each result is
    kept once. Reported are ``NAME_AP`` and ``NAME_AP50`` of each set and the unweighted mean AP
    ``mean13`` over the sets of ODinW13, and ``mean35`` too where the table is ODinW35's. A mean
    over fewer sets than the benchmark has is called after both numbers (``mean_3_of_13``). The log
    has all that as a table, with the split and the number of images of each set and the sets that
    were not on disk. As in mmdet, the sets' figures are rounded to three decimals.

    Args:
        kwargs: of mmengine's ``BaseMetric``.

    Raises:
        ValueError: the data set is not :class:`~expalign.datasets.ODinWDataset`, or a sample has no
            ``source``.
    """

    default_prefix = 'odinw'

    def __init__(self, **kwargs) -> None:
        super().__init__(**kwargs)
        self.set_metrics: dict[str, ODinWSetMetric] = {}

    @property
    def dataset_meta(self) -> dict | None:
        """Meta information of the data set; setting it makes the metric of each set."""
        return self._dataset_meta

    @dataset_meta.setter
    def dataset_meta(self, dataset_meta: dict) -> None:
        if 'sets' not in dataset_meta:
            raise ValueError(
                "expalign.ODinWMetric evaluates the data set 'expalign.ODinWDataset' only: its "
                "meta information has no 'sets'")
        self._dataset_meta = dataset_meta
        self.set_metrics = {}
        for item in dataset_meta['sets']:
            metric = ODinWSetMetric(item['row'], item['ann_file'])
            metric.dataset_meta = dict(classes=item['row'].classes)
            self.set_metrics[item['row'].name] = metric

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Keep one result a sample, with the name of its set."""
        for sample in data_samples:
            source = sample.get('source')
            if source not in self.set_metrics:
                raise ValueError(
                    f'image {sample.get("img_path", sample.get("img_id"))!r} has the source '
                    f'{source!r}, which is none of the sets {list(self.set_metrics)}: the test '
                    "pipeline must pack the meta key 'source'")
            metric = self.set_metrics[source]
            metric.process({}, [sample])
            self.results.append((source, metric.results.pop()))

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Evaluate the results, grouped by set."""
        by_set = defaultdict(list)
        for source, result in results:
            by_set[source].append(result)
        scores = {}
        images = {item['row'].name: item['images'] for item in self.dataset_meta['sets']}
        for name, metric in self.set_metrics.items():
            if not by_set[name]:
                raise ValueError(f'ODinW: no image of the set {name} was tested')
            tested = {pred['img_id'] for _, pred in by_set[name]}
            check_all_tested(f'ODinW, {name}:', len(tested), images[name])
            print_log(f'ODinW: {name}', 'current')
            found = metric.compute_metrics(by_set[name])
            scores[name] = (found['bbox_mAP'], found['bbox_mAP_50'])
        means = self._means(scores)
        print_log('\n' + self._table(scores, means), 'current')
        report = {f'{name}_AP': ap for name, (ap, _) in scores.items()}
        report.update({f'{name}_AP50': ap50 for name, (_, ap50) in scores.items()})
        for table, (ap, _, count) in means.items():
            total = len(ODINW_TABLES[table])
            report[f'mean{total}' if count == total else f'mean_{count}_of_{total}'] = ap
        return report

    def _means(self, scores: dict) -> dict[str, tuple[float, float, int]]:
        """Per benchmark: mean AP, mean AP50 and over how many sets."""
        rows = [item['row'] for item in self.dataset_meta['sets']]
        members = {'odinw13': [row.name for row in rows if row.in_odinw13]}
        if self.dataset_meta['table'] == 'odinw35':
            members['odinw35'] = [row.name for row in rows]
        return {
            table: (*(sum(scores[name][i] for name in names) / len(names) for i in range(2)),
                    len(names))
            for table, names in members.items() if names}

    def _table(self, scores: dict, means: dict) -> str:
        """The figures in Markdown, and what was missing."""
        lines = ['| set | split | images | AP | AP50 |', '|---|---|---|---|---|']
        for item in self.dataset_meta['sets']:
            row, (ap, ap50) = item['row'], scores[item['row'].name]
            lines.append(
                f'| {row.name} | {row.split} | {item["images"]} | {ap:.3f} | {ap50:.3f} |')
        for table, (ap, ap50, count) in means.items():
            total = len(ODINW_TABLES[table])
            lines.append(
                f'| mean over {count} of {total} sets of ODinW{total} | | | {ap:.4f} | '
                f'{ap50:.4f} |')
        missing = ', '.join(self.dataset_meta['missing']) or 'none'
        return '\n'.join([*lines, f'missing on disk: {missing}'])
