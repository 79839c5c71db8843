"""The mini configuration with masks through tools/train.py and tools/test.py, a few iterations."""

import json
import math
import pickle

import pycocotools.mask as coco_mask
import pytest

CONFIG = 'configs/mini/expalign_mini-seg.py'
SMALL = [
    'train_dataloader.batch_size=2', 'train_dataloader.dataset.indices=6',
    'val_dataloader.dataset.indices=2', 'test_dataloader.dataset.indices=2',
    'log_level=WARNING', 'model.test_cfg.score_thr=1e-6', 'model.test_cfg.max_per_img=20']


@pytest.fixture(scope='module')
def work_dir(run_script, tmp_path_factory):
    """Where three iterations and a validation left their results."""
    folder = tmp_path_factory.mktemp('train')
    run_script(
        'tools/train.py', CONFIG, '--work-dir', folder, '--cfg-options', 'train_cfg.max_epochs=1',
        'train_cfg.val_interval=1', 'default_hooks.checkpoint.interval=1',
        'default_hooks.logger.interval=1', *SMALL)
    return folder


def test_it_trains_and_evaluates_boxes_and_masks(work_dir):
    (log,) = work_dir.glob('*/vis_data/scalars.json')
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    training = [row for row in rows if 'loss' in row]
    assert len(training) == 3
    for row in training:
        names = {name for name in row if name.startswith('loss_')}
        assert names == {'loss_cls', 'loss_bbox', 'loss_dfl', 'loss_mask'}
        assert all(math.isfinite(row[name]) for name in names) and row['loss_mask'] > 0
        assert row['loss'] == pytest.approx(sum(row[name] for name in names), rel=1e-4)
    (scores,) = (row for row in rows if 'coco/segm_mAP' in row)
    for name in ('coco/segm_mAP', 'coco/segm_mAP_50', 'coco/bbox_mAP'):
        assert 0 <= scores[name] <= 1


def test_predictions_are_written_and_drawn(run_script, work_dir, tmp_path):
    out = tmp_path / 'predictions.pkl'
    run_script(
        'tools/test.py', CONFIG, work_dir / 'epoch_1.pth', '--work-dir', tmp_path, '--out', out,
        '--show-dir', 'pictures', '--cfg-options', *SMALL)
    for image in pickle.loads(out.read_bytes()):
        found = image['pred_instances']
        assert len(found['masks']) == len(found['scores']) == 20
        assert all(mask['size'] == list(image['ori_shape']) for mask in found['masks'])
        width_height = found['bboxes'][:, 2:] - found['bboxes'][:, :2]
        most = (width_height + 1).prod(1).numpy()
        assert (coco_mask.area(found['masks']) <= most).all()
    assert len(list(tmp_path.rglob('pictures/*.jpg'))) == 2
