"""Pictures with their prompts, as training and evaluation on cached maps read them.

Axes: B pictures, K prompts, G objects.
"""

from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from expalign.structures.drawn_masks import draw_masks
from expalign.structures.instance_polygons import InstancePolygons, absent
from expalign.structures.truth_batch import TruthBatch, instance_cells

from .maps import offset


@dataclass
class Record:
    """One list of prompts of a picture.

    Attributes:
        row: the picture's place among the maps.
        prompts: K texts.
        splits: of each, '' in training.
        rivals: of each, the place of its rival among the prompts; -1: none.
        boxes: (G, 4) xyxy in pixels of the input.
        labels: (G), places among the prompts.
        polygons: of every object, in pixels of the input.
        side: of the input.
    """

    row: int
    prompts: list[str]
    splits: list[str]
    rivals: list[int]
    boxes: np.ndarray
    labels: np.ndarray
    polygons: list[list[np.ndarray]]
    side: int

    @cached_property
    def cells(self) -> torch.Tensor:
        """(G, H, W) bool, the cells of P3 that every object covers."""
        masks = InstancePolygons(
            [polygons or absent() for polygons in self.polygons], self.side, self.side)
        cells, _ = draw_masks(masks)
        there = torch.tensor([bool(polygons) for polygons in self.polygons], dtype=torch.bool)
        return instance_cells(
            torch.from_numpy(cells), torch.from_numpy(self.boxes).float(), there)

    def positives(self) -> set[int]:
        """The prompts that are true of something."""
        return set(self.labels.tolist())


def read_records(content: dict, names: list[str], side: int) -> list[Record]:
    """The records of the pictures that have maps, in the order of the file.

    Args:
        content: of :func:`~.maps.read_annotations`.
        names: of the pictures, by their place among the maps.
        side: of the input in pixels.
    """
    rows = {name: row for row, name in enumerate(names)}
    prompts = {category['id']: category['name'] for category in content['categories']}
    objects = defaultdict(list)
    for annotation in content['annotations']:
        objects[annotation['image_id']].append(annotation)
    return [_record(image, objects[image['id']], prompts, rows[image['file_name']], side)
            for image in content['images'] if image['file_name'] in rows]


def _record(image: dict, objects: list[dict], prompts: dict[int, str], row: int, side: int
            ) -> Record:
    asked = image.get('asked') or [
        dict(category_id=key, split='', rival=None) for key in dict.fromkeys(
            [*(thing['category_id'] for thing in objects), *image['neg_category_ids']])]
    places = {question['category_id']: place for place, question in enumerate(asked)}
    shift = np.array(offset(image['height'], image['width'], side))
    boxes = np.array([thing['bbox'] for thing in objects], np.float64).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    return Record(
        row, [prompts[question['category_id']] for question in asked],
        [question['split'] for question in asked],
        [places.get(question['rival'], -1) for question in asked],
        boxes + np.tile(shift, 2),
        np.array([places[thing['category_id']] for thing in objects], int),
        [[np.asarray(polygon, np.float32) + np.tile(shift, len(polygon) // 2)
          for polygon in thing.get('segmentation', ())] for thing in objects], side)


def truth_of(records: list[Record], keep: list[list[int]]) -> TruthBatch:
    """The objects of a batch whose prompts are those of ``keep``, in that order.

    Args:
        records: B.
        keep: of each record, places of its prompts.
    """
    most = max(1, *(len(record.labels) for record in records))
    cells = side_cells(records[0].side)
    shape = len(records), most
    boxes, labels = torch.zeros(*shape, 4), torch.zeros(shape, dtype=torch.long)
    real = torch.zeros(shape, dtype=torch.bool)
    covered = torch.zeros(*shape, cells, cells, dtype=torch.bool)
    for index, (record, places) in enumerate(zip(records, keep, strict=True)):
        new = {place: number for number, place in enumerate(places)}
        chosen = [g for g, label in enumerate(record.labels.tolist()) if label in new]
        count = len(chosen)
        boxes[index, :count] = torch.from_numpy(record.boxes[chosen]).float()
        labels[index, :count] = torch.tensor(
            [new[record.labels[g]] for g in chosen], dtype=torch.long)
        real[index, :count] = True
        covered[index, :count] = record.cells[chosen]
    return TruthBatch(boxes, labels, real, real, covered, None)


def side_cells(side: int) -> int:
    """Cells of P3 on a side."""
    return side // 8
