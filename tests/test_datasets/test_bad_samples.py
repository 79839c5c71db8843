"""Images that cannot be used: skipped, counted and limited in training, errors in testing."""

import json

import pytest
from mmengine.registry import DATASETS
from mmengine.runner import Runner

from expalign.datasets.bad_samples import BadImage, BadSample, MissingImage
from expalign.datasets.sample_seed import set_epoch
from tests.helpers.sources import coco_source, mdetr_source, write_json

PIPELINE = [dict(type='expalign.LoadImageFromFile'), dict(type='expalign.LoadInstances'),
            dict(type='expalign.SamplePrompts'), dict(type='expalign.PackInstances')]


@pytest.fixture
def log(monkeypatch):
    said = []
    monkeypatch.setattr('expalign.datasets.bad_samples.print_log',
                        lambda message, **kwargs: said.append(message))
    return said


def build(config, pipeline=PIPELINE, **changes):
    return DATASETS.build(config | dict(pipeline=pipeline) | changes)


def ids(dataset):
    return [dataset[i]['data_samples'].img_id for i in range(len(dataset))]


def damage(folder, *numbers, name='coco_{}.png'):
    for number in numbers:
        (folder / name.format(number)).write_bytes(b'no image')


def test_a_bad_image_is_replaced_and_reported_once(tmp_path, log):
    config = coco_source(tmp_path, 6)
    damage(tmp_path, 2, 4)
    dataset = build(config)
    found = ids(dataset)
    assert [found[i] for i in (0, 1, 3, 5)] == [0, 1, 3, 5]
    assert found[2] not in (2, 4) and found[4] not in (2, 4)
    assert ids(dataset) == found  # the same ones take their place
    set_epoch(dataset, 1)
    assert len({tuple(ids(dataset)) for epoch in range(8) if set_epoch(dataset, epoch)}) > 1
    assert len(log) == len(dataset.bad_images) == 2
    assert dataset.bad_images.paths() == [str(tmp_path / f'coco_{i}.png') for i in (2, 4)]
    assert log[0].startswith(f"cannot read image '{tmp_path}/coco_2.png': it is damaged")
    assert log[0].endswith('(image skipped; skipped so far: 1, at most 10)')


def test_more_than_the_limit_is_an_error_that_names_the_files(tmp_path, log):
    config = coco_source(tmp_path, 6)
    damage(tmp_path, 1, 2, 4)
    dataset = build(config, max_bad_images=2)
    with pytest.raises(RuntimeError, match="(?s)3 of 6 images cannot be used, more than "
                                           "'max_bad_images'=2.*coco_1.*coco_2.*coco_4.png"):
        ids(dataset)
    with pytest.raises(RuntimeError, match="1 of 6 images .*'max_bad_images'=0"):
        ids(build(config, max_bad_images=0))
    with pytest.raises(ValueError, match="'max_bad_images' must be 0 or more"):
        build(config, max_bad_images=-1)


def test_all_images_missing_is_an_error(tmp_path, log):
    config = coco_source(tmp_path) | dict(data_prefix=dict(img=str(tmp_path / 'nowhere')))
    with pytest.raises(RuntimeError, match='3 of 3 images cannot be used') as info:
        build(config)[0]
    assert "check the path or, for a data set, 'data_prefix'" in str(info.value.__cause__)


def test_testing_stops_at_the_first_one(tmp_path):
    config = coco_source(tmp_path)
    damage(tmp_path, 1)
    (tmp_path / 'coco_2.png').unlink()
    dataset = build(config, PIPELINE[:1], test_mode=True)
    dataset[0]
    with pytest.raises(BadImage, match="cannot read image '.*coco_1.png'"):
        dataset[1]
    with pytest.raises(MissingImage, match="image '.*coco_2.png' not found"):
        dataset[2]


@pytest.mark.parametrize(('segmentation', 'message'), [
    (dict(size=[40, 61], counts=[2440]), r'size \[40, 61\] .* does not fit'),
    (dict(counts=[2400]), "does not fit the image"),
    (7, 'must be a list of polygons or a run-length encoding'),
    (dict(size=[40, 60], counts=[5]), 'do not fill its size'),
    (dict(size=[40, 60], counts=[5000]), "the 'counts' of a run-length encoding are damaged"),
    (dict(size=[40, 60], counts=[5, -5, 2400]), "the 'counts' .* are damaged"),
    (dict(size=[40, 60], counts='abc'), "the 'counts' .* are damaged"),
    ([1, 2, 3, 4, 5, 6], 'a polygon must be a list of coordinates'),
    ([[float('nan')] * 6], 'a polygon has a coordinate that is not finite'),
    ([['x'] * 6], 'could not convert'),
])
def test_masks_of_another_form(segmentation, message, tmp_path, log):
    config = coco_source(tmp_path)
    content = json.loads((tmp_path / 'coco.json').read_text())
    content['annotations'][2]['segmentation'] = segmentation
    write_json(tmp_path / 'coco.json', content)
    dataset = build(config)
    assert 1 not in ids(dataset)
    assert len(log) == 1 and f"instance 0 of image '{tmp_path}/coco_1.png'" in log[0]
    with pytest.raises(ValueError, match=message):
        build(config, PIPELINE[:2], test_mode=True)[1]


@pytest.mark.parametrize('segmentation', [[], [[1, 2]], [[1, 2, 3, 4, 5]], None])
def test_an_empty_mask_keeps_its_box(segmentation, tmp_path, log):
    config = coco_source(tmp_path)
    content = json.loads((tmp_path / 'coco.json').read_text())
    content['annotations'][0]['segmentation'] = segmentation
    write_json(tmp_path / 'coco.json', content)
    found = build(config)[0]['data_samples'].gt_instances
    assert found.has_mask.tolist() == [False, False] and len(found.bboxes) == 2
    assert not log


def test_the_count_is_of_all_workers_and_of_the_mixture(tmp_path):
    """Six images, three bad, met by mosaic in two processes."""
    sources = [coco_source(tmp_path, 3), mdetr_source(tmp_path, 3)]
    damage(tmp_path, 0)
    damage(tmp_path, 1, 2, name='mdetr_{}.png')
    mosaic = dict(type='expalign.Mosaic', img_scale=(64, 64), pre_transform=PIPELINE[:2])
    dataset = DATASETS.build(dict(
        type='expalign.MixtureDataset', datasets=sources, weights=[2, 2],
        pipeline=[*PIPELINE[:2], mosaic, *PIPELINE[2:]]))
    # The loader gets a deep copy.
    loader = Runner.build_dataloader(dict(
        batch_size=2, num_workers=2, dataset=dataset,
        sampler=dict(type='mmengine.DefaultSampler', shuffle=False),
        collate_fn=dict(type='mmengine.pseudo_collate')))
    assert sum(len(batch['inputs']) for batch in loader) == 12
    assert len(dataset.bad_images) == 0 and len(loader.dataset.bad_images) == 3
    assert loader.dataset.bad_images.paths() == [
        str(tmp_path / name) for name in ('coco_0.png', 'mdetr_1.png', 'mdetr_2.png')]


def test_other_errors_are_not_caught(tmp_path):
    def broken(results):
        raise KeyError('a mistake in the code')

    with pytest.raises(KeyError, match='a mistake'):
        build(coco_source(tmp_path), [broken])[0]
    with pytest.raises(RuntimeError, match='the pipeline dropped 1000 samples'):
        build(coco_source(tmp_path), [lambda results: None])[0]
    with pytest.raises(ValueError, match="test pipeline dropped image '.*coco_0.png'"):
        build(coco_source(tmp_path), [lambda results: None], test_mode=True)[0]


def test_errors_cross_processes():
    """A data loader makes an error again from its message alone."""
    for kind, base in ((BadImage, OSError), (MissingImage, FileNotFoundError)):
        error = kind('the message')
        assert isinstance(error, base) and isinstance(error, BadSample)
        assert str(error) == 'the message' and error.sample_idx is None


@pytest.mark.real_data
@pytest.mark.parametrize(('file', 'images', 'number'), [
    ('coco-mini/annotations/instances_train2017.json', 'coco-mini/train2017', 288),
    ('coco-mini/annotations/instances_val2017.json', 'coco-mini/val2017', 158),
    ('odinw/Raccoon/annotations.json', 'odinw/Raccoon/images', 200),
])
def test_real_images_and_annotations_are_all_used(real_data, file, images, number):
    dataset = DATASETS.build(dict(
        type='expalign.TextCocoDataset', ann_file=str(real_data / file), test_mode=True,
        data_prefix=dict(img=str(real_data / images)), pipeline=PIPELINE[:2]))
    assert sum('gt_masks' in sample for sample in dataset) == number
    assert not dataset.problems.counts
