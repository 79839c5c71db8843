"""Hints for weak prompts: whose they are, what they say, and what they cost."""

import numpy as np
import pytest
import torch

from expalign.apis import ExpAlignInferencer, hints
from expalign.apis.hint_words import WORDS, better_names
from expalign.models.text_encoders.prompt_vectors import write_prompt_vectors
from expalign.structures.detections import Detections
from expalign.structures.hint import Hint, HintTally
from tests.helpers.mini_model import CONFIG

IMAGE = 'demo/data/mini/val2017/000000214753.jpg'
NAMES = ['person', 'horse', 'pony', 'pizza', 'surfboard', 'skateboard']


@pytest.fixture(scope='module')
def inferencer(mini_weights, tmp_path_factory):
    """The small model with the vectors of some names; its pyramid is not gated."""
    plain = ExpAlignInferencer(CONFIG, mini_weights, device='cpu', show_progress=False)
    file = tmp_path_factory.mktemp('names') / 'names.npz'
    vectors = torch.randn(
        len(NAMES), plain.model.neck.embed_dims, generator=torch.Generator().manual_seed(2))
    write_prompt_vectors(file, NAMES, vectors)
    made = ExpAlignInferencer(CONFIG, mini_weights, device='cpu', show_progress=False, cfg_options={
        'model.known_names': dict(type='expalign.KnownNames', vectors=str(file)),
        'model.test_cfg.score_thr': 0.0})
    assert made.model.neck.inject == 'none'
    return made


@pytest.fixture
def all_weak(monkeypatch):
    """The untrained model's scores are anything: all prompts are weak, all other words good."""
    monkeypatch.setattr(hints, 'thresholds_of', lambda prompts, known: [2.0] * len(prompts))


def test_the_hint_is_the_best_other_word_in_the_same_maps(inferencer, all_weak, monkeypatch):
    calls = []
    monkeypatch.setattr(inferencer.model.backbone, 'forward',
                        lambda x, forward=inferencer.model.backbone.forward:
                        calls.append(len(x)) or forward(x))
    found = inferencer.detect(IMAGE, ['longboard', 'pizza', 'a pony'])
    assert calls == [1]
    # A longboard is one of two things; nothing else is called pizza.
    assert [(hint.prompt, hint.better) for hint in found.hints][1:] == [('a pony', 'horse')]
    board, names = found.hints[0], ['surfboard', 'skateboard']
    scores = dict(zip(names, inferencer.detect(IMAGE, names).best_scores.tolist(), strict=True))
    best = max(names, key=scores.get)
    assert (board.prompt, board.better) == ('longboard', best)
    assert board.better_score == pytest.approx(scores[best], rel=1e-4)
    assert board.score == pytest.approx(float(found.best_scores[0]))
    assert str(board) == (f"'longboard' is a weak prompt for this model (best {board.score:.2f}); "
                          f"'{best}' scores {board.better_score:.2f}")


def test_results_do_not_change_by_a_bit(inferencer, all_weak):
    ((_, plain),) = inferencer.stream(IMAGE, ['man', 'pizza'])
    ((_, other),) = inferencer.stream(IMAGE, ['man', 'pizza'], hints=True)
    assert 'hints' not in plain and len(other.hints) == 1
    for name in ('bboxes', 'scores', 'labels'):
        assert torch.equal(plain.pred_instances[name], other.pred_instances[name])


def test_no_hint(inferencer, mini_inferencer, all_weak, monkeypatch):
    for prompts in (['pizza'], ['pony', 'horse'], ['a green thing'], '*'):
        assert inferencer.detect(IMAGE, prompts).hints == ()
    assert mini_inferencer.detect(IMAGE, ['man']).hints == ()  # it has no table of names
    monkeypatch.setattr(hints, 'LEAST', 1.1)
    assert inferencer.detect(IMAGE, ['man']).hints == ()


def test_nothing_is_computed_where_all_prompts_find_something(inferencer, monkeypatch):
    def refuse(*_):
        raise AssertionError('other words were scored')

    monkeypatch.setattr(hints.FoldedMaps, 'of_table', refuse)
    assert inferencer.detect(IMAGE, ['man', 'a pony']).hints == ()
    assert inferencer.detect(IMAGE, ['man'], score_thr=1.0).hints == ()  # shown or not


def test_batches_and_lists_of_images(inferencer, all_weak):
    one, two = inferencer.detect([IMAGE, IMAGE], ['man', 'pizza'], batch_size=2)
    assert len(one.hints) == 1 and one.hints == two.hints
    # Images with prompts of their own: alone they have hints, in one batch none.
    for size, count in ((1, 1), (2, 0)):
        found = inferencer.detect([IMAGE, IMAGE], [['man'], ['pony']], batch_size=size)
        assert [len(image.hints) for image in found] == [count, count]


def detections(*scores, hints=()):
    count = len(scores)
    return Detections(np.zeros((count, 4)), scores, range(count), ['Man', 'dog', 'cup'][:count],
                      (10, 10), threshold=0.3, hints=hints)


def test_a_run_says_each_hint_once_and_none_of_what_was_found():
    low, high = Hint('Man', 0.1, 'person', 0.4), Hint('Man', 0.0, 'human', 0.6)
    dog = Hint('dog', 0.1, 'puppy', 0.9)
    tally = HintTally()
    for image in (detections(0.1, 0.1, hints=[low, dog]), detections(0.0, 0.8, hints=[high]),
                  detections(0.1, 0.1, hints=[low])):
        tally.add(image)
    assert tally.hints() == [high]  # the dog was found in another image
    tally.add(detections(0.9))
    assert tally.hints() == []


def test_hints_show_below_a_picture_in_a_notebook():
    hint = Hint('Man', 0.1, "driver's cab", 0.4)
    assert 'driver&#x27;s cab' in detections(0.9, hints=[hint])._repr_html_()
    assert detections(0.9, hints=[hint]).above(0.2).hints == (hint,)


def test_better_names():
    assert list(better_names('a Bike')) == ['bicycle']
    assert list(better_names('guys')) == ['person'] and list(better_names('longboard')) == [
        'surfboard', 'skateboard']
    assert list(better_names('person')) == [] and list(better_names('green thing')) == []
    # What a word is led to is no such word itself: no circles.
    names = {line.partition(':')[0] for line in WORDS.strip().splitlines()}
    assert not [name for name in names if list(better_names(name))]
