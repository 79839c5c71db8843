"""Losses are read when a line is written, in one copy, and the log is mmengine's."""

import pytest
import torch
from mmengine.hooks import Hook

from expalign.engine.hooks.deferred import read_together
from tests.helpers.dispatch_counts import DispatchCounts, count
from tests.helpers.models import tiny_segmentation_config
from tests.helpers.runs import make_runner

ITERATIONS = 12  # of two epochs; a line is written after every third
HOOKS = ('mmengine.RuntimeInfoHook', 'expalign.RuntimeInfoHook')


class WaitsByIteration(Hook):
    """Counts what waits from the start of an iteration to its end, the other hooks included."""

    priority = 'LOWEST'

    def __init__(self):
        self.waits = []

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        self.counts = DispatchCounts()
        self.counts.__enter__()

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.counts.__exit__(None, None, None)
        self.waits.append(dict(self.counts.waits))


def run(model, folder, hook, waits=None):
    """A run; every value of its log by name."""
    runner = make_runner(
        model, folder, epochs=2, custom_hooks=[
            dict(type='expalign.FiniteLossHook'), *([waits] if waits else []),
            dict(type='expalign.TrainableEMAHook', ema_type='expalign.ExpMomentumEMA',
                 momentum=0.1, update_buffers=True)],
        default_hooks=dict(
            runtime_info=dict(type=hook), logger=dict(type='mmengine.LoggerHook', interval=3)),
        optim_wrapper=dict(
            optimizer=dict(type='SGD', lr=1e-3), clip_grad=dict(max_norm=1.0)),
        num_images=12)
    runner.train()
    scalars = runner.message_hub.log_scalars
    return {name: history.data[0].tolist() for name, history in scalars.items()
            if name.startswith('train/') and 'time' not in name}


@pytest.fixture(scope='module')
def model(tmp_path_factory):
    return tiny_segmentation_config(tmp_path_factory.mktemp('tokenizer'))


def test_log_is_that_of_mmengine_and_steps_do_not_wait(model, tmp_path):
    waits = WaitsByIteration()
    expected, found = (
        run(model, tmp_path / str(place), hook, waits if place else None)
        for place, hook in enumerate(HOOKS))
    assert {'train/loss', 'train/loss_mask', 'train/loss_geo', 'train/grad_norm'} < set(found)
    assert all(len(values) == ITERATIONS for values in found.values())
    assert found == expected
    assert len(waits.waits) == ITERATIONS
    for place, kinds in enumerate(waits.waits):
        # One copy of all losses, in the iterations that write a line and in the first one.
        assert kinds.pop('tolist', 0) == (place == 0 or place % 6 in (2, 5))
        # What else is there is on the host: the size of images that were not collated, and the
        # number of averages; in the first iteration also one of new prompts.
        assert sum(kinds.values()) <= (4 if place == 0 else 2), kinds


def test_values_of_several_types_come_together():
    outputs = [dict(a=torch.tensor(1.5), b=2), dict(a=torch.tensor([1 / 3], dtype=torch.float64)),
               dict(c=torch.tensor(7, dtype=torch.bfloat16)), {}]
    counts = count(lambda: read_together(outputs))
    assert outputs == [dict(a=1.5, b=2), dict(a=1 / 3), dict(c=7.0), {}]
    assert counts.waits == dict(tolist=1)
    assert not count(lambda: read_together(outputs)).operations
