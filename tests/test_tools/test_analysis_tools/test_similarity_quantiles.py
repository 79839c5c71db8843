"""Quantiles of cosines, and those of the shipped names that docs/reproduce.md states."""

import re

import torch


def test_shipped_names(run_script, capsys):
    run_script('tools/analysis_tools/similarity_quantiles.py')
    text = capsys.readouterr().out
    assert '1,612 names, 1,298,466 pairs, lowest 0.462' in text
    assert re.search(r'^cosine +0.605 +0.673 +0.747 +0.811 +0.860 +0.900$', text, re.M)
    assert '0.2 is the quantile 0.0000\n0.7 is the quantile 0.1988' in text


def test_by_hand():
    from similarity_quantiles import cosines, quantile
    vectors = torch.tensor([[1., 0.], [0., 1.], [0.6, 0.8]])
    values = cosines(vectors)
    torch.testing.assert_close(values, torch.tensor([0., 0.6, 0.8]))
    assert quantile(values, 0.5) == values[1]
