"""ODVG, which grounding models are trained from: ``labels.jsonl`` and ``label_map.json``.

``images`` is a link to the folder of the images. Names of classes are kept as they are; lines are
of the kind ``detection``.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from expalign.data_tools.odvg_writer import odvg_writer, write_label_map

from .target import ImageLabels, Target, link_to_images


@contextmanager
def writer(target: Target) -> Iterator[Callable[[ImageLabels], None]]:
    """Write the files."""
    link_to_images(target, 'images')
    write_label_map(target.folder / 'label_map.json', target.classes)
    with odvg_writer(target.folder / 'labels.jsonl') as odvg:
        def add(image: ImageLabels) -> None:
            if image.error is None:
                odvg.add(dict(
                    filename=image.name, height=image.height, width=image.width,
                    detection=dict(instances=[_instance(found) for found in image.detections])))
        yield add


def _instance(found: dict[str, Any]) -> dict[str, Any]:
    instance = dict(bbox=found['box'], label=found['label'], category=found['prompt'],
                    score=found['score'])
    return instance | (dict(mask=found['mask']) if 'mask' in found else {})
