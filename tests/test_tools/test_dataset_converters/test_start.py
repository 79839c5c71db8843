"""Converters of labels start at once: whole conversions without torch and without OpenMMLab."""

import json
import subprocess
import sys

from tests.helpers.own_folders import WRITERS, photographs

CODE = """
import contextlib, io, sys, time
from expalign import cli
for name in ('yolo', 'voc', 'labelme', 'via', 'cvat', 'csv'):
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        cli.main(['convert', f'{name}2coco', name, f'out/{name}'])
    assert '3 images' in said.getvalue(), said.getvalue()
print(sorted({'torch', 'mmdet', 'mmcv', 'mmyolo', 'transformers'} & set(sys.modules)))
print(time.process_time())
"""
SECONDS = 4  # of a processor for all six; torch and mmdet take 8


def write_others(root):
    """VIA, CVAT and csv beside YOLO, VOC and labelme, of the same three photographs."""
    via, cvat, rows = {}, '', 'image,label,x,y,w,h\n'
    for file, image, things in photographs(3):
        regions, boxes = [], ''
        for name, (x, y, w, h), _ in things:
            regions.append(dict(
                shape_attributes=dict(name='rect', x=x, y=y, width=w, height=h),
                region_attributes={'class': name}))
            boxes += f'<box label="{name}" xtl="{x}" ytl="{y}" xbr="{x + w}" ybr="{y + h}"/>'
            rows += f'{file.name},{name},{x},{y},{w},{h}\n'
        via[file.name] = dict(filename=file.name, size=-1, regions=regions, file_attributes={})
        cvat += (f'<image id="{len(via)}" name="{file.name}" width="{image["width"]}" '
                 f'height="{image["height"]}">{boxes}</image>')
    for name, label_file, content in (
            ('via', 'via.json', json.dumps(via)), ('csv', 'boxes.csv', rows),
            ('cvat', 'annotations.xml', f'<annotations><version>1.1</version>{cvat}'
                                        '</annotations>')):
        WRITERS['voc'](root / name, 3)
        for path in (root / name).glob('*.xml'):
            path.unlink()
        (root / name / label_file).write_text(content)


def test_no_converter_waits_for_torch_or_mmdet(tmp_path):
    for name in ('yolo', 'voc', 'labelme'):
        WRITERS[name](tmp_path / name, 3)
    write_others(tmp_path)
    done = subprocess.run(
        [sys.executable, '-c', CODE], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    modules, seconds = done.stdout.splitlines()
    assert modules == '[]' and float(seconds) < SECONDS
    contents = {path.parts[-3]: json.loads(path.read_text()) for path in tmp_path.glob(
        'out/*/annotations/train.json')}
    boxes = {name: sorted(
        (round(x), round(y)) for x, y, *_ in (a['bbox'] for a in content['annotations']))
        for name, content in contents.items()}
    assert len(boxes) == 6 and boxes['via'] == boxes['cvat'] == boxes['csv'] == boxes['yolo']
    assert len({len(found) for found in boxes.values()}) == 1
