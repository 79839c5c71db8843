"""VGG Image Annotator (VIA): project files and exports of versions 1, 2 and 3."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

from expalign.datasets.formats.text_file import read_json
from expalign.utils.shown import shown
from expalign.utils.tally import Tally

from .coordinates import ellipse, number_of
from .json_kinds import VIA, json_kind
from .label_files import image_folder, label_files
from .labelled import BadLabel, LabelledImage, LabelledObject, LabelSource
from .split_names import grouped_files, split_of_file
from .table import read_rows, read_table, via_table
from .via3 import entries_of_project, entries_of_rows

# Names of the attribute that holds the class, as people call it; the first that there is counts.
CLASS_ATTRIBUTES = ('class', 'label', 'name', 'category', 'type', 'object', 'class_name', 'species')
NO_AREA = {'point', 'polyline', 'line'}


def read_via(source: str | Path, images: str | Path | None = None,
             only: Iterable[Path] | None = None, attribute: str | None = None,
             name: str | None = None) -> LabelSource:
    """Find the files of a data set: JSON or csv, one for each split, at any depth.

    Args:
        source: a folder or a file.
        images: folder of the images; by default that of ``source``, or the one above
            where it has no image.
        only: the files that may be read; by default all below ``source``.
        attribute: the region attribute that has the class.
        name: the class of regions whose file has no attribute.

    Raises:
        FileNotFoundError: ``source`` does not exist.
        ValueError: there is no file of VIA's, or it is not clear which attribute has the class.
    """
    root, files = label_files(source, ('.json', '.csv'), only)
    found = {path: entries for path in files if (entries := _entries(path)) is not None}
    if not found:
        raise ValueError(f"'{source}' has no file of VIA's: a project, or annotations exported as "
                         'JSON or csv')
    key = attribute or _class_attribute(found, name)
    splits: dict[str | None, list[tuple[Path, list]]] = {}
    for path in found:
        splits.setdefault(split_of_file(path, root), []).append((path, found[path]))
    parts = grouped_files(splits)
    notes = [f'the class is the region attribute {key!r}'] if key else []
    return LabelSource(VIA, image_folder(root, images), {
        split: partial(_read_split, files=files, key=key, name=name)
        for split, files in parts.items()},
        list(found),
        {split: sum(len(entries) for _, entries in files) for split, files in parts.items()},
        notes=notes)


def _entries(path: Path) -> list | None:
    """The entries of images of a file, in the form of version 2; None if it is not VIA's."""
    if path.suffix.lower() == '.csv':
        kind = via_table(path)
        if kind is None:
            return None
        return _entries_of_table(read_table(path).rows, path) if kind == 2 else _of_project(
            path, entries_of_rows, read_rows(path))
    content = read_json(str(path), what='annotation file')
    if json_kind(content) != VIA:
        return None
    if 'view' in content and 'metadata' in content:
        return _of_project(path, entries_of_project, content)
    entries = content.get('_via_img_metadata', content)
    if not isinstance(entries, dict):
        raise ValueError(f"annotation file '{path}': '_via_img_metadata' must be an object")
    return list(entries.values())


def _of_project(path: Path, read: Callable, content: object) -> list:
    try:
        return read(content)
    except BadLabel as error:
        raise ValueError(f"annotation file '{path}': {error}") from None


def _entries_of_table(rows: list[tuple[int, dict[str, str]]], path: Path) -> list[dict]:
    entries: dict[str, dict] = {}
    for line, row in rows:
        try:
            shape = json.loads(row['region_shape_attributes'] or '{}')
            attributes = json.loads(row['region_attributes'] or '{}')
        except (ValueError, RecursionError):
            raise ValueError(f"'{path}', line {line}: the shape or the attributes of a region are "
                             'not JSON, as VIA writes them') from None
        key = f"{row['filename']}\0{row.get('file_size', '')}"
        entry = entries.setdefault(key, {'filename': row['filename'], 'regions': [],
                                         'size': row.get('file_size')})
        if shape:
            entry['regions'].append({'shape_attributes': shape, 'region_attributes': attributes})
    return list(entries.values())


def _regions(entry: object) -> list:
    """Of an entry; version 1 has them as an object by number."""
    regions = entry.get('regions') if isinstance(entry, dict) else None
    return list(regions.values()) if isinstance(regions, dict) else (
        regions if isinstance(regions, list) else [])


def _class_attribute(found: dict[Path, list], name: str | None) -> str | None:
    """The attribute that has the class."""
    keys: Counter[str] = Counter()
    for entries in found.values():
        for entry in entries:
            for region in _regions(entry):
                attributes = region.get('region_attributes') if isinstance(region, dict) else None
                if isinstance(attributes, dict):
                    keys.update(str(key) for key, value in attributes.items() if value)
    by_lower = {key.lower().strip(): key for key in keys}
    known = [by_lower[key] for key in CLASS_ATTRIBUTES if key in by_lower]
    if known or len(keys) == 1:
        return known[0] if known else next(iter(keys))
    where = next(iter(found))
    if not keys:
        if name is None:
            raise ValueError(f"'{where}': no region has an attribute, so none has a class; convert "
                             'it by expalign convert via2coco, which has --name NAME')
        return None
    listed = ', '.join(f'{shown(key)} ({count})' for key, count in keys.most_common(6))
    raise ValueError(f"'{where}': which region attribute has the class? There are {listed}; "
                     'convert it by expalign convert via2coco, which has --attribute NAME')


def _read_split(tally: Tally, files: list[tuple[Path, list]], key: str | None, name: str | None
                ) -> Iterator[LabelledImage | BadLabel]:
    for path, entries in files:
        for number, entry in enumerate(entries, 1):
            try:
                yield _image(entry, path, number, key, name, tally)
            except BadLabel as error:
                yield BadLabel(f"'{path}', image {number}: {error}")


def _image(entry: object, path: Path, number: int, key: str | None, name: str | None,
           tally: Tally) -> LabelledImage:
    if not isinstance(entry, dict) or not isinstance(entry.get('filename'), str):
        raise BadLabel(f"must be an object with a 'filename', got {shown(entry)}")
    size = number_of(entry.get('size'))
    image = LabelledImage(f"{path}, image {number} ({shown(entry['filename'])})", path.parent,
                          [entry['filename']], file_bytes=int(size) if size else None)
    if 'regions' in entry and not isinstance(entry['regions'], list | dict):
        raise BadLabel("'regions' must be a list")
    for place, region in enumerate(_regions(entry), 1):
        try:
            obj = _region(region, key, name, image.where, tally)
        except BadLabel as error:
            image.problems.append(f'region {place}: {error}')
            continue
        image.objects += [] if obj is None else [obj]
    return image


def _region(region: object, key: str | None, name: str | None, where: str, tally: Tally
            ) -> LabelledObject | None:
    shape = region.get('shape_attributes') if isinstance(region, dict) else None
    if not isinstance(shape, dict):
        raise BadLabel(f"has no 'shape_attributes', got {shown(region)}")
    kind = shape['name'] if isinstance(shape.get('name'), str) else shown(shape.get('name'))
    if kind in NO_AREA:
        tally.note(f'regions left out: a {kind} has no area', where)
        return None
    if kind not in SHAPES:
        tally.note(f'regions left out: of the unknown kind {shown(kind)}', where)
        return None
    attributes = region.get('region_attributes')
    attributes = dict(attributes) if isinstance(attributes, dict) else {}
    label = _label(attributes.pop(key, None) if key else None, name)
    obj = LabelledObject(label, attributes={k: v for k, v in attributes.items() if v})
    SHAPES[kind](obj, shape)
    return obj


def _label(value: object, name: str | None) -> str:
    """The class in an attribute's value; of a checkbox, the one that is ticked."""
    if isinstance(value, dict):
        ticked = [key for key, state in value.items() if state]
        if len(ticked) > 1:
            raise BadLabel(f'several classes are ticked: {shown(", ".join(ticked))}')
        value = ticked[0] if ticked else None
    text = str(value).strip() if isinstance(value, str | int | float) else ''
    if not text and name is None:
        raise BadLabel('has no class')
    return text or name


def _numbers(shape: dict, *keys: str) -> list[float]:
    values = [number_of(shape.get(key)) for key in keys]
    if None in values:
        raise BadLabel(f"a {shape['name']} needs the numbers {', '.join(keys)}, got "
                       f'{shown({key: shape.get(key) for key in keys})}')
    return values


def _rect(obj: LabelledObject, shape: dict) -> None:
    x, y, width, height = _numbers(shape, 'x', 'y', 'width', 'height')
    obj.box = x, y, x + width, y + height


def _circle(obj: LabelledObject, shape: dict) -> None:
    x, y, radius = _numbers(shape, 'cx', 'cy', 'r')
    obj.box = x - radius, y - radius, x + radius, y + radius
    obj.polygons = [ellipse(x, y, radius, radius)]


def _ellipse(obj: LabelledObject, shape: dict) -> None:
    x, y, x_radius, y_radius = _numbers(shape, 'cx', 'cy', 'rx', 'ry')
    obj.polygons = [ellipse(x, y, x_radius, y_radius, number_of(shape.get('theta')) or 0.0)]


def _polygon(obj: LabelledObject, shape: dict) -> None:
    xs, ys = shape.get('all_points_x'), shape.get('all_points_y')
    if not isinstance(xs, list) or not isinstance(ys, list) or len(xs) != len(ys):
        raise BadLabel('a polygon needs as many all_points_x as all_points_y')
    points = [number_of(v) for pair in zip(xs, ys, strict=True) for v in pair]
    if None in points or not points:
        raise BadLabel(f'a polygon needs numbers, got {shown(xs)} and {shown(ys)}')
    obj.polygons = [points]


SHAPES = {'rect': _rect, 'circle': _circle, 'ellipse': _ellipse, 'polygon': _polygon}
