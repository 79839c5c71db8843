"""Which prompts an image gets, and what becomes of its instances."""

import numpy as np
import pytest
import torch
from mmdet.structures.bbox import HorizontalBoxes

from expalign.datasets.transforms import SamplePrompts, sample_prompts


def make_results(labels, num_classes, ignored=None):
    """Instance i has the box (i, 0, i + 1, 1), by which the tests recognise it."""
    boxes = torch.tensor([[i, 0, i + 1, 1] for i in range(len(labels))], dtype=torch.float32)
    return dict(
        text=[f'class {i}' for i in range(num_classes)],
        gt_bboxes=HorizontalBoxes(boxes.reshape(-1, 4)),
        gt_bboxes_labels=np.array(labels, dtype=np.int64),
        gt_ignore_flags=np.array(ignored or [False] * len(labels), dtype=bool))


def kept_instances(results):
    """(instance, class name) of the instances that are left."""
    indices = results['gt_bboxes'].tensor[:, 0].int().tolist()
    assert len(results['gt_ignore_flags']) == len(indices)
    return [(i, results['text'][label])
            for i, label in zip(indices, results['gt_bboxes_labels'], strict=True)]


def test_positives_are_kept_and_labels_follow():
    results = SamplePrompts(20)(make_results([70, 3, 70, 41], 100))
    assert len(results['text']) == len(set(results['text'])) == 20
    assert kept_instances(results) == [
        (0, 'class 70'), (1, 'class 3'), (2, 'class 70'), (3, 'class 41')]
    assert results['prompt_masks'] == [True] * 20
    assert results['gt_bboxes_labels'].dtype == np.int64


def test_negatives_are_uniform():
    np.random.seed(0)
    draws, transform = 1500, SamplePrompts(20)
    counts = np.zeros(100)
    for _ in range(draws):
        for name in transform(make_results([70, 3, 70, 41], 100))['text']:
            counts[int(name.split()[1])] += 1
    assert (counts[[70, 3, 41]] == draws).all()
    share = 17 / 97  # 17 places for 97 absent classes
    sigma = np.sqrt(share * (1 - share) / draws)
    others = np.delete(counts, [70, 3, 41]) / draws
    assert np.abs(others - share).max() < 5 * sigma
    assert others.sum() == pytest.approx(17)


def test_more_positives_than_prompts():
    np.random.seed(0)
    draws, transform = 1000, SamplePrompts(4)
    labels = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0]
    counts = np.zeros(10)
    for _ in range(draws):
        results = transform(make_results(labels, 50))
        kept = kept_instances(results)
        assert len(results['text']) == 4
        assert {name for _, name in kept} == set(results['text'])
        assert all(name == f'class {labels[i]}' for i, name in kept)
        assert len(kept) == (5 if 'class 0' in results['text'] else 4)
        for name in results['text']:
            counts[int(name.split()[1])] += 1
    assert np.abs(counts / draws - 0.4).max() < 5 * np.sqrt(0.4 * 0.6 / draws)


def test_no_instances():
    results = SamplePrompts(20)(make_results([], 100))
    assert len(set(results['text'])) == 20
    assert kept_instances(results) == [] and results['gt_bboxes'].tensor.shape == (0, 4)


@pytest.mark.parametrize('num_classes', [1, 6, 20])
def test_a_small_vocabulary_is_kept_whole(num_classes):
    results = SamplePrompts(20)(make_results([0], num_classes))
    assert results['text'] == [f'class {i}' for i in range(num_classes)]
    assert kept_instances(results) == [(0, 'class 0')]


def test_ignored_instances_are_neither_positive_nor_negative():
    """Class 1 occurs in a crowd alone; class 2 in a crowd and by itself."""
    results = SamplePrompts(5)(make_results([1, 2, 2, 3], 5, [True, True, False, False]))
    assert results['text'] == [f'class {i}' for i in range(5)]
    assert results['prompt_masks'] == [True, False, True, True, True]
    assert results['positives'] == [False, False, True, True, False]
    assert kept_instances(results) == [
        (0, 'class 1'), (1, 'class 2'), (2, 'class 2'), (3, 'class 3')]
    assert results['gt_ignore_flags'].tolist() == [True, True, False, False]


def test_nothing_but_an_ignored_class():
    results = SamplePrompts(5)(make_results([0, 0], 1, [True, True]))
    assert results['text'] == ['class 0'] and results['prompt_masks'] == [False]
    assert results['gt_ignore_flags'].tolist() == [True, True]


def test_works_without_optional_keys():
    results = SamplePrompts(2)(dict(text=['a', 'b', 'c'], gt_bboxes_labels=np.array([2, 2])))
    assert results['text'][-1] == 'c' and results['gt_bboxes_labels'].tolist() == [1, 1]


def test_numpy_seed_decides():
    def draw(seed):
        np.random.seed(seed)
        return SamplePrompts(20)(make_results([5], 300))['text']

    assert draw(1) == draw(1) != draw(2)


def test_errors():
    with pytest.raises(ValueError, match='num_prompts must be 1 or more, got 0'):
        SamplePrompts(0)
    with pytest.raises(KeyError, match='expalign.TextCocoDataset'):
        SamplePrompts(5)(dict(gt_bboxes_labels=np.array([0])))


def grounding(text, labels, **kwargs):
    return make_results(labels, 0) | dict(text=list(text), text_kind='grounding', **kwargs)


def test_a_prompt_whose_instances_were_all_dropped_is_masked():
    """It was in the image as it was loaded: it is no negative, whatever the crop shows."""
    results = make_results([3], 6) | dict(instances=[dict(bbox_label=i) for i in (1, 3, 4)])
    results = SamplePrompts(20)(results)
    assert results['text'] == [f'class {i}' for i in range(6)]
    assert results['prompt_masks'] == [True, False, True, True, False, True]
    assert results['positives'] == [False, False, False, True, False, False]
    assert kept_instances(results) == [(0, 'class 3')]
    # Where there are enough others, it is left out.
    results = make_results([3], 60) | dict(instances=[dict(bbox_label=i) for i in range(30)])
    results = SamplePrompts(31)(results)
    assert results['text'] == ['class 3'] + [f'class {i}' for i in range(30, 60)]
    assert all(results['prompt_masks']) and sum(results['positives']) == 1


def test_dropped_instances_are_counted():
    with pytest.warns(UserWarning, match='more positive prompts than num_prompts=80'):
        results = SamplePrompts()(make_results([*range(95), 0, 0], 100))
    assert len(results['text']) == 80 and results['positives'] == [True] * 80
    assert results['num_dropped_instances'] == 97 - len(kept_instances(results)) >= 15
    assert SamplePrompts()(make_results([0], 100))['num_dropped_instances'] == 0


def test_synonyms_are_drawn_at_random_and_are_no_negatives():
    np.random.seed(0)
    text = [['sofa', 'couch'], 'dog', 'Couches', ['puppy', 'Dogs'], ['car', 'auto']]
    words = []
    for _ in range(200):
        results = SamplePrompts(20)(make_results([0, 0], 0) | dict(text=text))
        words += results['text']
        assert results['text'][0] in ('sofa', 'couch')
        assert kept_instances(results) == [(0, results['text'][0]), (1, results['text'][0])]
    assert 'Couches' not in words  # says what "couch" does, even where "sofa" is drawn
    for word in ('sofa', 'couch', 'car', 'auto', 'puppy', 'Dogs'):
        assert 65 < words.count(word) < 135  # 5 sigma of 100
    results = SamplePrompts(20)(make_results([1], 0) | dict(text=text))
    assert not {'puppy', 'Dogs'} & set(results['text'])


def test_positives_with_one_word_are_one_prompt():
    text = ['bow', 'Bow ', ['bow', 'ribbon'], 'cat']
    results = SamplePrompts(20)(make_results([0, 1, 2, 3], 0) | dict(text=text))
    assert results['text'] == ['bow', 'ribbon', 'cat']
    assert results['gt_bboxes_labels'].tolist() == [0, 0, 1, 2]
    assert results['positives'] == results['prompt_masks'] == [True] * 3


def test_grounding_samples_get_negatives_of_the_vocabulary_alone():
    negatives = ['dogs', 'A red  car', 'owl', 'man', 'lamp']
    transform = SamplePrompts(5, negatives)
    text = ['the dog', 'a red car', 'two men', 'dog']
    for _ in range(20):
        results = transform(grounding(text, [3, 1]))
        counted = [p for p, m in zip(results['text'], results['prompt_masks'], strict=True) if m]
        assert counted[:2] == ['a red car', 'dog'] and set(counted[2:]) == {'owl', 'man', 'lamp'}
        assert kept_instances(results) == [(0, 'dog'), (1, 'a red car')]
        assert results['positives'] == [True, True, False, False, False]


def test_own_negatives_come_before_those_of_the_vocabulary():
    results = SamplePrompts(8, ['owl', 'class 1', 'lamp', 'bed'])(make_results([0], 6))
    assert results['text'][:6] == [f'class {i}' for i in range(6)]
    assert len(results['text']) == 8 and set(results['text'][6:]) < {'owl', 'lamp', 'bed'}
    results = SamplePrompts(4, ['owl'])(make_results([0], 6))
    assert 'owl' not in results['text']


def test_fewer_phrases_than_prompts_are_no_blanks():
    results = SamplePrompts(80, ['owl'])(grounding(['dog'], [0]))
    assert results['text'] == ['dog', 'owl'] and results['prompt_masks'] == [True, True]


def test_an_image_without_any_prompt_is_dropped():
    with pytest.warns(UserWarning, match="image 'a.jpg' has no prompt"):
        assert SamplePrompts()(grounding([], [], img_path='a.jpg')) is None
    assert SamplePrompts(80, ['owl'])(grounding([], []))['text'] == ['owl']
    # Phrases without an instance alone: nothing to learn, nothing to be wrong about.
    assert SamplePrompts()(grounding(['dog'], []))['prompt_masks'] == [False]


def test_similarity_window():
    """Class i and phrase i are at the angle of 10 i degrees from class 0."""
    angles = np.radians(np.arange(10) * 10)
    vectors = np.tile(np.stack([np.cos(angles), np.sin(angles)], 1), (2, 1))
    phrases = [f'phrase {i}' for i in range(10)]
    names = [f'class {i}' for i in range(10)] + phrases

    def step(number, vocabulary):
        step = SamplePrompts(number, vocabulary, dict(quantiles=(0, 1)))
        step.window.fit(names, vectors, names, names)
        step.window.bounds = np.cos(np.radians(65)), np.cos(np.radians(25))
        return step

    results = step(80, phrases)(make_results([0], 10))
    assert results['text'][:5] == ['class 0', 'class 3', 'class 4', 'class 5', 'class 6']
    assert sorted(results['text'][5:]) == ['phrase 3', 'phrase 4', 'phrase 5', 'phrase 6']
    results = step(3, ['phrase 1', 'phrase 2'])(make_results([0, 9], 10))
    assert len(results['text']) == 3
    with pytest.raises(RuntimeError, match='has no vectors yet'):
        SamplePrompts(80, None, dict(quantiles=(0, 1)))(make_results([0], 10))


def test_one_seed_gives_one_choice_with_every_option(tmp_path):
    def draw(seed):
        np.random.seed(seed)
        text = [[f'class {i}', f'kind {i}'] for i in range(30)]
        return SamplePrompts(60, [f'phrase {i}' for i in range(500)])(
            make_results([5, 6], 0) | dict(text=text))['text']

    assert draw(1) == draw(1) != draw(2)


def test_a_vocabulary_that_is_not_there_is_one_line_for_detection_and_an_error_for_grounding(
        monkeypatch):
    lines = []
    monkeypatch.setattr(
        sample_prompts, 'print_log', lambda line, *_, **__: lines.append(line))
    step = SamplePrompts(4, 'data/none.json')
    (line,) = lines
    assert "'data/none.json' does not exist" in line and 'build_negative_vocabulary.py' in line
    results = step(make_results([0], 6))
    assert len(results['text']) == 4 and results['prompt_masks'] == [True] * 4
    with pytest.raises(FileNotFoundError, match="image 'a.jpg': its captions .*'data/none.json'"):
        step(grounding(['dog'], [0], img_path='a.jpg'))
    assert len(lines) == 1
