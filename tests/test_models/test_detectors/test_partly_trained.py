"""Parts that are not trained keep weights and statistics through training."""

import pytest
import torch
from mmengine.registry import MODELS

from tests.helpers.models import tiny_detector_config
from tests.helpers.runs import make_runner


@pytest.fixture(scope='module')
def model(tmp_path_factory):
    cfg = tiny_detector_config(tmp_path_factory.mktemp('tokenizer'))
    return cfg | dict(
        type='expalign.PartlyTrainedDetector', trained=['text_adapter', 'bbox_head'])


def test_training_changes_the_named_parts_alone(model, tmp_path):
    runner = make_runner(model, tmp_path / 'run')
    runner.model.init_weights()  # which training would do
    start = {name: value.clone() for name, value in runner.model.state_dict().items()}
    runner.train()
    changed = {
        name.split('.')[0] for name, value in runner.model.state_dict().items()
        if not torch.equal(value, start[name])}
    assert changed == {'text_adapter', 'bbox_head'}
    assert all(value.grad is None for value in runner.model.parameters()
               if not value.requires_grad)


def test_mode_follows_what_is_trained(model):
    detector = MODELS.build(model).train()
    assert detector.training and detector.text_adapter.training and detector.bbox_head.training
    assert not any(module.training for module in detector.neck.modules())
    assert not any(module.training for module in detector.eval().modules())


def test_a_part_that_is_not_there(model):
    with pytest.raises(ValueError, match="'adapter': the model has"):
        MODELS.build(model | dict(trained=['adapter']))
