"""Make the gallery: pictures of what a detector finds, and the page that shows them.

``python tools/misc/make_gallery.py`` writes ``docs/gallery.md`` and ``docs/images/gallery/*.jpg``
with the detector of ``make demo``; ``CONFIG --weights FILE`` names another one. Photographs and
prompts are listed in ``gallery_scenes.json`` beside this file. The page names the author's page
and the licence of every photograph.
"""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from mmengine.structures import InstanceData
from mmengine.utils import track_iter_progress

import expalign  # noqa: F401  (before mmdet: the compatibility layer)
from expalign.apis.command_line import add_model_arguments, build_inferencer, check_arguments
from expalign.datasets.transforms.loading import read_image
from expalign.structures.thresholds import thresholds_of
from expalign.utils import check_outputs, finished_file, run_command
from expalign.utils.command_parser import CommandParser
from expalign.visualization import draw_explanation, draw_instances

ROOT = Path(__file__).resolve().parents[2]
SCENES = Path(__file__).with_name('gallery_scenes.json')
QUALITY = 85  # of JPEG: text stays sharp
LONGER_SIDE = 640  # of a picture with boxes; smaller photographs are enlarged
EXPLANATION_WIDTH = 1500
COLUMNS = 2
HEAD = """\
# Gallery

Photographs of [demo/data/mini](../demo/data/mini/ATTRIBUTION.md) with the prompts that they were
searched for, and all boxes and masks above the default threshold, which goes by the number of
prompts ([results.md](results.md#the-default-threshold)). The best score of each prompt is below its
picture, with the number of boxes if there are several; "none" means no box above it.

The detector is that of `make demo` ([weights.md](weights.md#the-detector-of-make-demo)):
YOLO-World v2-S's converted image side and this project's text side and mask branches. It was not
trained with the method's full recipe ([results.md](results.md)). Nothing was chosen by hand but
photographs and prompts, and what fails is shown, too. One command makes this page and its pictures:

```bash
python tools/misc/make_gallery.py
```
"""
ATTRIBUTION = """
## Photographs

All are part of COCO 2017 and belong to the people who published them on Flickr. Changes: boxes,
labels and maps were added, and large ones were made smaller. A picture made of a photograph under
a ShareAlike licence is under the same licence.

| file | photograph | licence |
|---|---|---|
"""


def read_scenes(path: Path, photographs: Path) -> list[dict]:
    """Sections of the page: ``title``, ``text``, ``scenes`` of ``image`` and ``prompts``.

    Raises:
        ValueError: a photograph that is not there, or a scene without prompts.
    """
    sections = json.loads(path.read_text(encoding='utf-8'))
    for scene in _scenes(sections):
        if not (photographs / scene['image']).is_file():
            raise ValueError(f'{path}: there is no photograph {photographs / scene["image"]}')
        if not scene.get('prompts'):
            raise ValueError(f'{path}: the scene of {scene["image"]} has no prompts')
    return sections


def _scenes(sections: list[dict]) -> list[dict]:
    return [scene for section in sections for scene in section['scenes']]


def attribution_rows(photographs: Path, images: set[str]) -> list[str]:
    """The rows of ``ATTRIBUTION.md`` of some photographs.

    Raises:
        ValueError: a photograph has no row.
    """
    file = photographs / 'ATTRIBUTION.md'
    rows = {line.split('`')[1]: line for line in file.read_text(encoding='utf-8').splitlines()
            if line.startswith('| `')}
    missing = sorted(images - rows.keys())
    if missing:
        raise ValueError(f'{file} has no row for {missing[0]}: without a licence it is not shown')
    return [rows[image] for image in sorted(images)]


def draw_scene(inferencer: Any, photograph: Path, scene: dict) -> tuple[np.ndarray, str]:
    """The picture (RGB) of a scene and the line below it."""
    ((_, sample),) = inferencer.stream(
        str(photograph), [scene['prompts']], return_eam=bool(scene.get('explain')))
    found = sample.pred_instances
    found = found[found.scores >= found.scores.new_tensor(
        thresholds_of(scene['prompts']))[found.labels]]
    image = read_image(str(photograph))[..., ::-1]
    line = caption(scene['prompts'], found)
    if scene.get('explain'):
        picture = draw_explanation(
            image, sample.alignment, sample.pred_instances, scene['prompts'])
        return resize(picture, EXPLANATION_WIDTH / picture.shape[1]), line
    scale = LONGER_SIDE / max(image.shape[:2])
    found.bboxes = found.bboxes * scale
    if 'masks' in found:
        found.masks = np.array([resize(mask[:], scale) for mask in found.masks]).reshape(
            len(found), *resize(image[..., 0], scale).shape)
    return draw_instances(resize(image, scale), found), line


def resize(image: np.ndarray, scale: float) -> np.ndarray:
    """The image with sides ``scale`` times as long."""
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return cv2.resize(image, None, fx=scale, fy=scale, interpolation=method)


def caption(prompts: list[str], shown: InstanceData) -> str:
    """Per prompt the best score of what is shown, and how many boxes if there are several."""
    parts = []
    for label, prompt in enumerate(prompts):
        scores = shown.scores[shown.labels == label].tolist()
        count = f' ({len(scores)})' if len(scores) > 1 else ''
        parts.append(f'{prompt} {max(scores):.2f}{count}' if scores else f'{prompt}: none')
    return ', '.join(parts)


def table(cells: list[tuple[str, str]], columns: int) -> str:
    """Pictures (path, caption) side by side, as Markdown."""
    columns = min(columns, len(cells))
    lines = ['|' + ' |' * columns, '|' + '---|' * columns]
    for start in range(0, len(cells), columns):
        row = cells[start:start + columns]
        row += [None] * (columns - len(row))
        lines.append('| ' + ' | '.join(
            f'![{cell[1]}]({cell[0]})<br>{cell[1]}' if cell else '' for cell in row) + ' |')
    return '\n'.join(lines) + '\n'


def make_gallery(
    inferencer: Any, sections: list[dict], photographs: Path, rows: list[str], out: Path,
) -> None:
    """Write ``OUT/gallery.md`` and ``OUT/images/gallery``; pictures of an older run are removed.

    Args:
        inferencer: the detector.
        sections: what :func:`read_scenes` gives.
        photographs: folder of the photographs.
        rows: what :func:`attribution_rows` gives.
        out: folder of the page.
    """
    planned = _scenes(sections)
    folder = out / 'images' / 'gallery'
    folder.mkdir(parents=True, exist_ok=True)
    names = [f'{number:02d}_{Path(scene["image"]).stem.lstrip("0")}.jpg'
             for number, scene in enumerate(planned, start=1)]
    # Pictures of an older run are removed, so the photographs must not be among them.
    check_outputs([out / 'gallery.md', *(folder / name for name in names), *folder.glob('*.jpg')],
                  [photographs / scene['image'] for scene in planned])
    cells = []
    for number, scene in enumerate(track_iter_progress(planned), start=1):
        picture, line = draw_scene(inferencer, photographs / scene['image'], scene)
        name = names[number - 1]
        with finished_file(folder / name) as temporary:
            cv2.imwrite(str(temporary), picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
        cells.append((f'images/gallery/{name}', line))
    for old in set(folder.glob('*.jpg')) - {out / cell[0] for cell in cells}:
        old.unlink()
    page, rest = [HEAD], iter(cells)
    for section in sections:
        explained = any(scene.get('explain') for scene in section['scenes'])
        part = [next(rest) for _ in section['scenes']]
        page.append(f'\n## {section["title"]}\n\n{section["text"]}\n\n'
                    + table(part, 1 if explained else COLUMNS))
    with finished_file(out / 'gallery.md') as temporary:
        temporary.write_text(''.join(page) + ATTRIBUTION + '\n'.join(rows) + '\n', encoding='utf-8')
    size = sum(path.stat().st_size for path in folder.glob('*.jpg'))
    print(f'\n{out / "gallery.md"}: {len(cells)} pictures, {size / 1e6:.2f} MB')


def main() -> None:
    """Read the command line and make the page."""
    parser = CommandParser(description=__doc__, example='--out docs')
    add_model_arguments(parser)
    parser.add_argument('--scenes', type=Path, default=SCENES, help='photographs and prompts')
    parser.add_argument('--photographs', type=Path, default=ROOT / 'demo' / 'data' / 'mini',
                        help='folder of the photographs, with an ATTRIBUTION.md')
    parser.add_argument('--out', type=Path, default=ROOT / 'docs', help='folder of the page')
    args = parser.parse_args()
    check_arguments(parser, args)
    try:
        sections = read_scenes(args.scenes, args.photographs)
        rows = attribution_rows(
            args.photographs, {scene['image'] for scene in _scenes(sections)})
    except (OSError, ValueError) as error:
        parser.error(str(error))
    inferencer = build_inferencer(parser, args)
    inferencer.show_bar = False
    make_gallery(inferencer, sections, args.photographs, rows, args.out)


if __name__ == '__main__':
    run_command(main)
