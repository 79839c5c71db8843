"""Vocabularies by name."""

import sys

import pytest

from expalign.apis.vocabularies import named_vocabulary


def test_names_need_mmdet(monkeypatch):
    named_vocabulary.cache_clear()
    monkeypatch.setitem(sys.modules, 'mmdet', None)
    with pytest.raises(ImportError, match=r'the names of coco are read from mmdet, .* \.txt file'):
        named_vocabulary('coco')
