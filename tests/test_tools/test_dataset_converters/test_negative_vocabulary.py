"""tools/dataset_converters/build_negative_vocabulary.py."""

import json
import time
from collections import Counter

import numpy as np
import pytest

from expalign.data_tools.phrase_counts import frequent, merge_wordings
from expalign.data_tools.phrase_vectors import at_random, drop_near_duplicates, spread_out
from expalign.datasets.transforms.negative_vocabulary import load_phrases, load_vectors
from tests.helpers.annotations import write_json
from tests.helpers.tokenizers import make_bert_tokenizer, tiny_bert_config

TOOL = 'tools/dataset_converters/build_negative_vocabulary.py'


@pytest.fixture
def sources(tmp_path):
    """ODVG: 'Red car' 3 times, 'red  cars' twice, 'dog' 3 times. MDETR: 'dog' once, 'owl' twice."""
    phrases = ['Red car'] * 3 + ['red  cars'] * 2 + ['dog.'] * 3
    lines = [{'filename': f'{i}.jpg', 'height': 9, 'width': 9, 'grounding': {
        'caption': phrase, 'regions': [{'bbox': [0, 0, 5, 5], 'phrase': phrase}]}}
        for i, phrase in enumerate(phrases)]
    odvg = tmp_path / 'flickr.jsonl'
    odvg.write_text('\n'.join(map(json.dumps, lines)))
    mdetr = write_json(tmp_path / 'mixed.json', {
        'images': [{'id': 1, 'caption': 'dog and owl'}],
        'annotations': [{'image_id': 1, 'tokens_positive': tokens}
                        for tokens in ([[0, 3]], [[8, 11]], [[8, 11]], [[0, 99]])]})
    return odvg, mdetr


def test_wordings_are_merged_and_rare_phrases_left_out(run_script, tmp_path, sources, capsys):
    run_script(TOOL, tmp_path / 'out.json', *sources, '--min-count', 3)
    assert json.loads((tmp_path / 'out.json').read_text()) == ['red car', 'dog']  # 5 and 4 times
    assert load_phrases(tmp_path / 'out.json') == ['red car', 'dog']
    out = capsys.readouterr().out
    for line in ('11 phrases read', '4 distinct wordings', '3 distinct phrases',
                 '2 phrases with 3 occurrences or more',
                 '1 annotations without spans inside their caption (such as 1)'):
        assert line in out


def test_exclusion(run_script, tmp_path, sources, capsys):
    names = tmp_path / 'names.txt'
    names.write_text('Red Cars\n')
    run_script(TOOL, tmp_path / 'out.json', *sources, '--min-count', 1, '--exclude', 'coco', names)
    assert json.loads((tmp_path / 'out.json').read_text()) == ['owl']  # COCO has a dog
    categories = write_json(tmp_path / 'own.json', {'categories': [{'id': 1, 'name': 'Owls'}]})
    run_script(TOOL, tmp_path / 'out.json', *sources, '--min-count', 1, '--exclude', categories)
    assert json.loads((tmp_path / 'out.json').read_text()) == ['red car', 'dog']
    with pytest.raises(ValueError, match=r'--exclude other: neither one of coco, lvis, objects365'):
        run_script(TOOL, tmp_path / 'out.json', *sources, '--exclude', 'other')
    with pytest.raises(ValueError, match=r'occurs 100 times and is not excluded: lower --min'):
        run_script(TOOL, tmp_path / 'out.json', *sources)


def test_vectors_of_a_text_model(run_script, tmp_path, sources):
    from transformers import AutoModel, BertConfig
    folder = tmp_path / 'bert'
    make_bert_tokenizer(folder)
    settings = {k: v for k, v in tiny_bert_config().items() if k != 'model_type'}
    AutoModel.from_config(BertConfig(**settings)).save_pretrained(folder)
    run_script(TOOL, tmp_path / 'out.json', *sources, '--min-count', 1, '--text-model', folder,
               '--max-similarity', 0.99999, '--select', 2)
    names, vectors = load_vectors(tmp_path / 'out.npz')
    assert names == json.loads((tmp_path / 'out.json').read_text())
    assert names[0] == 'red car' and len(names) == 2
    with np.load(tmp_path / 'out.npz') as content:
        assert content['vectors'].dtype == np.float16
        np.testing.assert_allclose(np.linalg.norm(content['vectors'], axis=1), 1, atol=2e-3)
    from expalign.models.text_encoders import HFTokenEncoder
    sentence = HFTokenEncoder(model=str(folder))(['red car'])[0][0, -1].numpy()
    np.testing.assert_allclose(vectors[0], sentence / np.linalg.norm(sentence), atol=2e-3)


def test_options_that_need_a_text_model(run_script, tmp_path, capsys):
    with pytest.raises(SystemExit):
        run_script(TOOL, tmp_path / 'out.json', 'a.jsonl', '--select', 5)
    assert '--max-similarity and --select need --text-model' in capsys.readouterr().err


def test_merging():
    merged = merge_wordings(Counter({'cars': 5, 'car': 3, 'boxes': 1, 'box': 4, 'glass': 2}))
    assert list(merged.items()) == [('cars', 8), ('box', 5), ('glass', 2)]


def unit(*degrees):
    radians = np.deg2rad(degrees)
    return np.stack([np.cos(radians), np.sin(radians)], axis=1)


def test_near_duplicates_go():
    # 10 degrees from the first goes, 60 degrees stays; 65 is close to 60.
    rows = drop_near_duplicates(unit(0, 10, 60, 65), ceiling=np.cos(np.deg2rad(30)))
    assert rows.tolist() == [0, 2]


def test_farthest_points():
    # From 0 the farthest is 180; then 90 (90 from both) before 80 and 10.
    assert spread_out(unit(0, 10, 80, 90, 180), 3).tolist() == [0, 4, 3]
    assert spread_out(unit(0, 10), 5).tolist() == [0, 1]
    same = spread_out(unit(0, 0, 0), 2)
    assert sorted(same.tolist()) == [0, 1]  # never a row twice


def test_near_duplicates_are_those_of_the_definition():
    """In blocks, one row after the other within a block."""
    generator = np.random.default_rng(0)
    vectors = np.repeat(generator.standard_normal((200, 8)), 3, axis=0).astype(np.float32)
    vectors += 0.2 * generator.standard_normal(vectors.shape).astype(np.float32)
    vectors = generator.permutation(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))
    kept = []
    for row, vector in enumerate(vectors):
        if all(vector @ vectors[other] <= 0.9 for other in kept):
            kept.append(row)
    assert 100 < len(kept) < 500  # of 600, more than two blocks
    assert drop_near_duplicates(vectors, 0.9).tolist() == kept


def test_exclusion_does_not_grow_with_the_square():
    """50,000 phrases against 20,000 names; with a new set for each phrase it takes minutes."""
    counts = Counter({f'phrase {i} x': 1 for i in range(50_000)})
    excluded = {f'phrase {i} x' for i in range(20_000)}
    started = time.process_time()
    assert len(frequent(counts, 1, excluded)) == 30_000
    assert time.process_time() - started < 5


def test_phrases_at_random(run_script, tmp_path, sources, capsys):
    options = ['--min-count', 1, '--random']
    run_script(TOOL, tmp_path / 'out.json', *sources, *options, 2)
    first = json.loads((tmp_path / 'out.json').read_text())
    assert len(first) == 2 and set(first) < {'red car', 'dog', 'owl'}
    run_script(TOOL, tmp_path / 'out.json', *sources, *options, 9)
    assert json.loads((tmp_path / 'out.json').read_text()) == ['red car', 'dog', 'owl']
    assert 'fewer than the 9 of --random' in capsys.readouterr().out
    for wrong in (['--random', 0], ['--random', 2, '--select', 2, '--text-model', 'x']):
        with pytest.raises(SystemExit):
            run_script(TOOL, tmp_path / 'out.json', *sources, *wrong)


def test_random_rows_are_uniform_and_repeatable():
    assert at_random(3, 100, 0).tolist() == at_random(3, 100, 0).tolist()
    assert at_random(5, 3, 0).tolist() == [0, 1, 2]
    drawn = np.concatenate([at_random(3, 10, seed) for seed in range(2000)])
    assert np.abs(np.bincount(drawn, minlength=10) / 2000 - 0.3).max() < 0.05
