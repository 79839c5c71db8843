"""tools/check_dataset.py on formats other than COCO's, on mixtures and on several splits."""

import json
import pickle

import pytest

from tests.helpers.annotations import read_lines, write_image, write_json
from tests.helpers.checked_data import (
    BOX,
    TRIANGLE,
    check,
    clean_folder,
    coco_dataset,
    write_config,
)


def test_odvg(run_script, tmp_path, capsys):
    write_image(tmp_path / 'images/a.jpg')
    size = {'filename': 'a.jpg', 'height': 80, 'width': 100}
    good, bad = [10, 10, 30, 30], [10, 10, 10, 30]
    lines = [
        {**size, 'detection': {'instances': [
            {'bbox': good, 'label': 0, 'mask': TRIANGLE}, {'bbox': good, 'label': 5}]}},
        {**size, 'grounding': {'caption': 'a cat', 'regions': [
            {'bbox': [good, bad], 'phrase': 'cat', 'mask': [None, TRIANGLE]},
            {'bbox': good, 'phrase': ' '}, {'bbox': good, 'phrase': 'cat', 'mask': [[0, 0]]}]}}]
    (tmp_path / 'a.jsonl').write_text('\n'.join(map(json.dumps, lines)))
    write_json(tmp_path / 'names.json', {'0': 'cat'})
    dataset = dict(type='expalign.ODVGDataset', data_root=str(tmp_path), ann_file='a.jsonl',
                   label_map_file='names.json', data_prefix=dict(img='images/'), pipeline=[])
    # Without the label map the file has phrases only, and an image may have several lines.
    config = write_config(tmp_path / 'c.py', dict(dataset, label_map_file=None))
    (tmp_path / 'a.jsonl').write_text(json.dumps(lines[1]) + '\n' + json.dumps(lines[1]))
    status, out = check(run_script, capsys, config)
    for line in ('2 boxes thinner than a pixel',
                 '2 instances whose class or phrase', '2 masks without an area',
                 '1 distinct phrases'):
        assert line in out
    assert (status, 'listed more than once' in out) == (1, False)

    (tmp_path / 'a.jsonl').write_text(json.dumps(lines[0]))
    config = write_config(tmp_path / 'c.py', dataset)
    status, out = check(run_script, capsys, config, '--fix-to', tmp_path / 'fixed.jsonl')
    assert status == 1 and '1 instances whose class or phrase the file does not name' in out
    fixed, = read_lines(tmp_path / 'fixed.jsonl')
    assert fixed == {**size, 'detection': {'instances': [
        {'bbox': good, 'label': 0, 'mask': TRIANGLE}]}}


def mdetr_folder(root):
    """Two captions of one image; one box is bad, one has no words, one image is COCO's."""
    write_image(root / 'images/a.jpg')
    entry = {'height': 80, 'width': 100, 'caption': 'a cat'}
    annotations = [(1, BOX, [[2, 5]]), (2, BOX, [[2, 5]]), (2, [0, 0, 0, 5], [[2, 5]]),
                   (2, BOX, [[2, 50]])]
    return write_json(root / 'mdetr.json', {
        'images': [{'id': 1, 'file_name': 'a.jpg', **entry},
                   {'id': 2, 'file_name': 'a.jpg', **entry},
                   {'id': 3, 'file_name': 'COCO_val2014_000000000042.jpg', **entry}],
        'annotations': [{'id': i, 'image_id': image, 'bbox': box, 'tokens_positive': tokens}
                        for i, (image, box, tokens) in enumerate(annotations)]})


def test_every_source_of_a_mixture(run_script, tmp_path, capsys):
    clean_folder(tmp_path)
    mdetr_folder(tmp_path)
    grounding = dict(type='expalign.MDETRGroundingDataset', data_root=str(tmp_path),
                     ann_file='mdetr.json', data_prefix=dict(img='images/'))
    mixture = dict(type='expalign.MixtureDataset', pipeline=[], datasets=[
        dict(type='mmengine.RepeatDataset', times=2, dataset=coco_dataset(tmp_path)), grounding])
    config = write_config(tmp_path / 'c.py', mixture)
    status, out = check(run_script, capsys, config, '--fix-to', tmp_path / 'fixed')
    first, second = out.split('train: ')[1:]
    assert status == 1
    assert 'TextCocoDataset' in first and 'no problems' in first
    # The image of COCO is left out by the data set itself: a note.
    assert '1 images that training leaves out: COCO by file name or URL' in second
    # a.jpg has the content of 0.jpg, as both are noise of seed 0.
    assert '2 images with the same content' in second or '1 images with the same content' in second
    assert '1 boxes thinner than a pixel' in second
    assert "1 'tokens_positive' must be spans inside the caption" in second
    assert {path.name for path in (tmp_path / 'fixed').iterdir()} == {
        '0_coco.json', '1_mdetr.json'}
    with pytest.raises(ValueError, match=r'2 annotation files are checked, so give a folder'):
        check(run_script, capsys, config, '--fix-to', tmp_path / 'fixed.json')


def test_references(run_script, tmp_path, capsys):
    clean_folder(tmp_path)
    refs = [dict(ref_id=i, image_id=image, ann_id=annotation, split='train', sentences=sentences)
            for i, (image, annotation, sentences) in enumerate([
                (0, 1, [{'raw': 'the cat'}]), (1, 2, [{'raw': ''}]), (1, 99, []), (55, 1, [])])]
    (tmp_path / 'refs.p').write_bytes(pickle.dumps(refs))
    dataset = dict(type='expalign.RefsDataset', data_root=str(tmp_path), ann_file='coco.json',
                   refs_file='refs.p', data_prefix=dict(img='images/'))
    config = write_config(tmp_path / 'c.py', dataset)
    status, out = check(run_script, capsys, config)
    assert status == 1
    for line in ('1 references without an expression (such as image ',
                 '1 references whose object is not listed (such as image ',
                 '1 references whose image is not listed (training stops at it) (such as image 5'):
        assert line in out
    with pytest.raises(ValueError, match=r'--fix-to cannot clean the references'):
        check(run_script, capsys, config, '--fix-to', tmp_path / 'fixed.json')


def test_an_image_of_train_and_val_is_found(run_script, tmp_path, capsys):
    clean_folder(tmp_path / 'a')
    clean_folder(tmp_path / 'b')
    config = write_config(tmp_path / 'c.py', coco_dataset(tmp_path / 'a'))
    with open(config, 'a') as file:
        file.write(f'val_dataloader = dict(dataset={coco_dataset(tmp_path / "b")!r})\n')
    status, out = check(run_script, capsys, config, '--split', 'train', 'val')
    assert status == 1
    train, val = out.split('val: ')[:2]
    assert 'no problems' in train
    assert '2 images with the same content as another' in val


def test_other_classes_in_val_are_a_problem(run_script, tmp_path, capsys):
    clean_folder(tmp_path / 'a')
    content = clean_folder(tmp_path / 'b')
    for number in range(2):
        write_image(tmp_path / f'b/images/{number}.jpg', seed=7 + number)
    content['categories'][0]['name'] = 'Cat'
    write_json(tmp_path / 'b/coco.json', content)
    config = write_config(tmp_path / 'c.py', coco_dataset(tmp_path / 'a'))
    with open(config, 'a') as file:
        file.write(f'val_dataloader = dict(dataset={coco_dataset(tmp_path / "b")!r})\n')
    status, out = check(run_script, capsys, config, '--split', 'train', 'val')
    assert status == 1 and '\n1 problems' in out
    last = out.split('PROBLEMS between splits:')[1]
    assert f'the classes of val ({tmp_path}/b/coco.json) differ from those of train' in last
    assert "not in train: 'Cat' (train has 'cat')" in last and "in train only: 'cat'" in last
    # A config that names the classes of both means it.
    names = ['train_dataloader.dataset.metainfo.classes=[cat,dog]',
             'val_dataloader.dataset.metainfo.classes=[Cat,dog]']
    assert check(run_script, capsys, config, '--split', 'train', 'val', '--cfg-options',
                 *names)[0] == 0


def test_names_and_group_classes_of_roboflow(run_script, tmp_path, capsys):
    content = clean_folder(tmp_path)
    content['categories'] = [dict(id=0, name='animals', supercategory='none')] + [
        dict(category, supercategory='animals') for category in content['categories']]
    content['categories'][1]['name'] = 'white-king'
    write_json(tmp_path / 'coco.json', content)
    status, out = check(run_script, capsys, write_config(tmp_path / 'c.py', coco_dataset(tmp_path)))
    assert status == 0 and '2 prompts' in out
    notes = out.split('notes:')[1]
    assert "no class (such as 'animals')" in notes
    assert "one space apart (such as 'white-king': 'white king'?)" in notes


@pytest.mark.parametrize(('content', 'words'), [
    (b'version https://git-lfs.github.com/spec/v1\n', 'it is a Git LFS pointer'),
    (b'<!DOCTYPE html>', 'it is an HTML page'), (b'hello', 'it is a text file'),
    (b'', 'it is an empty file'), (b'[1, 2]', 'it holds a list'),
    (b'[' * 109_000 + b']' * 109_000, 'inside one another too deeply'),
    ('{"images": []}'.encode('utf-16'), 'it is text in UTF-16'),
])
def test_files_that_are_no_annotations_are_problems(run_script, tmp_path, capsys, content, words):
    clean_folder(tmp_path)
    (tmp_path / 'coco.json').write_bytes(content)
    status, out = check(run_script, capsys, write_config(tmp_path / 'c.py', coco_dataset(tmp_path)))
    assert status == 1
    problem, = out.split('PROBLEMS:')[1].split('1 problems')[0].strip().splitlines()
    assert f"{tmp_path}/coco.json'" in problem and words in problem


def test_images_outside_and_small_ones(run_script, tmp_path, capsys):
    content = clean_folder(tmp_path)
    content['images'][1]['file_name'] = '../images/1.jpg'
    write_json(tmp_path / 'coco.json', content)
    dataset = coco_dataset(tmp_path, filter_cfg=dict(min_size=90))
    status, out = check(run_script, capsys, write_config(tmp_path / 'c.py', dataset))
    problems = out.split('PROBLEMS:')[1]
    assert status == 1 and "'file_name' has '..', and so may lead out of the folder" in problems
    assert 'the data set cannot be used' in problems  # 100 x 80 pixels: none is left
    dataset = coco_dataset(tmp_path, allow_outside_images=True, filter_cfg=dict(min_size=80))
    assert check(run_script, capsys, write_config(tmp_path / 'c.py', dataset))[0] == 0
