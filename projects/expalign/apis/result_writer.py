"""The files of a search: pictures, JSON, COCO, YOLO, CSV and explanations."""

import csv
import json
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from expalign.structures.detection_formats import COLUMNS, as_rows
from expalign.structures.detections import Detections
from expalign.utils import finished_file

from .result_files import explanation_stem, picture_file, prediction_file, result_stem

FORMATS = ('pictures', 'json', 'coco', 'yolo', 'csv')
COCO, CSV, CLASSES = 'coco.json', 'detections.csv', 'classes.txt'


class ResultWriter:
    """Writes what is found, image by image; files of many images appear when all went well.

    ``vis/NAME.jpg``: pictures. ``preds/NAME.json``: see :func:`.detection_formats.as_record`.
    ``coco.json``: a data set in COCO's form whose annotations have scores. ``labels/NAME.txt`` and
    ``classes.txt``: YOLO's. ``detections.csv``: a row a detection.

    Args:
        out_dir: folder of the results.
        formats: of ``FORMATS``.
        prompts: of all images, whose places are the classes.
    """

    def __init__(self, out_dir: str | Path, formats: list[str], prompts: list[str] | None) -> None:
        self.out_dir, self.formats, self.prompts = Path(out_dir), set(formats), prompts
        self.number = 0
        self._rows: Any = None
        self._coco: dict[str, list] = dict(images=[], annotations=[])
        self._stack = ExitStack()

    def __enter__(self) -> 'ResultWriter':
        if 'csv' in self.formats:
            temporary = self._stack.enter_context(finished_file(self.out_dir / CSV))
            file = self._stack.enter_context(
                temporary.open('w', encoding='utf-8', newline=''))
            self._rows = csv.writer(file)
            self._rows.writerow(COLUMNS)
        return self

    def __exit__(self, kind: type | None, error: object, trace: object) -> bool | None:
        if kind is None:
            self._finish()
        return self._stack.__exit__(kind, error, trace)

    def write(self, found: Detections) -> None:
        """Write the results of an image."""
        number, self.number = self.number, self.number + 1
        if self.prompts is None:
            self.prompts = list(found.prompts)
        if 'pictures' in self.formats:
            found.save(picture_file(self.out_dir, found.path, number))
        if 'json' in self.formats:
            found.save(prediction_file(self.out_dir, found.path, number))
        if 'yolo' in self.formats:
            self._text(self.out_dir / 'labels' / f'{result_stem(found.path, number)}.txt',
                       found.to_yolo(scores=True))
        if self._rows is not None:
            self._rows.writerows(as_rows(found))
        if 'coco' in self.formats:
            self._add_to_coco(found, number)

    def explain(self, found: Detections, sample: Any, prompts: list[str] | None) -> None:
        """Write the maps of an image."""
        from expalign.visualization import save_explanation
        save_explanation(
            explanation_stem(self.out_dir, found.path, self.number - 1), found.pixels(),
            sample.alignment, sample.pred_instances, prompts, found.thresholds)

    def _add_to_coco(self, found: Detections, number: int) -> None:
        height, width = found.size
        self._coco['images'].append(dict(
            id=number + 1, file_name=found.path or f'{number:08d}', width=width, height=height))
        for result in found.to_coco(number + 1):
            x, y, w, h = result['bbox']
            self._coco['annotations'].append(dict(
                id=len(self._coco['annotations']) + 1, area=round(w * h, 2), iscrowd=0, **result))

    def _finish(self) -> None:
        names = self.prompts or []
        if 'yolo' in self.formats:
            self._text(self.out_dir / CLASSES, ''.join(f'{name}\n' for name in names))
        if 'coco' in self.formats:
            categories = [dict(id=number, name=name) for number, name in enumerate(names, 1)]
            self._text(self.out_dir / COCO, json.dumps(
                dict(**self._coco, categories=categories), ensure_ascii=False) + '\n')

    @staticmethod
    def _text(path: Path, content: str) -> None:
        with finished_file(path) as temporary:
            temporary.write_text(content, encoding='utf-8')
