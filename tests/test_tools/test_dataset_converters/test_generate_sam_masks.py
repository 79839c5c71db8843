"""tools/dataset_converters/generate_sam_masks.py with a tiny SAM 2 of random weights.

The plumbing is real, the masks are noise: so the rules that reject masks are off where results
are compared, and are tested on masks made by hand.
"""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from pycocotools import mask as coco_mask

from expalign.data_tools import sam_generate
from expalign.data_tools.sam_generate import Job, TooManyUnreadable, merge, run_shard
from expalign.data_tools.sam_journal import Journal, JournalError, Results
from expalign.data_tools.sam_masks import (
    MaskRules,
    Sam2Masks,
    mask_on_image,
    rejection,
    remove_small_parts,
)
from tests.helpers.annotations import coco_content, read_lines, write_image, write_json
from tests.helpers.small_encoders import sam2

TOOL = 'tools/dataset_converters/generate_sam_masks.py'
ACCEPT_ALL = ['--min-box-share', 0, '--min-box-iou', 0, '--min-component', 0]
RULES = MaskRules(min_component=0, min_box_share=0, min_box_iou=0)


@pytest.fixture(scope='module')
def model(tmp_path_factory):
    """A folder with a SAM 2 of 64 px and one block a stage."""
    return sam2(tmp_path_factory.mktemp('sam'))


@pytest.fixture
def coco(tmp_path):
    """Five images of two sizes; image i has i boxes, the last image also a crowd and a polygon."""
    images, annotations = [], []
    for i in range(5):
        size = dict(width=100, height=80) if i % 2 else dict(width=60, height=90)
        write_image(tmp_path / 'images' / f'{i}.jpg', seed=i, **size)
        images.append({'id': 100 + i, 'file_name': f'{i}.jpg', **size})
        annotations += [{'image_id': 100 + i, 'category_id': 10, 'bbox': [5 + j, 5, 30, 40]}
                        for j in range(i)]
    annotations.append({'image_id': 104, 'category_id': 10, 'bbox': [0, 0, 9, 9], 'iscrowd': 1})
    annotations.append({'image_id': 104, 'category_id': 10, 'bbox': [0, 0, 9, 9],
                        'segmentation': [[0, 0, 9, 0, 9, 9]]})
    return write_json(tmp_path / 'coco.json', coco_content(images, annotations, ['cat']))


def job_of(coco, model, **changes):
    settings = dict(source=str(coco), image_root=str(coco.parent / 'images'),
                    work_dir=str(coco.parent / 'work'), model=model, rules=RULES)
    return Job(**{**settings, **changes})


def test_coco_gets_encoded_masks(run_script, tmp_path, coco, model, capsys):
    run_script(TOOL, coco, tmp_path / 'out.json', '--image-root', tmp_path / 'images',
               '--model', model, '--images-per-batch', 2, '--boxes-per-batch', 3, *ACCEPT_ALL)
    before, after = (json.loads((tmp_path / name).read_text()) for name in
                     ('coco.json', 'out.json'))
    assert after['images'] == before['images']
    assert [a['id'] for a in after['annotations']] == [a['id'] for a in before['annotations']]
    *boxes, crowd, polygon = after['annotations']
    assert 'segmentation' not in crowd
    assert polygon['segmentation'] == [[0, 0, 9, 0, 9, 9]]
    masked = [a for a in boxes if 'segmentation' in a]
    out = capsys.readouterr().out
    assert f'{len(masked)} masks' in out
    empty = len(boxes) - len(masked)
    assert not empty or f'{empty} boxes without a mask: empty' in out
    assert masked
    size_of = {image['id']: [image['height'], image['width']] for image in before['images']}
    for annotation in masked:
        assert annotation['segmentation']['size'] == size_of[annotation['image_id']]
        assert coco_mask.decode(annotation['segmentation']).any()


def test_batches_change_nothing(coco, model):
    masks = Sam2Masks(model, boxes_per_batch=2)
    images = [np.full((40, 50, 3), value, np.uint8) for value in (10, 200)]
    boxes = [np.array([[1., 2, 30, 30], [5, 5, 20, 20], [0, 0, 50, 40]]), np.array([[3., 4, 9, 9]])]
    together = masks.logits(images, boxes)
    assert [len(logits) for logits in together] == [3, 1]
    for image, own, logits in zip(images, boxes, together, strict=True):
        for box, one in zip(own, logits, strict=True):
            alone = Sam2Masks.logits(masks, [image], [box[None]])[0]
            torch.testing.assert_close(one, alone[0], rtol=1e-4, atol=1e-4)


def test_pixels_are_scaled_and_normalised(model):
    pixels = Sam2Masks(model).pixels(np.full((40, 50, 3), 255, np.uint8))
    assert pixels.shape == (3, 64, 64)
    expected = (1 - np.array([0.485, 0.456, 0.406])) / np.array([0.229, 0.224, 0.225])
    np.testing.assert_allclose(pixels.mean((1, 2)), expected, rtol=1e-5)


class Killed(BaseException):
    """Stands for a kill: nothing catches it."""


def test_a_kill_loses_and_repeats_nothing(coco, model, tmp_path, monkeypatch):
    masks = Sam2Masks(model)
    run_shard(job_of(coco, model, work_dir=str(tmp_path / 'whole')), masks, 0, 1)
    merge(job_of(coco, model, work_dir=str(tmp_path / 'whole')), tmp_path / 'whole.json')

    job, seen = job_of(coco, model), []
    logits = masks.logits

    def dies_at_the_third(images, boxes):
        if len(seen) == 2:
            raise Killed
        seen.append(len(boxes[0]))
        return logits(images, boxes)

    monkeypatch.setattr(masks, 'logits', dies_at_the_third)
    with pytest.raises(Killed):
        run_shard(job, masks, 0, 1, images_per_batch=1)
    journal = tmp_path / 'work' / 'shard_0000_of_0001.jsonl'
    with open(journal, 'ab') as file:  # half a line, as a kill inside of a write leaves it
        file.write(b'{"index":3,"image":"3.jpg","mas')
    with pytest.raises(RuntimeError, match=r'3 of 5 images are done: run the missing shards'):
        merge(job, tmp_path / 'out.json')
    monkeypatch.setattr(masks, 'logits', lambda i, b: (seen.append(len(b[0])), logits(i, b))[1])
    run_shard(job, masks, 0, 2, images_per_batch=1)  # goes on with two processes
    run_shard(job, masks, 1, 2, images_per_batch=1)
    assert seen == [1, 2, 4, 3]  # every image with boxes once: 4 is in shard 0, 3 in shard 1
    assert sorted(entry['index'] for entry in Results(job.work_dir)) == [0, 1, 2, 3, 4]
    merge(job, tmp_path / 'out.json')
    assert (tmp_path / 'out.json').read_bytes() == (tmp_path / 'whole.json').read_bytes()


def test_a_torn_line_is_cut_off_before_writing_goes_on(tmp_path):
    path = tmp_path / 'a.jsonl'
    path.write_bytes(b'{"index":0,"masks":{}}\n{"ind')
    with Journal(tmp_path, 'a') as journal:
        journal.add({'index': 1, 'masks': {}})
        with pytest.raises(JournalError, match=r'another process is writing'):
            Journal(tmp_path, 'a')
    assert [line['index'] for line in read_lines(path)] == [0, 1]


def test_other_settings_are_refused(coco, model):
    job_of(coco, model).check()
    other = job_of(coco, model, rules=MaskRules(threshold=0.7))
    with pytest.raises(JournalError, match=r'other settings \(.*threshold: 0\.5 then, 0\.7 now'):
        other.check()


def test_odvg_of_both_kinds(tmp_path, model):
    for name in 'ab':
        write_image(tmp_path / 'images' / f'{name}.jpg')
    size = {'height': 80, 'width': 100}
    box, known = [5, 5, 40, 50], [[0, 0, 9, 0, 9, 9]]
    records = [
        {'filename': 'a.jpg', **size, 'detection': {'instances': [
            {'bbox': box, 'label': 0}, {'bbox': box, 'label': 0, 'mask': known},
            {'bbox': [5, 5, 5, 9], 'label': 0}]}},
        {'filename': 'b.jpg', **size, 'grounding': {'caption': 'cats', 'regions': [
            {'bbox': box, 'phrase': 'cat'},
            {'bbox': [box, [50, 10, 90, 60]], 'phrase': 'cats', 'mask': [known, None]},
            {'bbox': box, 'phrase': 'cat', 'iscrowd': 1}]}}]
    source = tmp_path / 'in.jsonl'
    source.write_text('\n'.join(map(json.dumps, records)))
    job = job_of(source, model)
    masks = Sam2Masks(model)
    everything = torch.ones(1, 4, 4)
    masks.logits = lambda images, boxes: [everything.expand(len(b), 4, 4) for b in boxes]
    run_shard(job, masks, 0, 1)
    tally = merge(job, tmp_path / 'out.jsonl')
    assert tally['masks'] == 3
    detection, grounding = read_lines(tmp_path / 'out.jsonl')
    first, second, third = detection['detection']['instances']
    assert coco_mask.decode(first['mask']).sum() == 8000
    assert second['mask'] == known and 'mask' not in third
    single, several, crowd = grounding['grounding']['regions']
    assert coco_mask.decode(single['mask']).all()
    assert several['mask'][0] == known and coco_mask.decode(several['mask'][1]).all()
    assert 'mask' not in crowd


def test_images_that_cannot_be_used(coco, model, tmp_path):
    (tmp_path / 'images/1.jpg').write_bytes(b'')
    write_image(tmp_path / 'images/2.jpg', width=50)
    job = job_of(coco, model)
    tally = run_shard(job, Sam2Masks(model), 0, 1)
    assert tally[sam_generate.UNUSABLE] == 2
    merged = merge(job, tmp_path / 'out.json')
    assert merged[f'boxes without a mask: {sam_generate.UNUSABLE}'] == 1 + 2
    job = job_of(coco, model, work_dir=str(tmp_path / 'other'), max_unreadable=1)
    with pytest.raises(TooManyUnreadable, match=r'more than 1 images cannot be used; check --imag'):
        run_shard(job, Sam2Masks(model), 0, 1)


def test_small_parts_are_removed():
    mask = np.zeros((20, 20), bool)
    mask[:10, :10] = True  # 100 pixels
    mask[15, 15:19] = True  # 4 pixels
    mask[18, :6] = True  # 6 pixels
    assert remove_small_parts(mask, 0.05).sum() == 106
    assert remove_small_parts(mask, 0.5).sum() == 100
    assert remove_small_parts(mask, 0).sum() == 110


@pytest.mark.parametrize(('region', 'reason'), [
    (None, 'empty'),
    ((slice(0, 4), slice(0, 4)), 'too small for its box'),  # 16 of 400 pixels
    ((slice(10, 30), slice(0, 10)), 'extent differs from its box'),  # IoU 100 / 500
    ((slice(0, 20), slice(0, 10)), None),  # IoU 200 / 400
])
def test_rejection(region, reason):
    mask = np.zeros((40, 40), bool)
    if region:
        mask[region] = True
    assert rejection(mask, np.array([0., 0, 20, 20]), MaskRules()) == reason


def test_threshold():
    logits = torch.full((4, 4), 0.5)  # probability 0.62
    assert mask_on_image(logits, (8, 6), MaskRules()).shape == (8, 6)
    assert mask_on_image(logits, (8, 6), MaskRules(threshold=0.6)).all()
    assert not mask_on_image(logits, (8, 6), MaskRules(threshold=0.63)).any()
    with pytest.raises(ValueError, match='threshold must lie between 0 and 1, got 0'):
        MaskRules(threshold=0)


@pytest.mark.parametrize('shard', ['2/2', 'a/b', '1'])
def test_bad_shards(run_script, tmp_path, capsys, shard):
    with pytest.raises(SystemExit):
        run_script(TOOL, 'a.json', tmp_path / 'b.json', '--image-root', '.', '--shard', shard)
    assert f'--shard {shard}: expected I/N with 0 <= I < N' in capsys.readouterr().err


@pytest.mark.slow
def test_several_processes(run_script, tmp_path, coco, model):
    for processes, name in ((1, 'one'), (2, 'two')):
        run_script(TOOL, coco, tmp_path / f'{name}.json', '--image-root', tmp_path / 'images',
                   '--model', model, '--num-processes', processes, *ACCEPT_ALL)
    assert (tmp_path / 'one.json').read_bytes() == (tmp_path / 'two.json').read_bytes()
    assert len(list((tmp_path / 'two.json.work').glob('shard_*_of_0002.jsonl'))) == 2


def test_batching():
    assert list(sam_generate._batches(range(5), 2)) == [[0, 1], [2, 3], [4]]


def rows(path):
    return path.read_bytes().splitlines(keepends=True)


@pytest.fixture
def finished(coco, model, tmp_path):
    """A finished job, its journal and what it merges to, with masks that tell their boxes."""
    masks = Sam2Masks(model)
    masks.logits = lambda images, boxes: [
        torch.stack([torch.full((4, 4), 1.0 if box[0] % 2 else 0.5) for box in own])
        for own in boxes]
    job = job_of(coco, model)
    run_shard(job, masks, 0, 1)
    merge(job, tmp_path / 'whole.json')
    return job, masks, tmp_path / 'work/shard_0000_of_0001.jsonl', tmp_path / 'whole.json'


def reordered(content):
    content['images'].reverse()


def moved(content):
    content['annotations'][3]['bbox'] = [15, 5, 30, 40]


@pytest.mark.parametrize('change', [reordered, moved])
def test_another_source_of_the_same_size_is_refused(coco, finished, tmp_path, change):
    job, masks, *_ = finished
    size, content = coco.stat().st_size, json.loads(coco.read_text())
    change(content)
    coco.write_text(json.dumps(content))
    assert abs(coco.stat().st_size - size) <= 1
    for act in (lambda: run_shard(job, masks, 0, 1), lambda: merge(job, tmp_path / 'out.json')):
        with pytest.raises(JournalError, match=r"other settings \(source_sha256: '\w{64}' then"):
            act()
    assert not (tmp_path / 'out.json').exists()


def test_the_source_is_known_by_its_content_not_its_name(coco, finished, model, tmp_path):
    other = coco.rename(tmp_path / 'renamed.json')
    (tmp_path / 'link').symlink_to(tmp_path / 'images')
    job = job_of(coco, model, source=str(other), image_root=str(tmp_path / 'link'))
    merge(job, tmp_path / 'out.json')
    assert (tmp_path / 'out.json').read_bytes() == finished[3].read_bytes()
    (tmp_path / 'images2').mkdir()
    with pytest.raises(JournalError, match=r"image_root: '.*images' then, '.*images2' now"):
        job_of(coco, model, source=str(other), image_root=str(tmp_path / 'images2')).check()


def test_each_entry_is_compared_at_the_merge(finished, tmp_path):
    """Results under another image's or box's number, whatever brought them there."""
    job, _, journal, _ = finished
    kept = [json.loads(line) for line in rows(journal)]
    for key, value in (('image', '0.jpg'), ('boxes', kept[1]['boxes']), ('slots', [0, 1, 3])):
        entries = [dict(entry) for entry in kept]
        next(entry for entry in entries if entry['index'] == 3)[key] = value
        journal.unlink()
        with Journal(journal.parent, journal.stem) as writer:
            for entry in entries:
                entry.pop('crc32')
                writer.add(entry)
        with pytest.raises(JournalError, match=r"image 3 of '.*coco\.json' is '3\.jpg' with 3 box"):
            merge(job, tmp_path / 'out.json')


def flip(line):
    return line.replace(b'"counts":"', b'"counts":"0', 1)


@pytest.mark.parametrize('spoil', [
    lambda line: b'\0' * len(line),  # the line break, too
    lambda line: b'\0' * (len(line) - 1) + b'\n',
    lambda line: line[:20] + b'\0' * (len(line) - 20),
    lambda line: line[:40] + b'\n',
    lambda line: b'\xff\xfe' + line,
    lambda line: b'[]\n',
    lambda line: flip(line),
    lambda line: b'[' * 100_000 + b'\n',
])
def test_a_spoilt_line_is_one_lost_image(finished, tmp_path, spoil):
    job, masks, journal, whole = finished
    lines = rows(journal)
    place = next(i for i, line in enumerate(lines) if json.loads(line)['index'] == 2)
    journal.write_bytes(b''.join([*lines[:place], spoil(lines[place]), *lines[place + 1:]]))
    with pytest.raises(RuntimeError, match=r'^4 of 5 images are done: run the missing shards'):
        merge(job, tmp_path / 'out.json')
    tally = run_shard(job, masks, 0, 1)
    assert (tally['images done'], tally['boxes done']) == (1, 2)
    merged = merge(job, tmp_path / 'out.json')
    assert merged['damaged lines of the journal; their images were done anew'] == 1
    assert (tmp_path / 'out.json').read_bytes() == whole.read_bytes()


def test_damaged_settings_are_named(finished, tmp_path):
    for content in (b'\0' * 50, b'', b'[]'):
        (tmp_path / 'work/settings.json').write_bytes(content)
        with pytest.raises(JournalError, match=r"settings\.json' is damaged"):
            finished[0].check()


def test_the_source_is_not_overwritten(finished):
    job = finished[0]
    with pytest.raises(ValueError, match='is the file to read'):
        merge(job, job.source)


@pytest.mark.parametrize('name', ['../a.jpg', '/etc/a.jpg', 'x/../../a.jpg', 'https://a/b.jpg'])
def test_images_outside_of_the_folder(coco, model, name):
    content = json.loads(coco.read_text())
    content['images'][1]['file_name'] = name
    coco.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r'may lead out of the folder .* --allow-outside-images'):
        run_shard(job_of(coco, model), None, 0, 1)
    job = job_of(coco, model, allow_outside=True)
    assert name in [image.file_name for image in job.images(sam_generate.Tally())]


@pytest.mark.slow
def test_a_signal_ends_all_processes_and_nothing_is_left(coco, model, tmp_path):
    """Two processes are ended while they work; the same command goes on where they stopped."""
    content = json.loads(coco.read_text())
    first = content['images'][1]
    content['images'] = [{**first, 'id': i} for i in range(2000)]
    content['annotations'] = [{'id': i + 1, 'image_id': i, 'category_id': 10,
                               'bbox': [5, 5, 30, 40]} for i in range(2000)]
    coco.write_text(json.dumps(content))
    scratch, out = tmp_path / 'scratch', tmp_path / 'out.json'
    scratch.mkdir()
    command = [sys.executable, TOOL, coco, out, '--image-root', tmp_path / 'images', '--model',
               model, '--num-processes', 2, *ACCEPT_ALL]
    process = subprocess.Popen([*map(str, command)], env={**os.environ, 'TMPDIR': str(scratch)},
                               stderr=subprocess.DEVNULL)
    journals = [tmp_path / f'out.json.work/shard_000{i}_of_0002.jsonl' for i in range(2)]
    until = time.monotonic() + 300
    while not all(path.exists() and path.stat().st_size for path in journals):
        assert process.poll() is None and time.monotonic() < until
        time.sleep(0.2)
    process.terminate()
    assert process.wait(timeout=60) == 128 + signal.SIGTERM
    done = [len(rows(path)) for path in journals]
    assert 0 < sum(done) < 2000 and os.listdir(scratch) == [] and not out.exists()
    time.sleep(2)
    assert [len(rows(path)) for path in journals] == done  # nobody works on
    for path in journals:
        Journal(path.parent, path.stem).close()  # nor holds a lock
