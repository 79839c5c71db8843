"""Checkpoints with a group for every parameter go on in runs whose groups are merged."""

import copy
from types import SimpleNamespace

import pytest
import torch
from mmengine.optim import OptimWrapper
from torch import nn

from expalign.engine.resumed_groups import fit_groups
from expalign.engine.training_runner import TrainingRunner
from tests.helpers.models import tiny_detector_config
from tests.helpers.runs import make_runner

RATES = dict(custom_keys={'bbox_head': dict(lr_mult=0.5)})


def wrapper(constructor):
    return dict(optimizer=dict(type='AdamW', lr=1e-2, weight_decay=0.0), constructor=constructor,
                paramwise_cfg=RATES)


EACH, MERGED = wrapper('DefaultOptimWrapperConstructor'), wrapper(
    'expalign.TrainableOptimWrapperConstructor')


def train(model, folder, epochs, optim_wrapper, **settings):
    runner = make_runner(model, folder, epochs, kind=TrainingRunner, optim_wrapper=optim_wrapper,
                         param_scheduler=[dict(type='LinearLR', start_factor=0.1, begin=0, end=3)],
                         **settings)
    runner.train()
    return runner


def test_a_run_goes_on_as_if_it_had_always_had_merged_groups(tmp_path):
    model = tiny_detector_config(tmp_path / 'tokenizer')
    whole = train(model, tmp_path / 'whole', 2, EACH)
    resumed = train(model, tmp_path / 'resumed', 2, MERGED, resume=True,
                    load_from=str(tmp_path / 'whole' / 'epoch_1.pth'))
    groups = resumed.optim_wrapper.optimizer.param_groups
    assert len(groups) == 3 < len(whole.optim_wrapper.optimizer.param_groups)
    assert [group['lr'] for group in groups] == pytest.approx([1e-2, 1e-2, 5e-3])
    assert resumed.iter == whole.iter == 4
    for (name, ours), theirs in zip(
            resumed.model.named_parameters(), whole.model.parameters(), strict=True):
        assert torch.equal(ours, theirs), name
    again = train(model, tmp_path / 'again', 3, MERGED, resume=True,
                  load_from=str(tmp_path / 'resumed' / 'epoch_2.pth'))
    assert again.iter == 6


@pytest.fixture
def run():
    """A model of three parameters, the outer two in one group, and the state of three groups."""
    model = nn.Module()
    model.first, model.second, model.third = (nn.Parameter(torch.zeros(1)) for _ in range(3))
    own = OptimWrapper(torch.optim.SGD([
        dict(params=[model.first, model.third]), dict(params=[model.second], lr=2.0)], lr=1.0))
    own.base_param_settings = None
    groups = [dict(params=[index], lr=1.0 + (index == 1)) for index in range(3)]
    return SimpleNamespace(model=model, own=own, checkpoint=dict(
        optimizer=dict(state={0: 'first', 1: 'second', 2: 'third'}, param_groups=groups),
        param_schedulers=[dict(base_values=[1, 2, 1, 9], _last_value=[0.1, 0.2, 0.1, 0.9])]))


def test_states_and_rates_follow_their_parameters(run):
    fit_groups(run.checkpoint, run.own, run.model)
    assert run.checkpoint == dict(
        optimizer=dict(
            state={0: 'first', 1: 'third', 2: 'second'},
            param_groups=[dict(params=[0, 1], lr=1.0), dict(params=[2], lr=2.0)]),
        param_schedulers=[dict(base_values=[1, 2, 9], _last_value=[0.1, 0.2, 0.9])])


@pytest.mark.parametrize('change', [
    lambda saved: saved['param_groups'][2].update(lr=3.0),  # of another recipe
    lambda saved: saved['param_groups'].pop(),  # of another model
    lambda saved: saved['param_groups'][0]['params'].append(3)])
def test_what_is_of_another_run_is_left_to_torch(run, change):
    change(run.checkpoint['optimizer'])
    before = copy.deepcopy(run.checkpoint)
    fit_groups(run.checkpoint, run.own, run.model)
    assert run.checkpoint == before


def test_a_parameter_without_a_state_has_none_afterwards(run):
    del run.checkpoint['optimizer']['state'][2]
    fit_groups(run.checkpoint, run.own, run.model)
    assert run.checkpoint['optimizer']['state'] == {0: 'first', 2: 'second'}
