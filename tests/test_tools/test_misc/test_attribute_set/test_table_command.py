"""attribute_table.py says what is wrong before it loads a model."""

import json
import sys

import attribute_table
import pytest


def call(monkeypatch, *arguments):
    monkeypatch.setattr(sys, 'argv', ['attribute_table.py', *map(str, arguments)])
    monkeypatch.setattr(attribute_table, 'load', lambda args: pytest.fail('too early'))
    attribute_table.main()


@pytest.fixture
def made(tmp_path):
    """A set of one picture, weights, and maps of nothing."""
    (tmp_path / 'set/annotations').mkdir(parents=True)
    for split in ('train', 'test'):
        (tmp_path / f'set/annotations/{split}.json').write_text(json.dumps(dict(
            images=[dict(file_name=f'{split}/000000.jpg')])))
    (tmp_path / 'set/settings.json').write_text('{}')
    (tmp_path / 'weights').write_bytes(b'w')
    return tmp_path


def test_wrong_folders(made, monkeypatch):
    monkeypatch.setenv('EXPALIGN_DATA', str(made))
    rest = '--weights', made / 'weights'
    with pytest.raises(FileNotFoundError, match=r'train.json does not exist: make the set'):
        call(monkeypatch, 'cache', made / 'elsewhere', made / 'maps', *rest)
    with pytest.raises(ValueError, match='set has 1 pictures in test, 2 were asked for'):
        call(monkeypatch, 'cache', made / 'set', made / 'maps', '--test', 2, *rest)
    with pytest.raises(FileNotFoundError, match=r'train.json does not exist: make the set'):
        call(monkeypatch, 'train', made / 'elsewhere', made / 'maps', made / 'rows', *rest)
    with pytest.raises(FileNotFoundError, match=r'maps/train has no complete maps'):
        call(monkeypatch, 'train', made / 'set', made / 'maps', made / 'rows', *rest)
    with pytest.raises(SystemExit):
        call(monkeypatch, 'train', made / 'set', made / 'maps', made / 'rows', '--longer', 0)


def test_print(made, monkeypatch, capsys):
    rows = made / 'rows.jsonl'
    with pytest.raises(ValueError, match='rows.jsonl has no rows'):
        call(monkeypatch, 'print', rows)
    split = dict(questions=4, boxes=2, ap=0.2, ap50=0.5, alarms=0.1, binding=0.75)
    figures = dict(false_alarms=0.3, words={'2': split}, splits=dict.fromkeys(
        ('nouns', 'seen', 'combinations', 'held-out nouns', 'function words', 'paraphrases',
         'negation', 'relations'), split))
    rows.write_text(''.join(json.dumps(dict(
        row=name, seed=0, made_from={}, figures=figures)) + '\n' for name in ('eot', 'an old row')))
    call(monkeypatch, 'print', rows)
    shown = capsys.readouterr()
    assert '| eot | 0.500 |' in shown.out and 'old' not in shown.out
    assert shown.err == 'note: left out, no rows of this version: an old row\n'
