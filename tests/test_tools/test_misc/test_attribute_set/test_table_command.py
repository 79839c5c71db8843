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
    (tmp_path / 'set/settings.json').write_text('{"side": 384}')
    (tmp_path / 'vectors').write_bytes(b'v')
    (tmp_path / 'weights').write_bytes(b'w')
    return tmp_path


def test_wrong_folders(made, monkeypatch, capsys):
    rest = '--weights', made / 'weights'
    trains = *rest, '--vectors', made / 'vectors'
    with pytest.raises(FileNotFoundError, match=r'train.json does not exist: make the set'):
        call(monkeypatch, 'cache', made / 'elsewhere', made / 'maps', *rest)
    with pytest.raises(ValueError, match='set has 1 pictures in test, 2 were asked for'):
        call(monkeypatch, 'cache', made / 'set', made / 'maps', '--test', 2, *rest)
    with pytest.raises(ValueError, match='a side of 320 pixels: the pictures of .* need 384'):
        call(monkeypatch, 'cache', made / 'set', made / 'maps', '--side', 320, *rest)
    with pytest.raises(FileNotFoundError, match=r'train.json does not exist: make the set'):
        call(monkeypatch, 'train', made / 'elsewhere', made / 'maps', made / 'rows', *trains)
    with pytest.raises(FileNotFoundError, match=r'maps/train has no complete maps'):
        call(monkeypatch, 'train', made / 'set', made / 'maps', made / 'rows', *trains)
    for options, said in (('--longer', 0), 'must be 1 or more'), (
            ('--vectors', made / 'no'), 'does not exist'):
        with pytest.raises(SystemExit):
            call(monkeypatch, 'train', made / 'set', made / 'maps', made / 'rows', *trains,
                 *options)
        assert said in capsys.readouterr().err


def test_the_input_holds_the_pictures(made):
    from attribute_set.maps import input_side
    assert input_side(made / 'set') == 384 and input_side(made / 'set', 416) == 416
    for longest, side in (128, 320), (321, 352):  # made-up scenes have 320
        (made / 'set/settings.json').write_text(json.dumps(dict(side=longest)))
        assert input_side(made / 'set') == side
    with pytest.raises(ValueError, match='in steps of 32'):
        input_side(made / 'set', 360)


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
