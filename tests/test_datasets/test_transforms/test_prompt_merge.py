"""One vocabulary for several images, mosaic and mixup of images with different prompts."""

import numpy as np
import pytest
import torch
from mmdet.structures.bbox import HorizontalBoxes

from expalign.datasets.transforms import MixUp, Mosaic, SamplePrompts
from expalign.datasets.transforms.prompt_merge import merge_prompts, true_negatives
from expalign.structures.instance_polygons import InstancePolygons, absent, has_mask

CLASSES = ['person', 'cat', 'dog', 'car']


def record(text, labels, kind='detection', at_load=None):
    """A sample with ``labels`` left of the instances ``at_load``."""
    return dict(
        text=list(text), text_kind=kind, gt_bboxes_labels=np.array(labels, dtype=np.int64),
        instances=[dict(bbox_label=label) for label in (labels if at_load is None else at_load)])


def names(sample):
    return [sample['text'][label] for label in sample['gt_bboxes_labels']]


def test_true_negatives():
    assert true_negatives(record(CLASSES, [1])).tolist() == [True, False, True, True]
    assert true_negatives(record(CLASSES, [1], at_load=[1, 3])).tolist() == [
        True, False, True, False]
    assert true_negatives(record(['a dog', 'a'], [0], 'grounding')).tolist() == [False, False]
    assert true_negatives(record([], [], 'grounding')).tolist() == []
    # A data set that looked for some of its classes alone says so itself.
    partly = record(CLASSES, [1]) | dict(true_negatives=[True, False, False, False])
    assert true_negatives(partly).tolist() == [True, False, False, False]
    merge_prompts(partly, [record(CLASSES, [])])
    assert SamplePrompts(80)(partly)['prompt_masks'] == [True, True, False, False]


def test_images_of_one_set_keep_their_labels():
    samples = [record(CLASSES, [0, 2]), record(CLASSES, [], at_load=[3]), record(CLASSES, [2])]
    merge_prompts(samples[0], samples[1:])
    assert [names(sample) for sample in samples] == [['person', 'dog'], [], ['dog']]
    assert samples[0]['text'] == CLASSES
    assert samples[0]['true_negatives'].tolist() == [False, True, False, False]


def test_images_of_different_sets():
    detection, other = record(CLASSES, [1, 1, 3]), record([['Dog', 'puppy'], 'owl'], [0])
    caption = record(['the left dog', 'CAT', 'a man'], [0, 1], 'grounding')
    samples = [detection, caption, other]
    before = [names(sample) for sample in samples]
    merge_prompts(detection, samples[1:])
    assert detection['text'] == [*CLASSES, 'the left dog', 'a man', 'owl']
    after = [names(sample) for sample in samples]
    assert after[0] == before[0] and after[1] == ['the left dog', 'cat'] and after[2] == ['dog']
    assert not detection['true_negatives'].any()  # no two of them look for the same


def test_true_negatives_of_two_detection_sets_are_those_of_both():
    first = record(CLASSES, [0])
    merge_prompts(first, [record(['dog', 'owl', 'cat', 'person'], [2]), record(CLASSES, [])])
    assert first['text'] == [*CLASSES, 'owl']
    assert first['true_negatives'].tolist() == [False, False, True, False, False]
    # And merged once more, as mixup of mosaics does.
    merge_prompts(first, [record(['dog', 'bird'], [])])
    assert first['text'] == [*CLASSES, 'owl', 'bird']
    assert np.flatnonzero(first['true_negatives']).tolist() == [2]


def image_sample(index, text, kind='grounding'):
    """A grey image with one instance, whose prompt is the last entry and tells its grey value."""
    box = torch.tensor([[2., 2., 30., 30.]])
    square = np.array([2, 2, 30, 2, 30, 30, 2, 30], dtype=np.float32)
    grey = 40 * (index + 1)
    return dict(
        record([*text, f'grey {grey}'], [len(text)], kind),
        img=np.full((32, 32, 3), grey, dtype=np.uint8), img_shape=(32, 32), img_id=index,
        gt_bboxes=HorizontalBoxes(box), gt_ignore_flags=np.zeros(1, dtype=bool),
        gt_masks=InstancePolygons([[square] if index % 2 else absent()], 32, 32))


class Images:
    """A data set of four images with different texts."""

    texts = [['dog'], [], ['cat', 'dog'], ['a']]

    def __len__(self):
        return len(self.texts)

    def get_data_info(self, index):
        return image_sample(index, self.texts[index])


@pytest.mark.parametrize('transform', [
    Mosaic(img_scale=(32, 32), center_ratio_range=(1, 1)), MixUp(alpha=1e6, beta=1e6)])
def test_prompts_stay_with_their_pixels(transform):
    np.random.seed(0)
    images, seen = Images(), set()
    for index in range(12):
        results = images.get_data_info(index % 4) | dict(dataset=images)
        results = transform(results)
        assert results['dataset'] is images and 'mix_results' not in results
        assert has_mask(results['gt_masks']).tolist() == [
            name == 'grey 80' or name == 'grey 160' for name in names(results)]
        results = SamplePrompts(20, ['dogs', 'bird'])(results)
        greys = [int(name.split()[1]) for name in names(results)]
        seen |= set(greys)
        # Not 'dogs' where 'dog' is a phrase of one of the captions.
        phrases = dict(zip(results['text'], results['prompt_masks'], strict=True))
        assert phrases['bird'] and ('dogs' in phrases) == ('dog' not in phrases)
        assert all(counted == (phrase.startswith('grey') or phrase in ('dogs', 'bird'))
                   for phrase, counted in phrases.items())
        if isinstance(transform, MixUp):
            assert results['img'][5, 5, 0] == pytest.approx(sum(greys) / 2, abs=1)
            continue
        for (x, y), grey in zip(results['gt_bboxes'].tensor[:, :2].int().tolist(), greys,
                                strict=True):
            assert results['img'][y + 5, x + 5, 0] == grey
    assert seen == {40, 80, 120, 160}


class Mixture(Images):
    """Images of two kinds by turns."""

    texts = [['dog'], CLASSES] * 4

    def get_data_info(self, index):
        return image_sample(
            index % 4, self.texts[index], 'detection' if index % 2 else 'grounding')


def test_images_of_one_kind_go_together():
    np.random.seed(0)
    images, mosaic = Mixture(), Mosaic(img_scale=(32, 32))
    for index in range(8):
        mixed = mosaic(images.get_data_info(index) | dict(dataset=images))
        kinds = {('grounding', 'detection')[int(name.split()[1]) // 40 % 2 == 0]
                 for name in names(mixed)}
        assert kinds == {images.get_data_info(index)['text_kind']} and len(names(mixed)) == 4
        absent = [mixed['text'][i] for i in np.flatnonzero(mixed['true_negatives'])]
        assert absent == (CLASSES if index % 2 else [])
    # With nothing else of the kind, any image will do.
    results = image_sample(0, ['dog']) | dict(text_kind='other', dataset=images)
    assert len(names(mosaic(results))) == 4


def test_probability_and_missing_data_set():
    assert 'true_negatives' not in Mosaic(img_scale=(32, 32), prob=0.0)(image_sample(0, []))
    with pytest.raises(KeyError, match=r"Mosaic needs the data set in results\['dataset'\]"):
        Mosaic(img_scale=(32, 32))(image_sample(0, []))
    with pytest.raises(ValueError, match='with use_cached a sample would depend on'):
        Mosaic(img_scale=(32, 32), use_cached=True)


def test_dropped_images_are_replaced():
    def drop(results):
        return results if results['img_id'] else None

    np.random.seed(0)
    images, mosaic = Images(), Mosaic(img_scale=(32, 32), pre_transform=[drop])
    for _ in range(8):
        mixed = mosaic(images.get_data_info(1) | dict(dataset=images))
        assert len(mixed['gt_bboxes_labels']) == 4 and 'grey 40' not in mixed['text']
    mosaic = Mosaic(img_scale=(32, 32), pre_transform=[lambda results: None], max_refetch=3)
    with pytest.raises(RuntimeError, match='dropped 3 images in a row'):
        mosaic(images.get_data_info(1) | dict(dataset=images))
