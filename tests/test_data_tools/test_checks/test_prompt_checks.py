"""Class names as prompts: which say little, and train against val."""

import time
from collections import Counter

import pytest

from expalign.data_tools.checks.findings import Findings
from expalign.data_tools.checks.prompt_checks import advice_on, check_use, compare_classes


@pytest.mark.parametrize(('name', 'words'), [
    ('__ignore__', 'placeholders'), ('ignore', 'placeholders'), ('Background', 'placeholders'),
    ('cls_03', 'placeholders'), ('class 7', 'placeholders'), ('02146', 'placeholders'),
    ('object', 'placeholders'), ('RBC', 'abbreviations'), ('WBC', 'abbreviations'),
    ('A', 'abbreviations'), ('white-king', 'one space apart'), ('red_cup', 'one space apart'),
    ('trafficLight', 'one space apart'), ('fire.extinguisher', 'one space apart'),
    ('...', 'no word'), ('word ' * 30, 'more than 20 words'),
    ('red cup', None), ('person', None), ('t-shirt', None), ('x-ray machine', None),
    ('tv', None), ('naïve art', None), ('犬', None), ('Horse', None),
])
def test_advice(name, words):
    advice = advice_on(name)
    assert (advice is None) == (words is None)
    assert advice is None or words in advice[0]


def test_the_better_name_is_shown():
    assert advice_on('white-king')[1] == "'white-king': 'white king'?"
    assert advice_on('trafficLight')[1] == "'trafficLight': 'traffic light'?"


def test_use():
    findings = Findings('x')
    check_use(['cat', 'Dog', 'dog', 'owl'], Counter(cat=3, Dog=1, dog=2), findings)
    assert dict(findings.notes) == {'prompts without an instance': 1}
    assert list(findings.problems.examples.values()) == [["'Dog' and 'dog'"]]


def test_classes_of_splits():
    assert compare_classes(['cat', 'dog'], ['dog', 'cat']) == []
    assert compare_classes(['cat', 'dog', 'horse'], ['Dog', 'cat', 'hors', 'owl']) == [
        "not in train: 'Dog' (train has 'dog'), 'hors' (train has 'horse'), 'owl'",
        "in train only: 'dog', 'horse'"]


def test_50000_names_take_no_time():
    started = time.process_time()
    lines = compare_classes([f'a{i}' for i in range(50_000)], [f'b{i}' for i in range(50_000)])
    assert lines[0].endswith('and 49988 more')
    check_use([f'a{i}' for i in range(50_000)], Counter(), Findings('x'))
    assert time.process_time() - started < 5
