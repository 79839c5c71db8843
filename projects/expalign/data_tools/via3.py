"""Files of VIA 3: projects, in which regions, images and attributes are tables, and exports to csv.
"""

import json

from expalign.utils.shown import shown

from .labelled import BadLabel

# https://gitlab.com/vgg/via: shape numbers at the head of 'xy'
RECTANGLE, CIRCLE, ELLIPSE, POLYGON = 2, 3, 4, 7
WITHOUT_AREA = {1: 'point', 5: 'line', 6: 'polyline'}


def entries_of_project(content: dict) -> list[dict]:
    """The images of a project with their regions in the form of version 2.

    Raises:
        BadLabel: the tables do not fit together.
    """
    files, views, metadata, attributes = (_table(content, key) for key in (
        'file', 'view', 'metadata', 'attribute'))
    entries: dict[str, dict] = {}
    for number, view in views.items():
        members = view.get('fid_list')
        if not isinstance(members, list) or len(members) != 1:
            raise BadLabel(f'view {shown(number)} has not one image: views of several, and films, '
                           'cannot be converted')
        file = files.get(str(members[0]))
        if file is None or not isinstance(file.get('fname'), str):
            raise BadLabel(f'view {shown(number)} has an image that is not in the table of files')
        entries[number] = {'filename': file['fname'], 'regions': []}
    for number, item in metadata.items():
        entry = entries.get(str(item.get('vid')))
        if entry is None:
            raise BadLabel(f'region {shown(number)} is of no view')
        if item.get('z'):
            raise BadLabel(f'region {shown(number)} is of a film; extract its images first')
        if item.get('xy'):
            values = item.get('av')
            entry['regions'].append({
                'shape_attributes': shape_of(item['xy']),
                'region_attributes': _values(values, attributes) if isinstance(values, dict)
                else {}})
    return list(entries.values())


def _table(content: dict, key: str) -> dict[str, dict]:
    table = content.get(key, {})
    if not isinstance(table, dict) or not all(isinstance(v, dict) for v in table.values()):
        raise BadLabel(f'{key!r} must be an object of objects')
    return table


def shape_of(xy: object) -> dict:
    """Of the numbers of a region; what is wrong with them is said where the region is read."""
    kind, *values = xy if isinstance(xy, list) else [None]
    if kind == RECTANGLE:
        return {'name': 'rect', **dict(zip(('x', 'y', 'width', 'height'), values, strict=False))}
    if kind == CIRCLE:
        return {'name': 'circle', **dict(zip(('cx', 'cy', 'r'), values, strict=False))}
    if kind == ELLIPSE:
        return {'name': 'ellipse', **dict(zip(('cx', 'cy', 'rx', 'ry'), values, strict=False))}
    if kind == POLYGON:
        return {'name': 'polygon', 'all_points_x': values[::2], 'all_points_y': values[1::2]}
    return {'name': WITHOUT_AREA.get(kind, kind) if isinstance(kind, int) else shown(kind)}


def _values(values: dict, attributes: dict[str, dict]) -> dict[str, object]:
    """Values by the attributes' names; of a choice, the text of the option."""
    named = {}
    for number, value in values.items():
        attribute = attributes.get(number, {})
        options = attribute.get('options')
        if isinstance(options, dict) and isinstance(value, str):
            texts = [str(options.get(part, part)) for part in value.split(',')]
            value = ', '.join(texts)
        named[str(attribute.get('aname', number))] = value
    return named


def entries_of_rows(rows: list[tuple[int, list[str]]]) -> list[dict]:
    """The same of the rows of an export to csv, whose header is in a comment.

    Raises:
        BadLabel: a row is not VIA's.
    """
    entries: dict[str, dict] = {}
    for line, row in rows:
        try:
            files, times, xy, values = (json.loads(row[i]) for i in (1, 3, 4, 5))
        except (ValueError, IndexError, RecursionError):
            raise BadLabel(f'line {line}: not a row of VIA 3') from None
        if times:
            raise BadLabel(f'line {line}: a region of a film; extract its images first')
        if not isinstance(files, list) or len(files) != 1 or not isinstance(files[0], str):
            raise BadLabel(f'line {line}: must name one image, got {shown(files)}')
        entry = entries.setdefault(files[0], {'filename': files[0], 'regions': []})
        if xy:
            entry['regions'].append({
                'shape_attributes': shape_of(xy),
                'region_attributes': values if isinstance(values, dict) else {}})
    return list(entries.values())
