"""The table of modes and sets: a row a run, none twice, and its Markdown."""

import json
from types import SimpleNamespace

import pytest

TOOL = 'tools/misc/own_data_table.py'


def test_runs_are_not_repeated(run_script, tmp_path, monkeypatch, capsys):
    runs = []

    def train(data, out, mode, epochs, imgsz, seed):
        runs.append((data.name, mode, epochs, imgsz, seed))
        metrics = out / 'metrics.json'
        out.mkdir(parents=True)
        metrics.write_text(json.dumps(dict(
            settings=dict(epochs=epochs), images=dict(train=12, val=6),
            before=dict(AP=0.25), after=dict(AP=0.5, AP50=0.75),
            cost={'AP of boxes': dict(before=0.46, after=0.45)})))
        return SimpleNamespace(metrics=metrics)

    monkeypatch.setattr('expalign.apis.own_data.train.train_own_data', train)
    monkeypatch.setenv('EXPALIGN_DATA', str(tmp_path))
    rows = tmp_path / 'rows.jsonl'
    arguments = ['--sets', 'nuts', 'cards', '--epochs', '3', '--modes']
    run_script(TOOL, rows, *arguments, 'tune')
    run_script(TOOL, rows, *arguments, 'tune', 'probe')
    run_script(TOOL, rows, '--sets', 'nuts', '--epochs', '3', '--modes', 'tune', '--seeds', 0, 1)
    assert runs == [('nuts_coco', 'tune', 3, 320, 0), ('cards_voc', 'tune', 3, 320, 0),
                    ('nuts_coco', 'probe', 3, 320, 0), ('cards_voc', 'probe', 3, 320, 0),
                    ('nuts_coco', 'tune', 3, 320, 1)]
    capsys.readouterr()
    run_script(TOOL, rows, '--print')
    table = capsys.readouterr().out.splitlines()
    assert len(table) == 7
    assert table[2].startswith(
        '| nuts | 12 | tune | 3 | 0 | 0.250 | 0.500 | 0.750 | 0.460 | 0.450 |')


def test_the_data_must_be_named(run_script, tmp_path, monkeypatch):
    monkeypatch.delenv('EXPALIGN_DATA', raising=False)
    with pytest.raises(ValueError, match='EXPALIGN_DATA must name the folder'):
        run_script(TOOL, tmp_path / 'rows.jsonl')
