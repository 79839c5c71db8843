"""One ONNX detector, eight threads, each with its own prompts and photograph."""

import numpy as np

from tests.helpers.exported import IMAGES
from tests.helpers.threads import THREADS, at_once

# Of different numbers and lengths, and one with a prompt twice.
TEXTS = [['horse', 'person'], ['pizza'], ['a red car', 'a dog', 'sea'], ['zebra', 'zebra'],
         [f'thing {k}' for k in range(30)], ['owl', 'cat'], ['cat', 'owl'], ['a very long red dog']]


def same(found, expected):
    return (found.names == expected.names
            and np.array_equal(found.labels, expected.labels)
            and np.allclose(found.scores, expected.scores, atol=1e-6)
            and np.allclose(found.boxes, expected.boxes, atol=1e-3))


def test_each_call_has_its_own_prompts(exports):
    detector = exports('none').onnx(image_size=(160, 160))
    tasks = [(IMAGES[k % 2], texts) for k, texts in enumerate(TEXTS)]
    assert len(tasks) == THREADS
    expected = [detector(image, texts, score_thr=0)[0] for image, texts in tasks]
    assert all(len(found.labels) > 0 for found in expected)
    answers = at_once(lambda task: detector(*task, score_thr=0)[0], tasks, repeats=5)
    for own, wanted, (_, texts) in zip(answers, expected, tasks, strict=True):
        assert all(same(found, wanted) for found in own)
        assert set(wanted.names) <= set(texts)


def test_a_call_leaves_nothing_behind(exports):
    detector = exports('none').onnx(image_size=(160, 160))
    detector.set_vocabulary(['cat', 'dog'])
    (expected,) = detector(IMAGES[0], score_thr=0)
    detector(IMAGES[0], ['pizza'])
    (again,) = detector(IMAGES[0], score_thr=0)
    assert same(again, expected)
    assert set(again.names) == {'cat', 'dog'}


def test_vocabulary_set_meanwhile(exports):
    """A call searches for the prompts before or behind, never for a mixture."""
    detector = exports('none').onnx(image_size=(160, 160))
    vocabularies = [['cat', 'dog'], [f'thing {k}' for k in range(20)]]
    expected = {}
    for names in vocabularies:
        detector.set_vocabulary(names)
        expected[len(names)] = detector(IMAGES[0], score_thr=0)[0]

    def work(task):
        if task < 2:
            return detector.set_vocabulary(vocabularies[task])
        return detector(IMAGES[0], score_thr=0)[0]

    answers = at_once(work, range(THREADS), repeats=5)
    for found in (found for own in answers[2:] for found in own):
        assert any(same(found, wanted) for wanted in expected.values())
