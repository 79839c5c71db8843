"""Which images validate where nobody said it."""

from collections import Counter

import pytest

from expalign.apis.own_data.splitting import source_name, split_images


def test_a_fifth_validates_and_the_same_every_time():
    names, classes = [f'{i:02d}.jpg' for i in range(30)], [[i % 3] for i in range(30)]
    chosen = split_images(names, classes)
    assert len(chosen) == 6 and chosen == sorted(set(chosen)) == split_images(names, classes)
    # Of names and seed alone, whatever the order of the list.
    back = split_images(names[::-1], classes[::-1])
    assert {names[::-1][place] for place in back} == {names[place] for place in chosen}
    assert split_images(names, classes, seed=1) != chosen
    assert len(split_images(names, classes, share=0.5)) == 15


@pytest.mark.parametrize('seed', range(10))
def test_every_class_can_still_be_trained_on(seed):
    classes = [[0, 1]] * 5 + [[0, 2]] + [[0, 3]] * 2 + [[]]
    names = [f'{i}.jpg' for i in range(len(classes))]
    chosen = set(split_images(names, classes, share=0.6, seed=seed))
    left = Counter(label for i, found in enumerate(classes) if i not in chosen for label in found)
    assert set(left) == {0, 1, 2, 3} and 1 <= len(chosen) <= 5
    assert 5 not in chosen  # the only one of class 2


def test_classes_are_validated_first_that_are_not_yet():
    classes = [[0]] * 20 + [[1, 2]] * 2 + [[3]] * 2 + [[4]]
    names = [f'{i:02d}.jpg' for i in range(len(classes))]
    for seed in range(5):
        chosen = split_images(names, classes, seed=seed)
        assert len(chosen) == 5
        assert {label for place in chosen for label in classes[place]} == {0, 1, 2, 3}


def test_versions_of_a_photograph_stay_together():
    assert source_name('a/b_jpg.rf.0123.jpg') == source_name('a/b_jpg.rf.4567.jpg') == 'a/b_jpg'
    assert source_name('a/b.jpg') != source_name('a/c.jpg')
    names = [f'{i // 3}_jpg.rf.{i}.jpg' for i in range(12)]
    chosen = split_images(names, [[0]] * 12)
    assert len({source_name(names[i]) for i in chosen}) * 3 == len(chosen)


def test_two_photographs_are_one_each_and_one_is_refused():
    assert len(split_images(['a.jpg', 'b.jpg'], [[0], [1]])) == 1
    with pytest.raises(ValueError, match='1 photograph cannot be split'):
        split_images(['a.rf.1.jpg', 'a.rf.2.jpg'], [[0], [0]])
