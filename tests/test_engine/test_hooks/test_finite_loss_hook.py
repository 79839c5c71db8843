"""A loss that is not a number ends the run and leaves the last good checkpoint."""

import pytest
import torch
from mmengine.hooks import Hook

from tests.helpers.models import tiny_detector_config
from tests.helpers.runs import make_runner


class Poison(Hook):
    """Makes the weights of the third iteration useless."""

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter == 2:
            with torch.no_grad():
                runner.model.text_adapter.proj.weight.fill_(float('nan'))


def test_names_iteration_loss_and_images_and_keeps_the_checkpoint(tmp_path):
    runner = make_runner(
        tiny_detector_config(tmp_path / 'tokenizer'), tmp_path / 'run',
        custom_hooks=[dict(type='expalign.FiniteLossHook'), Poison()])
    with pytest.raises(FloatingPointError) as error:
        runner.train()
    message = str(error.value)
    assert message.startswith('iteration 3: {')
    assert "'loss_cls': nan" in message and 'with the images [' in message
    assert (tmp_path / 'run' / 'epoch_1.pth').is_file()
    assert not (tmp_path / 'run' / 'epoch_2.pth').exists()
    saved = torch.load(tmp_path / 'run' / 'epoch_1.pth', weights_only=False)['state_dict']
    assert all(torch.isfinite(value).all() for value in saved.values())
