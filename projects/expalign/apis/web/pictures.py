"""Pictures of what was found, in the sizes that the page shows, and files to keep."""

import io
import json
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath
from typing import Any, NamedTuple

import numpy as np

from expalign.structures.detection_formats import coco_dataset
from expalign.structures.thresholds import ScoreThr
from expalign.utils.picture_files import encode_picture, shrunk
from expalign.visualization.explanation import draw_explanation
from expalign.visualization.map_picture import map_picture, map_scale
from expalign.visualization.panels import level_title

from .photographs import decode
from .requests import Refused
from .search import Found, in_own_pixels

JPEG, PNG, JSON, ZIP = 'image/jpeg', 'image/png', 'application/json', 'application/zip'


class File(NamedTuple):
    """A file to send: its content and media type."""

    content: bytes
    kind: str


def picture(found: Found, threshold: ScoreThr, width: int, letters: int) -> File:
    """Boxes and masks on the photograph, shrunk to a width, with letters of a height in pixels."""
    image = decode(found.shown)
    side = round(width * max(1, image.shape[0] / image.shape[1]))
    return _drawn(found, threshold, shrunk(image, side), letters)


def _drawn(found: Found, threshold: ScoreThr, image: np.ndarray, letters: int | None = None
           ) -> File:
    return File(_encoded(found.detections.above(threshold).plot(letters, image), '.jpg'), JPEG)


def explanation(found: Found, prompt: int) -> dict[str, Any]:
    """What stands beside the maps of a prompt.

    Args:
        prompt: its place among all prompts.

    Returns:
        ``prompt``; ``levels``: ``level``, ``title`` and ``tokens``, names with their weights, of
        each map; ``scale``: values of the darkest and the brightest colour.
    """
    row, alignment = _row(found, prompt), found.alignment
    lowest, highest = map_scale(alignment)
    levels = [dict(
        level=level, title=level_title(level),
        tokens=[[name, round(weight, 4)] for name, weight in alignment.weights_of(row, level)]
        if level in alignment.token_weights else []) for level in alignment.eams]
    return dict(prompt=alignment.prompts[row], levels=levels,
                scale=[round(lowest, 3), round(highest, 3)])


def map_of_level(found: Found, prompt: int, level: str, threshold: ScoreThr) -> File:
    """The map of a prompt over the grey photograph, with the prompt's boxes."""
    row = _row(found, prompt)
    if level not in found.alignment.eams:
        raise Refused(404, 'there is no such map')
    image = decode(found.shown)
    shown = found.detections.above(threshold)
    boxes = shown.boxes[shown.labels == prompt]
    drawn = map_picture(image, found.alignment, row, level, boxes)
    return File(_encoded(drawn, '.jpg'), JPEG)


def explanation_picture(found: Found, prompts: Sequence[int], threshold: ScoreThr) -> File:
    """The explanation of several prompts as one picture."""
    alignment = found.alignment
    rows = [_row(found, prompt) for prompt in prompts]
    lowest = found.detections.above(threshold).thresholds
    image = decode(found.shown)
    drawn = draw_explanation(
        image, alignment, found.instances, [alignment.prompts[row] for row in rows],
        [lowest[place] for place in found.places])
    return File(_encoded(drawn, '.png'), PNG)


def pictures_file(found: Sequence[Found], threshold: ScoreThr, pixels: Iterable[np.ndarray]
                  ) -> File:
    """The picture of a photograph in its own size, or of several in an archive."""
    made = [_drawn(one, threshold, own) for one, own in zip(found, pixels, strict=True)]
    if len(made) == 1:
        return made[0]
    return _archive({f'{stem}.jpg': file.content for stem, file in zip(
        _stems(found), made, strict=True)})


def json_file(found: Sequence[Found], threshold: ScoreThr) -> File:
    """The project's JSON form: an object, or a list of them for several photographs."""
    records = [in_own_pixels(one, threshold).to_dict() | dict(image=one.name or None)
               for one in found]
    return _json(records[0] if len(records) == 1 else records)


def coco_file(found: Sequence[Found], threshold: ScoreThr) -> File:
    """A data set in COCO's form with all photographs."""
    return _json(coco_dataset([in_own_pixels(one, threshold) for one in _alike(found)],
                              [one.name or f'{stem}.jpg' for one, stem in zip(
                                  found, _stems(found), strict=True)]))


def yolo_file(found: Sequence[Found], threshold: ScoreThr) -> File:
    """YOLO's label files and names in an archive."""
    names = '\n'.join(f'  {label}: {json.dumps(prompt, ensure_ascii=False)}'
                      for label, prompt in enumerate(_alike(found)[0].detections.prompts))
    files = {'data.yaml': f'names:\n{names}\n'.encode()}
    for one, stem in zip(found, _stems(found), strict=True):
        files[f'labels/{stem}.txt'] = in_own_pixels(one, threshold).to_yolo().encode()
    return _archive(files)


def _row(found: Found, prompt: int) -> int:
    if found.alignment is None or prompt not in found.places:
        raise Refused(404, 'this prompt has no maps: those of the best prompts are kept')
    return found.places.index(prompt)


def _alike(found: Sequence[Found]) -> Sequence[Found]:
    if any(one.detections.prompts != found[0].detections.prompts for one in found):
        raise Refused(400, 'these photographs were searched for different prompts: search again')
    return found


def _stems(found: Sequence[Found]) -> list[str]:
    """Names of the photographs for files in an archive, each another one."""
    stems: list[str] = []
    for number, one in enumerate(found):
        name = PurePosixPath(one.name.replace('\\', '/')).name
        stem = name.rpartition('.')[0] or name or f'photograph_{number + 1}'
        stem = ''.join('_' if letter in '<>:"|?*' else letter for letter in stem).strip('. ')
        stem = stem or f'photograph_{number + 1}'
        stems.append(f'{stem}_{number + 1}' if stem.lower() in map(str.lower, stems) else stem)
    return stems


def _encoded(drawn: np.ndarray, suffix: str) -> bytes:
    content = encode_picture(drawn, suffix)
    if content is None:
        raise Refused(500, 'this picture cannot be written')
    return content


def _json(content: Any) -> File:
    return File(json.dumps(content, indent=1, ensure_ascii=False).encode(), JSON)


def _archive(files: dict[str, bytes]) -> File:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, 'w', zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return File(buffer.getvalue(), ZIP)
