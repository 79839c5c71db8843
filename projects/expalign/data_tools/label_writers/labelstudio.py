"""Label Studio: ``tasks-00001.json``, ... with predictions, and ``label_config.xml``.

Boxes are percents of the photograph as a browser shows it, upright. Masks are outlines
(``polygonlabels``), which can be corrected there; the box stays where a mask is empty. Files of
this machine are named as Label Studio's local storage does, below the folder that
``label_config.xml`` names; addresses stay what they are. Tasks come in files of ten thousand.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import escape, quoteattr

from expalign.utils.file_kinds import is_address
from expalign.utils.xml_text import xml_fault

from .outlines import outlines
from .target import ImageLabels, Target

TASKS = 10_000  # of a file
BOXES, OUTLINES = 'box', 'outline'  # names of the controls in the configuration


def check_classes(classes: list[str]) -> None:
    """Refuse names that Label Studio's configuration cannot hold.

    Raises:
        ValueError: a name has a character that XML has not.
    """
    for name in classes:
        if (fault := xml_fault(name)) is not None:
            raise ValueError(f'the prompt {name!r} has {fault}, which XML and so Label Studio '
                             'cannot hold: remove it, or leave the form labelstudio out')


@contextmanager
def writer(target: Target) -> Iterator[Callable[[ImageLabels], None]]:
    """Write the files."""
    (target.folder / 'label_config.xml').write_text(
        label_config(target.classes, target.root), encoding='utf-8')
    tasks: list[dict] = []
    written = [0]

    def write() -> None:
        written[0] += 1
        path = target.folder / f'tasks-{written[0]:05d}.json'
        path.write_text(json.dumps(tasks, separators=(',', ':')), encoding='ascii')
        tasks.clear()

    def add(image: ImageLabels) -> None:
        if image.error is None:
            tasks.append(dict(data=dict(image=_address(image)),
                              predictions=[prediction(image, target.model)]))
        if len(tasks) == TASKS:
            write()
    yield add
    if tasks or not written[0]:
        write()


def label_config(classes: list[str], root: str | None = None) -> str:
    """Label Studio's configuration for boxes and outlines of these classes."""
    where = '' if root is None else (
        '<!-- LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT is the folder '
        f'{escape(root).replace("--", "- -")} -->\n')
    labels = ''.join(f'    <Label value={quoteattr(name)}/>\n' for name in classes)
    return (f'{where}<View>\n  <Image name="image" value="$image"/>\n'
            f'  <RectangleLabels name="{BOXES}" toName="image">\n{labels}  </RectangleLabels>\n'
            f'  <PolygonLabels name="{OUTLINES}" toName="image">\n{labels}  </PolygonLabels>\n'
            '</View>\n')


def prediction(image: ImageLabels, model: str, boxes: str = BOXES, outline: str | None = OUTLINES,
               to_name: str = 'image') -> dict[str, Any]:
    """The detections of an image as Label Studio's prediction.

    Args:
        image: the image.
        model: the version that is shown.
        boxes, outline, to_name: names in the configuration; without ``outline`` all are boxes.
    """
    results = []
    for number, found in enumerate(image.detections):
        shapes = outlines(found['mask']) if outline and 'mask' in found else []
        for part, points in enumerate(shapes):
            results.append(_result(
                image, found, f'{number}-{part}', outline, to_name, 'polygonlabels',
                dict(points=[[_percent(x, image.width), _percent(y, image.height)]
                             for x, y in points])))
        if not shapes:
            left, top, right, bottom = found['box']
            results.append(_result(
                image, found, f'{number}', boxes, to_name, 'rectanglelabels',
                dict(x=_percent(left, image.width), y=_percent(top, image.height),
                     width=_percent(right - left, image.width),
                     height=_percent(bottom - top, image.height), rotation=0)))
    scores = [found['score'] for found in image.detections]
    return dict(model_version=model, score=max(scores, default=0.0), result=results)


def _result(image: ImageLabels, found: dict[str, Any], number: str, from_name: str, to_name: str,
            kind: str, value: dict[str, Any]) -> dict[str, Any]:
    return dict(
        id=number, type=kind, from_name=from_name, to_name=to_name, original_width=image.width,
        original_height=image.height, image_rotation=0, score=found['score'],
        value={**value, kind: [found['prompt']]})


def _percent(pixels: float, side: int) -> float:
    return round(100 * pixels / side, 4)


def _address(image: ImageLabels) -> str:
    if is_address(image.source):
        return image.source
    name = image.name.encode('utf-8', 'surrogateescape')
    return f'/data/local-files/?d={quote(name)}'
