"""A few labelled images of a data set, ready for a model, with their boxes by class."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from mmengine.dataset import pseudo_collate
from torch import nn

from expalign.datasets import TextCocoDataset
from expalign.datasets.bad_samples import BadSample
from expalign.datasets.transforms.loading import read_image


@dataclass
class Example:
    """An image.

    Args:
        data: what the model's preprocessor gives: ``inputs`` (1, 3, H, W) and ``data_samples``.
        path: of the file.
        boxes: (g, 4) xyxy, pixels of the file.
        labels: (g), classes.
        crowd: (g) bool.
    """

    data: dict
    path: str
    boxes: np.ndarray
    labels: np.ndarray
    crowd: np.ndarray

    def of_class(self, label: int) -> tuple[np.ndarray, np.ndarray]:
        """Boxes (g', 4) of one class, and whether each is a crowd (g')."""
        mine = self.labels == label
        return self.boxes[mine], self.crowd[mine]

    def crops(self, label: int) -> list[np.ndarray]:
        """The pixels (H, W, 3) BGR in the boxes of one class."""
        boxes = self.of_class(label)[0].round().astype(int).clip(0)
        pixels = read_image(self.path) if len(boxes) else None
        return [pixels[y1:y2, x1:x2] for x1, y1, x2, y2 in boxes]


def read_labelled(
    ann_file: str, folder: str, classes: Sequence[str], empty: bool = False
) -> list[dict]:
    """The records of the images that have boxes; see :mod:`expalign.datasets.formats.record`.

    Args:
        ann_file, folder: of a part of the data set.
        classes: its classes.
        empty: those of images without a box, too.

    Raises:
        FileNotFoundError, ValueError: the file is not there, or not in COCO's format.
    """
    dataset = TextCocoDataset(
        ann_file=ann_file, data_prefix=dict(img=folder), metainfo=dict(classes=tuple(classes)),
        pipeline=[], test_mode=True, serialize_data=False)
    return [dataset.get_data_info(i) for i in range(len(dataset))
            if empty or dataset.get_data_info(i)['instances']]


def choose(records: Sequence[dict], count: int, num_classes: int, seed: int) -> list[dict]:
    """Some of the images, so that all classes have about as many.

    Args:
        records: with ``instances``.
        count: how many.
        num_classes: K.
        seed: another one chooses others.
    """
    order = list(records)
    random.Random(seed).shuffle(order)
    chosen: dict[int, dict] = {}
    queues = [[r for r in order if any(i['bbox_label'] == k for i in r['instances'])]
              for k in range(num_classes)]
    queues = sorted((queue for queue in queues if queue), key=len)
    for place in range(max(map(len, queues), default=0)):
        for queue in queues:
            if place < len(queue) and len(chosen) < count:
                chosen.setdefault(id(queue[place]), queue[place])
    return list(chosen.values())


@torch.no_grad()
def prepare(records: Sequence[dict], pipeline, preprocessor: nn.Module) -> list[Example]:
    """The images of some records; those that cannot be read are left out.

    Args:
        records: of :func:`read_labelled`.
        pipeline: of testing.
        preprocessor: of the model.

    Raises:
        ValueError: none can be read; the message has the reason.
    """
    examples, fault = [], None
    for record in records:
        try:
            sample = pipeline({key: record[key] for key in (
                'img_path', 'img_id', 'height', 'width')})
        except BadSample as error:
            fault = error
            continue
        instances = record['instances']
        examples.append(Example(
            preprocessor(pseudo_collate([sample]), False), record['img_path'],
            np.array([i['bbox'] for i in instances], np.float64).reshape(-1, 4),
            np.array([i['bbox_label'] for i in instances], int),
            np.array([i['ignore_flag'] for i in instances], bool)))
    if not examples:
        raise ValueError(f'none of the {len(records)} labelled images can be read: {fault}')
    return examples
