"""Vocabularies of negatives."""

import json

import numpy as np
import pytest

from expalign.datasets.transforms.negative_vocabulary import (
    NegativeVocabulary,
    load_phrases,
    load_vectors,
)

PHRASES = ['cat', 'a red car', 'Cat ', 'dogs', '']
DISTINCT = ['Cat', 'a red car', 'dogs']


def write_vectors(path, names, vectors):
    np.savez(path, names=names, vectors=np.asarray(vectors, dtype=np.float16))
    return path


def test_all_sources(tmp_path):
    (tmp_path / 'a.json').write_text(json.dumps(PHRASES))
    (tmp_path / 'a.txt').write_text('\n'.join(PHRASES) + '\nZürich\n', encoding='utf-8')
    write_vectors(tmp_path / 'a.npz', PHRASES, np.ones((5, 2)))
    assert load_phrases(PHRASES) == DISTINCT
    assert load_phrases(tmp_path / 'a.json') == load_phrases(str(tmp_path / 'a.npz')) == DISTINCT
    assert load_phrases(tmp_path / 'a.txt') == [*DISTINCT, 'Zürich']


@pytest.mark.parametrize(('name', 'content', 'message'), [
    ('a.json', '{"cat": 3}', 'must be a list of phrases'),
    ('a.json', '["cat", 3]', 'must be a list of phrases'),
    ('a.txt', ' \n', 'has no phrase'),
    ('a.csv', 'cat', 'is no .json, .txt or .npz file')])
def test_bad_files(tmp_path, name, content, message):
    (tmp_path / name).write_text(content)
    with pytest.raises(ValueError, match=message):
        load_phrases(tmp_path / name)


def test_missing_files(tmp_path):
    with pytest.raises(FileNotFoundError, match='build_negative_vocabulary.py'):
        load_phrases(tmp_path / 'a.json')
    with pytest.raises(FileNotFoundError, match='text vectors .* not found'):
        load_vectors(tmp_path / 'a.npz')
    np.savez(tmp_path / 'b.npz', names=['cat'])
    with pytest.raises(ValueError, match=r"must have 'names' and 'vectors', it has \['names'\]"):
        load_vectors(tmp_path / 'b.npz')
    write_vectors(tmp_path / 'c.npz', ['cat'], np.ones((2, 3)))
    with pytest.raises(ValueError, match=r'1 names do not fit vectors of shape \(2, 3\)'):
        load_vectors(tmp_path / 'c.npz')


def test_draws_are_distinct_uniform_and_not_excluded():
    vocabulary = NegativeVocabulary([f'thing {i}' for i in range(50)] + ['dog', 'dogs', 'cat'])
    generator = np.random.default_rng(0)
    excluded = {'dog', 'cats', 'thing 7'}
    counts = dict.fromkeys(vocabulary.phrases, 0)
    for _ in range(1000):
        drawn = vocabulary.draw(generator, 10, excluded)
        assert len(set(drawn)) == 10
        for phrase in drawn:
            counts[phrase] += 1
    # 'dogs' may be the plural of 'dog'; 'cat' has no form 'cats'.
    assert [counts.pop(phrase) for phrase in ('dog', 'dogs', 'thing 7')] == [0, 0, 0]
    share = 10 / 50
    assert np.abs(np.array(list(counts.values())) / 1000 - share).max() < 5 * np.sqrt(
        share * (1 - share) / 1000)


def test_more_wanted_than_there_are():
    vocabulary = NegativeVocabulary(['cat', 'dog', 'owl'])
    assert sorted(vocabulary.draw(np.random.default_rng(0), 10, {'dog'})) == ['cat', 'owl']
    assert vocabulary.draw(np.random.default_rng(0), 0, {'dog'}) == []
