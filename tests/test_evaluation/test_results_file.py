"""Saved predictions come back as they were; files that could run something do not."""

import os
import pickle

import numpy as np
import pytest
import torch

from expalign.evaluation.results_file import load_results
from expalign.structures.rle_masks import RLE, RLEMasks


def write(path, content):
    path.write_bytes(pickle.dumps(content))
    return path


def test_predictions_come_back(tmp_path):
    rle = RLE(size=[4, 5], counts=b'04')
    sample = dict(
        img_id=7, ori_shape=(4, 5), text=['cat', 'dog'], scale_factor=np.array([1.5, 2.0]),
        width=np.float32(3.5), pred_instances=dict(
            bboxes=torch.rand(2, 4), scores=torch.tensor([.5, .25]).half(),
            labels=torch.tensor([0, 1]), label_names=['cat', 'dog'],
            masks=RLEMasks([rle], (4, 5))))
    (found,) = load_results(write(tmp_path / 'a.pkl', [sample]))
    for name in ('bboxes', 'scores', 'labels'):
        assert torch.equal(found['pred_instances'][name], sample['pred_instances'][name])
    assert found['pred_instances']['masks'].rles == [rle]
    assert found['text'] == ['cat', 'dog'] and found['width'] == 3.5
    np.testing.assert_array_equal(found['scale_factor'], sample['scale_factor'])


class Command:
    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


def test_a_hostile_file_runs_nothing(tmp_path):
    target = tmp_path / 'made'
    path = write(tmp_path / 'a.pkl', [Command(os.mkdir, str(target))])
    with pytest.raises(ValueError, match='it names posix.mkdir, which predictions do not need'):
        load_results(path)
    assert not target.exists()


def test_a_hostile_tensor_inside_runs_nothing(tmp_path):
    import io
    target, buffer = tmp_path / 'made', io.BytesIO()
    torch.save(Command(os.mkdir, str(target)), buffer)
    path = write(tmp_path / 'a.pkl', [
        Command(torch.storage._load_from_bytes, buffer.getvalue())])
    with pytest.raises(ValueError, match='cannot be read as predictions'):
        load_results(path)
    assert not target.exists()


@pytest.mark.parametrize('content', [dict(a=1), [1], [dict(img_id=3)]])
def test_something_else(tmp_path, content):
    with pytest.raises(ValueError, match='does not hold a list of predictions'):
        load_results(write(tmp_path / 'a.pkl', content))


def test_damaged_and_missing_files(tmp_path):
    path = tmp_path / 'a.pkl'
    path.write_bytes(pickle.dumps([dict(pred_instances={})])[:-4])
    with pytest.raises(ValueError, match='a.pkl cannot be read as predictions'):
        load_results(path)
    with pytest.raises(FileNotFoundError, match='tools/test.py --out writes such a file'):
        load_results(tmp_path / 'b.pkl')


@pytest.mark.parametrize('content', [
    b'\x80\x02]r\xff\xff\xff\x7f.', b'(lp2000000000\n.', b'\x80\x04\x8e' + b'\xff' * 7 + b'\x7f.'])
def test_a_few_bytes_that_ask_for_gigabytes(tmp_path, content):
    (tmp_path / 'a.pkl').write_bytes(content)
    with pytest.raises(ValueError, match=r'a\.pkl cannot be read as predictions: .*(memo|byte)'):
        load_results(tmp_path / 'a.pkl')
