"""Validation that is left out where its data is not there."""

import pytest

from expalign.engine.loops.optional_val_loop import missing_annotations


def test_what_is_missing(tmp_path):
    (tmp_path / 'a.json').write_text('{}')
    there = dict(data_root=str(tmp_path), ann_file='a.json')
    assert missing_annotations(dict(dataset=there)) is None
    assert missing_annotations(dict(dataset=dict(ann_file=str(tmp_path / 'a.json')))) is None
    gone = dict(there, ann_file='b.json')
    assert missing_annotations(dict(dataset=gone)) == str(tmp_path / 'b.json')


@pytest.mark.parametrize('dataloader', [dict(dataset=dict(type='x')), dict(dataset=()), object()])
def test_what_names_no_file_is_built(dataloader):
    assert missing_annotations(dataloader) is None
