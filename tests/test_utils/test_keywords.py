"""Arguments under the names of other packages."""

import pytest

from expalign.utils.keywords import check_keywords, suggest

KNOWN = ('images', 'texts', 'score_thr', 'batch_size', 'model', 'out_dir')


@pytest.mark.parametrize(('name', 'right'), [
    ('conf', 'score_thr'), ('threshold', 'score_thr'), ('pred_score_thr', 'score_thr'),
    ('text', 'texts'), ('classes', 'texts'), ('prompts', 'texts'), ('caption', 'texts'),
    ('source', 'images'), ('batch', 'batch_size'), ('config', 'model'), ('save_dir', 'out_dir'),
    ('outdir', 'out_dir'), ('batchsize', 'batch_size'), ('--conf', 'score_thr')])
def test_suggestions(name, right):
    with pytest.raises(TypeError, match=rf"'{name}' of detect\(\); did you mean {right}\?"):
        check_keywords('detect', ['texts', name], KNOWN)


def test_no_suggestion():
    assert suggest('iou', ['texts']) is None
    with pytest.raises(TypeError, match=r"unknown argument 'zoo' of detect\(\); it has im"):
        check_keywords('detect', ['zoo'], ['texts', 'images'])
    check_keywords('detect', KNOWN, KNOWN)


def test_options_of_a_command_line():
    assert suggest('--conf', ['--score-thr', '--texts']) == '--score-thr'
    assert suggest('--batchsize', ['--batch-size', '--texts']) == '--batch-size'
