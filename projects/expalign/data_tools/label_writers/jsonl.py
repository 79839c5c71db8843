"""The project's own form: a line an image, those that could not be read with the reason."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from .target import ImageLabels, Target


@contextmanager
def writer(target: Target) -> Iterator[Callable[[ImageLabels], None]]:
    """Write ``labels.jsonl``."""
    with open(target.folder / 'labels.jsonl', 'w', encoding='ascii') as file:
        def add(image: ImageLabels) -> None:
            row = dict(image=image.source, name=image.name)
            row |= dict(error=image.error) if image.error is not None else dict(
                width=image.width, height=image.height, detections=image.detections)
            file.write(json.dumps(row, separators=(',', ':')) + '\n')
        yield add
