"""Figures as rows of the paper's tables."""

import csv
import json

import pytest

from expalign.evaluation.paper_table import as_csv, as_latex, as_text, joined, paper_tables

LVIS = {f'lvis/{kind}_{protocol}_{name}': 0.372 + 0.001 * place
        for kind in ('bbox', 'segm') for protocol in ('fixed', 'standard')
        for place, name in enumerate(('AP', 'AP50', 'APr', 'APc', 'APf'))}


def test_lvis_has_one_row_for_boxes_and_masks_by_protocol():
    tables = paper_tables(LVIS)
    assert [table.title for table in tables] == [
        'LVIS, boxes, fixed AP', 'LVIS, masks, standard AP', 'LVIS, boxes, standard AP',
        'LVIS, masks, fixed AP']
    assert tables[0].columns == ('AP', 'APr', 'APc', 'APf')
    assert tables[0].values == pytest.approx((37.2, 37.4, 37.5, 37.6))
    assert as_text(tables[:1], 'ours') == (
        'LVIS, boxes, fixed AP\n'
        'model    AP   APr   APc   APf\n'
        'ours   37.2  37.4  37.5  37.6')


def test_what_is_not_defined_is_a_dash():
    (table,) = paper_tables({'coco/bbox_mAP': 0.4512, 'coco/bbox_mAP_50': -1.0})
    assert as_csv([table], 'a_b') == 'table,model,AP,AP50,AP75\n"COCO, boxes",a_b,45.1,-,-'


def test_odinw_means_and_sets():
    tables = paper_tables({'odinw/Raccoon_AP': 0.5, 'odinw/Raccoon_AP50': 0.9,
                           'odinw/pothole_AP': 0.25, 'odinw/mean_2_of_13': 0.375})
    assert tables[0].columns == ('ODinW13 (2 sets)',) and tables[0].values == (37.5,)
    assert tables[1].columns == ('Raccoon', 'pothole') and tables[1].values == (50.0, 25.0)
    (means, *_) = paper_tables({'odinw/mean13': 0.48, 'odinw/mean35': 0.226})
    assert means.columns == ('ODinW13', 'ODinW35') and means.values == (48.0, 22.6)


def test_referring_splits_are_in_the_papers_order():
    metrics = {f'refexp/{split}_acc': 0.5 for split in ('refcocog_test', 'refcoco_val', 'own')}
    metrics |= {'grounding/val_R@1': 0.1, 'grounding/val_R@5': 0.2}
    referring, recall = paper_tables(metrics)
    assert referring.columns == ('refcoco_val', 'refcocog_test', 'own')
    assert recall.columns == ('val_R@1', 'val_R@5')
    text = as_latex([referring], '50 % & more')
    assert r'refcoco\_val & refcocog\_test & own \\' in text and r'50 \% \& more & 50.0' in text
    assert r'\begin{tabular}{lrrr}' in text


def test_rows_are_joined_from_the_folders_of_evaluations(run_script, tmp_path, capsys):
    for name, value in (('lvis_minival', 0.372), ('lvis_val', 0.303)):
        for stamp, shift in (('20250101_000000', 0.1), ('20260101_000000', 0.0)):
            folder = tmp_path / 'row' / name / stamp
            folder.mkdir(parents=True)
            metrics = {f'lvis/bbox_fixed_{part}': value + shift
                       for part in ('AP', 'APr', 'APc', 'APf')}
            (folder / f'{stamp}.json').write_text(json.dumps(metrics))
    run_script('tools/analysis_tools/paper_table.py', tmp_path / 'row', '--format', 'csv')
    head, row = csv.reader(capsys.readouterr().out.strip().splitlines())
    assert head[2:4] == ['lvis_minival AP', 'lvis_minival APr'] and head[6] == 'lvis_val AP'
    assert row == ['LVIS, boxes, fixed AP', 'row', *['37.2'] * 4, *['30.3'] * 4]
    with pytest.raises(ValueError, match='has no result'):
        run_script('tools/analysis_tools/paper_table.py', tmp_path)


def test_joined_keeps_the_order():
    (a,) = paper_tables({'odinw/mean13': 0.4})
    assert joined([('', a), ('b', a)], 't').columns == ('ODinW13', 'b ODinW13')
