"""Runs that go on, that are refused, and what they leave."""

import json
import os
import re
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from expalign.apis.labelling.labeller import ModelBuilder, ModelLabeller
from expalign.apis.labelling.reading import Reader
from expalign.apis.labelling.units import Files
from tests.helpers.mini_model import CONFIG
from tests.helpers.stub_labeller import (
    PROMPTS,
    StubBuilder,
    StubLabeller,
    label_with_stub,
    write_pictures,
)
from tests.test_apis.test_labelling.test_sources import write_tar

IMAGE = 'demo/data/mini/val2017/000000214753.jpg'


def parts_of(out: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in (out / 'parts').glob('*.jsonl')}


def test_a_second_run_does_what_is_new(tmp_path, capsys):
    photos, out = tmp_path / 'photos', tmp_path / 'photos/out'
    write_pictures(photos, 5)
    assert label_with_stub(photos, out)[:3] == (5, 0, 5)
    before = parts_of(out)
    assert label_with_stub(photos, out, formats=['coco', 'yolo'])[:3] == (5, 0, 5)
    assert parts_of(out) == before
    write_pictures(photos, 2, first=10)
    (photos / 'bad.png').write_bytes(b'')
    assert label_with_stub(photos, out)[:3] == (8, 1, 7)
    assert len(json.loads((out / 'coco/annotations.json').read_text())['images']) == 5  # as asked
    (photos / 'bad.png').write_bytes((photos / '00000.png').read_bytes())
    assert label_with_stub(photos, out)[:3] == (8, 1, 7)
    assert label_with_stub(photos, out, retry=True)[:3] == (8, 0, 8)
    assert label_with_stub(photos, out)[:3] == (8, 0, 8)
    assert '8 images are done; this run goes on' in capsys.readouterr().err
    (photos / '00001.png').unlink()  # what was labelled stays
    assert label_with_stub(photos, out)[:3] == (8, 0, 8)


def test_archives_are_read_once(tmp_path):
    write_tar(tmp_path / 'a.tar.gz', [f'{number}.png' for number in range(9)], 'w:gz')
    write_tar(tmp_path / 'b.tar', [f'{number}.png' for number in range(70)])
    write_pictures(tmp_path / 'photos', 3)
    sources = [tmp_path / name for name in ('a.tar.gz', 'b.tar', 'photos')]
    assert label_with_stub(sources, tmp_path / 'out', workers=2)[:3] == (82, 0, 82)
    before = parts_of(tmp_path / 'out')
    assert label_with_stub(sources, tmp_path / 'out', formats=['coco', 'yolo'])[:3] == (82, 0, 82)
    assert parts_of(tmp_path / 'out') == before
    content = json.loads((tmp_path / 'out/coco/annotations.json').read_text())
    assert {'a.tar.gz/3.png', 'b.tar/69.png', 'photos/00002.png'} <= {
        entry['file_name'] for entry in content['images']}
    assert (tmp_path / 'out/yolo/labels/b.tar/69.txt').is_file()
    # A part is lost: what was in it is done again, and nothing else.
    lost = next((tmp_path / 'out/parts').glob('*.jsonl'))
    lost.unlink()
    assert label_with_stub(sources, tmp_path / 'out')[:3] == (82, 0, 82)


def test_members_cannot_lead_out_of_the_folder(tmp_path):
    names = ['../../../evil.png', '/etc/evil.png', 'x' * 90 + 'é' * 60 + '.png', 'a.png', 'a.bmp',
             'a_png.png']
    write_tar(tmp_path / 'a.tar', names)
    assert label_with_stub(tmp_path / 'a.tar', tmp_path / 'out', formats=['yolo', 'coco'])[:3] == (
        6, 0, 6)
    files = list(tmp_path.rglob('*.txt'))
    assert len(files) == 6 and all((tmp_path / 'out/yolo/labels') in path.parents for path in files)
    content = json.loads((tmp_path / 'out/coco/annotations.json').read_text())
    assert sorted(entry['file_name'] for entry in content['images'])[:3] == [
        'a.tar/__/__/__/evil.png', 'a.tar/a.bmp', 'a.tar/a.png']


def test_one_image_named_often_is_done_once(tmp_path):
    write_pictures(tmp_path / 'photos', 3)
    (tmp_path / 'list.txt').write_text('photos/00001.png\n' * 5)
    found = label_with_stub([tmp_path / 'list.txt', tmp_path / 'photos', tmp_path / 'photos'],
                            tmp_path / 'out')
    assert found.images == 3
    assert sum(len(path.read_text().splitlines())
               for path in (tmp_path / 'out/parts').glob('*.jsonl')) == 3


def test_damaged_parts_are_done_again(tmp_path):
    write_pictures(tmp_path / 'photos', 20)
    label_with_stub(tmp_path / 'photos', tmp_path / 'out')
    part = next((tmp_path / 'out/parts').glob('*.jsonl'))
    lines = part.read_bytes().splitlines(keepends=True)
    part.write_bytes(b''.join([lines[0][:20], b'\n', b'\0' * 30, b'\n', *lines[2:], lines[2]]))
    assert label_with_stub(tmp_path / 'photos', tmp_path / 'out')[:3] == (20, 0, 20)


def test_other_settings_are_refused(tmp_path):
    write_pictures(tmp_path / 'photos', 2)
    label_with_stub(tmp_path / 'photos', tmp_path / 'out')
    with pytest.raises(ValueError, match=r'other settings \(prompts: .*a wide thing, lying"\] '
                                         r'then, \["a cat"\] now\): .*another --out'):
        label_with_stub(tmp_path / 'photos', tmp_path / 'out', settings=dict(
            model='stub', prompts=['a cat']))
    with pytest.raises(ValueError, match=r'other settings \(source: '):
        label_with_stub(tmp_path, tmp_path / 'out')
    (tmp_path / 'out/run.json').write_text('{"schema": "x"}')
    with pytest.raises(ValueError, match='the record of no run'):
        label_with_stub(tmp_path / 'photos', tmp_path / 'out')
    (tmp_path / 'out/run.json').write_text('{"sch')
    with pytest.raises(ValueError, match='run.json is damaged'):
        label_with_stub(tmp_path / 'photos', tmp_path / 'out')


def test_folders_that_cannot_be_used(tmp_path):
    write_pictures(tmp_path / 'photos', 2)
    (tmp_path / 'file').touch()
    with pytest.raises(OSError, match='file'):
        label_with_stub(tmp_path / 'photos', tmp_path / 'file/out')
    (tmp_path / 'mine/jsonl').mkdir(parents=True)
    with pytest.raises(ValueError, match=r"mine has 'jsonl', which no run of this command made"):
        label_with_stub(tmp_path / 'photos', tmp_path / 'mine')
    assert os.listdir(tmp_path / 'mine') == ['jsonl']
    label_with_stub(tmp_path / 'photos', tmp_path / 'mixed', formats=['coco'])
    (tmp_path / 'mixed/yolo').mkdir()
    with pytest.raises(ValueError, match=r"mixed has 'yolo', which no run of this command made"):
        label_with_stub(tmp_path / 'photos', tmp_path / 'mixed', formats=['coco', 'yolo'])
    (tmp_path / 'empty').mkdir()
    with pytest.raises(ValueError, match='there is no image in .*empty'):
        label_with_stub(tmp_path / 'empty', tmp_path / 'out')
    assert label_with_stub(tmp_path / 'photos', tmp_path / 'out').images == 2
    with pytest.raises(ValueError, match="there is no form 'voc'; known are coco, yolo"):
        label_with_stub(tmp_path / 'photos', tmp_path / 'out', formats=['voc'])


def test_a_full_disk(tmp_path):
    write_pictures(tmp_path / 'photos', 40)
    with pytest.raises(OSError, match='labels cannot be written: .*No space left on device.*make '
                                      'room and run the same command again'):
        label_with_stub(tmp_path / 'photos', tmp_path / 'out', build=StubBuilder(full_disk=True))
    assert label_with_stub(tmp_path / 'photos', tmp_path / 'out')[:3] == (40, 0, 40)


def test_a_disk_that_fills_while_forms_are_written(tmp_path, monkeypatch):
    write_pictures(tmp_path / 'photos', 4)
    label_with_stub(tmp_path / 'photos', tmp_path / 'out', formats=['coco'])
    before = (tmp_path / 'out/coco/annotations.json').read_bytes()
    from expalign.data_tools.label_writers import coco

    def full(*_):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(coco, 'add_image', full)
    with pytest.raises(OSError, match='No space left'):
        label_with_stub(tmp_path / 'photos', tmp_path / 'out', formats=['coco'])
    assert (tmp_path / 'out/coco/annotations.json').read_bytes() == before
    assert sorted(os.listdir(tmp_path / 'out')) == ['coco', 'damaged.jsonl', 'parts', 'run.json']


def test_a_model_gives_what_its_inferencer_gives(mini_inferencer, tmp_path):
    prompts = ['a horse', 'pizza, with cheese']
    turned = tmp_path / 'turned.jpg'
    cv2.imwrite(str(turned), np.ascontiguousarray(cv2.imread(IMAGE).transpose(1, 0, 2)))
    images = [str(Path(IMAGE).resolve()), str(turned)]
    reader = Reader(ModelLabeller(mini_inferencer, prompts, 0.05), 2, 2)
    rows = list(reader.rows(Files(tuple(images)).items()))
    expected = mini_inferencer.detect(images, prompts, score_thr=0.05)
    for row, found in zip(rows, expected, strict=True):
        assert (row['height'], row['width']) == found.size and len(row['detections']) > 3
        for mine, theirs in zip(row['detections'], found.to_dict()['detections'], strict=True):
            assert mine['prompt'] == theirs['prompt'] in prompts
            assert mine['score'] == pytest.approx(theirs['score'], abs=1e-3)
            assert mine['box'] == pytest.approx(theirs['box'], abs=0.05)
    reader.close()


def test_prompts_stay_whole_in_every_record(tmp_path):
    write_pictures(tmp_path / 'photos', 2)
    label_with_stub(tmp_path / 'photos', tmp_path / 'out', formats=['yolo'])
    record = json.loads((tmp_path / 'out/run.json').read_text())
    assert record['found_with'] == dict(prompts=PROMPTS, thresholds=[0.5, 0.5], model='stub')
    assert record['settings']['prompts'] == PROMPTS


def test_a_model_is_known_by_its_content(tmp_path):
    (tmp_path / 'a.pth').write_bytes(b'one')
    build = ModelBuilder('expalign-s', str(tmp_path / 'a.pth'), ('a cat',))
    before = build.settings()
    assert before == dict(
        model='expalign-s', weights='a.pth, sha256 7692c3ad3540bb80', prompts=('a cat',),
        score_thr='auto', cfg_options={})
    (tmp_path / 'moved').mkdir()
    (tmp_path / 'a.pth').rename(tmp_path / 'moved/a.pth')
    moved = ModelBuilder('expalign-s', str(tmp_path / 'moved/a.pth'), ('a cat',), trust=True)
    assert moved.settings() == before
    (tmp_path / 'moved/a.pth').write_bytes(b'two')
    assert moved.settings() != before


@pytest.mark.parametrize(('arguments', 'message'), [
    (['photos'], 'say what to label: .* photos --texts'),
    (['photos', '--texts', 'a cat', '--model', 'absent'], 'absent does not exist, and no model'),
    (['photos', '--texts', ' '], 'no prompt in'),
    (['photos', '--texts', 'a cat', '--ray-address', 'auto'], 'belongs to --engine ray'),
    (['photos', '--texts', 'a cat', '--format', 'voc'], "invalid choice: 'voc'"),
    (['photos', '--texts', 'a cat', '--wrokers', '2'], 'did you mean --workers'),
    (['photos', '--texts', 'a cat', '--device', 'gpu'], 'there is no such device')])
def test_mistakes_on_the_command_line(arguments, message, run_script, capsys):
    with pytest.raises(SystemExit) as stop:
        run_script('tools/label_images.py', *arguments)
    error = capsys.readouterr().err
    assert stop.value.code == 2 and re.search(message, error.splitlines()[-1]), error


@pytest.mark.slow
def test_the_command(run_script, tmp_path, capsys, mini_weights):
    """A photograph, a damaged one, and prompts where a source should be."""
    (tmp_path / 'photos').mkdir()
    (tmp_path / 'photos/a.jpg').symlink_to(Path(IMAGE).resolve())
    (tmp_path / 'photos/b.jpg').touch()
    options = ['--texts', 'a horse; "pizza, hot"', '--model', CONFIG, '--weights', mini_weights,
               '--out', tmp_path / 'out', '--score-thr', '0.05', '--device', 'cpu', '--format',
               'jsonl', 'labelstudio']
    run_script('tools/label_images.py', tmp_path / 'photos', *options)
    printed = capsys.readouterr().out
    assert '2 prompts: a horse | pizza, hot' in printed
    assert '1 that could not be read (damaged.jsonl says why)' in printed
    row = json.loads((tmp_path / 'out/jsonl/labels.jsonl').read_text().splitlines()[0])
    assert row['name'] == 'a.jpg' and len(row['detections']) > 3
    assert {found['prompt'] for found in row['detections']} <= {'a horse', 'pizza, hot'}
    with pytest.raises(FileNotFoundError, match='the source .*/a cat does not exist'):
        run_script('tools/label_images.py', tmp_path / 'photos', 'a cat', *options)


def test_one_large_image_is_in_memory_at_a_time(tmp_path, monkeypatch):
    from expalign.apis.labelling import reading
    monkeypatch.setattr(reading, 'LARGE', 1000)
    write_pictures(tmp_path, 12)
    inside, most = [0], [0]

    def prepare(pixels):
        inside[0] += 1
        most[0] = max(most[0], inside[0])
        time.sleep(0.01)
        inside[0] -= 1
        return pixels

    labeller = StubLabeller()
    labeller.prepare = prepare
    reader = Reader(labeller, 4, 4)
    rows = list(reader.rows(Files(tuple(sorted(map(str, tmp_path.iterdir())))).items()))
    assert [len(row['detections']) for row in rows] == [1] * 12 and most == [1]
    monkeypatch.setattr(reading, 'LARGE', 10**6)
    list(reader.rows(Files(tuple(sorted(map(str, tmp_path.iterdir())))).items()))
    assert most[0] > 1
    reader.close()


def test_ctrl_c_on_the_command_line(run_script, monkeypatch, capsys):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr('expalign.apis.labelling.label.label', interrupted)
    with pytest.raises(SystemExit) as stop:
        run_script('tools/label_images.py', 'photos', '--texts', 'a cat', '--out', 'here')
    assert stop.value.code == 130
    assert capsys.readouterr().err == (
        'stopped; what is done is in here: the same command goes on\n')
