"""Boxes and phrases that can be used, and the account of those that cannot."""

import logging

import pytest

from expalign.datasets.formats.problems import AnnotationProblems
from expalign.datasets.formats.record import (
    NEGATIVE_BOX,
    NOT_A_BOX,
    NOT_UNICODE,
    OUTSIDE_BOX,
    THIN_BOX,
    PhraseList,
    image_size,
    is_usable_box,
    is_usable_phrase,
    xyxy,
)

NAN = float('nan')


@pytest.mark.parametrize(('box', 'kind'), [
    ([10, 20, 30, 40], None),
    ([-5, -5, 30, 40], None),  # partly outside
    ([90.5, 40, 120, 60], None),
    ([NAN, 0, 1, 1], NOT_A_BOX),
    ([0, 0, float('inf'), 1], NOT_A_BOX),
    ([0, 0, '5', 5], NOT_A_BOX),
    ([0, 0, 5], NOT_A_BOX),
    (None, NOT_A_BOX),
    ([30, 20, 10, 40], NEGATIVE_BOX),
    ([10, 20, 10.5, 40], THIN_BOX),
    ([10, 20, 10, 20], THIN_BOX),
    ([100, 10, 120, 20], OUTSIDE_BOX),
    ([10, -20, 20, 0], OUTSIDE_BOX),
])
def test_boxes(box, kind):
    problems = AnnotationProblems('x.json')
    assert is_usable_box(box, (50, 100), problems, 'annotation 1') == (kind is None)
    assert dict(problems.counts) == ({kind: 1} if kind else {})
    assert problems.num_bad == (kind in (NOT_A_BOX, NEGATIVE_BOX))


def test_bad_annotations_are_counted_up_to_a_limit():
    problems = AnnotationProblems('x.json', max_bad=2)
    problems.dropped('thin')
    problems.bad('odd', 'annotation 7')
    problems.bad('odd', 'annotation 8')
    assert problems.summary() == (
        "annotation file 'x.json': annotations left out: 2 x odd, 1 x thin "
        '(bad: annotation 7: odd; annotation 8: odd)')
    with pytest.raises(ValueError, match="'x.json' has more than 2 bad annotations .*annotation 9"):
        problems.bad('odd', 'annotation 9')


def test_in_testing_the_first_bad_annotation_is_an_error():
    problems = AnnotationProblems('x.json', strict=True)
    problems.dropped('thin')
    with pytest.raises(ValueError, match="^annotation file 'x.json', annotation 7: odd$"):
        problems.bad('odd', 'annotation 7')


def test_the_report_is_a_warning_if_anything_is_bad(monkeypatch):
    said = []
    monkeypatch.setattr('expalign.datasets.formats.problems.print_log',
                        lambda message, logger, level: said.append((level, message)))
    problems = AnnotationProblems('x.json')
    problems.report()
    problems.dropped('thin')
    problems.report()
    problems.bad('odd', 'annotation 7')
    problems.report()
    assert [level for level, _ in said] == [logging.INFO, logging.WARNING]
    assert said[1][1] == problems.summary()


def test_coco_boxes():
    assert xyxy([1, 2, 3, 4]) == [1, 2, 4, 6]
    assert xyxy([1, 2]) == [1, 2] and xyxy(None) is None


def test_image_sizes_may_be_strings():
    assert image_size(dict(height='334', width=500), 'x') == (334, 500)
    for image in ({}, dict(height=0, width=5), dict(height='high', width=5)):
        with pytest.raises(ValueError, match="image 3: 'height' and 'width' must be positive"):
            image_size(image, 'image 3')


def test_equal_phrases_share_a_label():
    phrases = PhraseList()
    labels = [phrases.label(p, [[i, i + 1]]) for i, p in enumerate(
        ['A man', ' a  man.', 'a dog', 'A MAN', 'a dog'])]
    assert labels == [0, 0, 1, 0, 1]
    assert phrases.text == ['A man', 'a dog']
    assert phrases.tokens_positive == [[[0, 1], [1, 2], [3, 4]], [[2, 3], [4, 5]]]
    assert phrases.label('cat', synonyms=['kitty.']) == 2
    assert phrases.text[2] == ['cat', 'kitty']


@pytest.mark.parametrize(('phrase', 'kind'), [
    ('a dog', None), ('naïve 犬', None), (' . ', 'the phrase is empty or no text'),
    (7, 'the phrase is empty or no text'), ('caf\udce9', NOT_UNICODE)])
def test_phrases(phrase, kind):
    problems = AnnotationProblems('x.json')
    assert is_usable_phrase(phrase, problems, 'here') == (kind is None)
    assert list(problems.counts) == ([kind] if kind else [])
