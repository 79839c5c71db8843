"""Runs on little data, and runs that go on from what is there."""

import logging

import pytest
import torch

from expalign.engine.training_runner import TrainingRunner
from tests.helpers.models import tiny_detector_config
from tests.helpers.processes import fork_group
from tests.helpers.runs import make_runner

# 3 epochs of warm-up and a cosine to the end of 6, as the recipes have it.
SCHEDULE = [
    dict(type='LinearLR', start_factor=0.1, begin=0, end=3, by_epoch=True,
         convert_to_iter_based=True),
    dict(type='CosineAnnealingLR', eta_min_ratio=0.1, begin=3, end=6, T_max=3, by_epoch=True,
         convert_to_iter_based=True)]
TWO_RATES = dict(
    optimizer=dict(type='AdamW', lr=1e-2),
    paramwise_cfg=dict(custom_keys={'bbox_head': dict(lr_mult=0.5)}))


@pytest.fixture(scope='module')
def model(tmp_path_factory):
    return tiny_detector_config(tmp_path_factory.mktemp('tokenizer'))


@pytest.fixture
def warnings(monkeypatch):
    """What runs say, as one text."""
    lines = []
    monkeypatch.setattr(
        logging.Logger, 'handle', lambda self, record: lines.append(record.getMessage()))
    return lambda: ' '.join(lines)


def runner_of(model, folder, epochs=1, **settings):
    return make_runner(model, folder, epochs, kind=TrainingRunner, param_scheduler=SCHEDULE,
                       optim_wrapper=TWO_RATES, log_level='INFO', **settings)


def rates_of(runner):
    """The rate of every iteration, and the last rates of all groups and of the base."""
    logged = runner.message_hub.get_scalar('train/base_lr').data[0]
    return logged, [group['lr'] for group in runner.optim_wrapper.param_groups]


@pytest.fixture(scope='module')
def two_epochs(model, tmp_path_factory):
    """A folder of a run of two epochs with two iterations each."""
    folder = tmp_path_factory.mktemp('runs') / 'two_epochs'
    runner_of(model, folder, 2).train()
    return folder


def resume(model, two_epochs, folder, **settings):
    runner = runner_of(
        model, folder, resume=True, load_from=str(two_epochs / 'epoch_2.pth'), **settings)
    runner.train()
    return runner


@pytest.mark.parametrize(('batch_size', 'epochs'), [(1, 3), (4, 5)])
def test_rates_follow_the_epoch_whatever_the_batch(
        model, two_epochs, tmp_path, batch_size, epochs):
    whole = runner_of(model, tmp_path / f'whole{batch_size}', epochs, batch_size=batch_size)
    whole.train()
    resumed = resume(
        model, two_epochs, tmp_path / f'resumed{batch_size}', epochs=epochs, batch_size=batch_size)
    per_epoch = 4 // batch_size
    assert (resumed.epoch, resumed.iter) == (whole.epoch, whole.iter) == (
        epochs, epochs * per_epoch)
    (ours, our_groups), (theirs, their_groups) = rates_of(resumed), rates_of(whole)
    assert ours[4:].tolist() == pytest.approx(theirs[2 * per_epoch:].tolist(), rel=1e-12)
    assert our_groups == pytest.approx(their_groups, rel=1e-12)
    assert len({round(rate, 9) for rate in our_groups}) == 2
    for mine, other in zip(resumed.param_schedulers, whole.param_schedulers, strict=True):
        assert mine.state_dict().keys() == other.state_dict().keys()
        assert (mine.last_step, mine._global_step, mine.begin, mine.end) == (
            other.last_step, other._global_step, other.begin, other.end)
        assert mine.base_values == other.base_values


def test_the_same_batch_keeps_the_state_as_it_is(model, two_epochs, tmp_path):
    resumed = resume(model, two_epochs, tmp_path / 'same', epochs=2)
    saved = torch.load(two_epochs / 'epoch_2.pth', weights_only=True)
    assert saved['meta']['iters_per_epoch'] == 2
    assert resumed.iter == 4
    for scheduler, state in zip(
            resumed.param_schedulers, saved['param_schedulers'], strict=True):
        assert scheduler.state_dict() == state


def test_a_checkpoint_that_does_not_say_its_iterations(model, two_epochs, tmp_path, warnings):
    saved = torch.load(two_epochs / 'epoch_2.pth', weights_only=True)
    del saved['meta']['iters_per_epoch'], saved['optimizer'], saved['param_schedulers']
    torch.save(saved, tmp_path / 'epoch_2.pth')
    resumed = resume(model, tmp_path, tmp_path / 'older', epochs=3, batch_size=4)
    assert (resumed.epoch, resumed.iter) == (3, 3)
    # Three warm-up epochs of one iteration: 0.1, 0.55, 1 of the rate.
    assert rates_of(resumed)[0][-1] == pytest.approx(1e-2)
    assert 'no optimizer state' in warnings()
    assert 'its iteration 4 is iteration 2 here' in warnings()


def test_weights_alone_cannot_be_resumed(model, two_epochs, tmp_path):
    saved = torch.load(two_epochs / 'epoch_2.pth', weights_only=True)
    torch.save(dict(state_dict=saved['state_dict'], meta={}), tmp_path / 'epoch_2.pth')
    with pytest.raises(ValueError, match='epoch_2.pth does not say which epoch .* load_from'):
        resume(model, tmp_path, tmp_path / 'weights')


def test_a_training_that_is_over_says_so(model, two_epochs, tmp_path, warnings):
    runner = resume(model, two_epochs, tmp_path / 'over', epochs=2)
    assert (runner.epoch, runner.iter) == (2, 4)
    assert 'epoch_2.pth has had 2 epochs, and the training ends after 2' in warnings()


def test_a_checkpoint_of_another_model_is_named(model, two_epochs, tmp_path):
    saved = torch.load(two_epochs / 'epoch_2.pth', weights_only=True)
    other = {f'other.{name}': value for name, value in saved['state_dict'].items()}
    torch.save(saved | dict(state_dict=other), tmp_path / 'epoch_2.pth')
    with pytest.raises(RuntimeError, match='checkpoint .*epoch_2.pth: .* does not match the model'):
        resume(model, tmp_path, tmp_path / 'other_model')
    frozen = next(name for name in saved['state_dict'] if name.startswith('backbone.model.'))
    saved['state_dict'][frozen] += 1
    torch.save(saved, tmp_path / 'epoch_2.pth')
    with pytest.raises(RuntimeError, match='checkpoint .*epoch_2.pth: the frozen backbone'):
        resume(model, tmp_path, tmp_path / 'other_encoder')


def test_resume_without_anything_starts_from_load_from(model, two_epochs, tmp_path, warnings):
    start = torch.load(two_epochs / 'epoch_2.pth', weights_only=True)['state_dict']
    runner = runner_of(model, tmp_path / 'fresh', resume='auto',
                       load_from=str(two_epochs / 'epoch_2.pth'), num_images=2)
    at_start = {}
    runner.load_checkpoint, load = (lambda name, *args, **kwargs: (
        load(name, *args, **kwargs),
        at_start.update({k: v.clone() for k, v in runner.model.state_dict().items()}))
    ), runner.load_checkpoint
    runner.train()
    assert (runner.epoch, runner.iter) == (1, 1)
    assert at_start and all(torch.equal(at_start[name], value) for name, value in start.items())
    assert 'nothing to resume in' in warnings() and 'starting from the weights of' in warnings()


def test_resume_goes_on_from_the_newest_whole_one(model, two_epochs, tmp_path, warnings):
    folder = tmp_path / 'copied'
    folder.mkdir()
    content = (two_epochs / 'epoch_1.pth').read_bytes()
    (folder / 'epoch_1.pth').write_bytes(content)
    (folder / 'epoch_2.pth').write_bytes(content[:-100])
    runner = runner_of(
        model, folder, 2, resume='auto', load_from='/never/read.pth')
    runner.train()
    assert (runner.epoch, runner.iter) == (2, 4)
    assert f'epoch_2.pth is damaged (File is not a zip file): resuming from {folder}' in warnings()


def test_a_checkpoint_with_a_flipped_bit_is_refused(model, two_epochs, tmp_path):
    content = bytearray((two_epochs / 'epoch_2.pth').read_bytes())
    content[len(content) // 2] ^= 16
    (tmp_path / 'epoch_2.pth').write_bytes(content)
    for settings in (dict(resume=True), {}):
        runner = runner_of(model, tmp_path / 'flipped', **settings,
                           load_from=str(tmp_path / 'epoch_2.pth'))
        with pytest.raises(ValueError, match='epoch_2.pth is damaged: its part .*/data/'):
            runner.train()


def test_fewer_images_than_a_batch(model, tmp_path, warnings):
    runner = runner_of(model, tmp_path / 'few', num_images=3, batch_size=8, drop_last=True)
    runner.train()
    assert runner.iter == 1
    assert 'batch_size 8 with drop_last=True, and 3 images' in warnings()
    assert 'Batches have 3 images instead' in warnings()


def test_as_many_images_as_a_batch_or_more(model, tmp_path, warnings):
    runner = runner_of(model, tmp_path / 'enough', num_images=3, batch_size=2, drop_last=True)
    runner.train()
    assert runner.iter == 1
    assert 'batch_size' not in warnings()


def share(rank, model, folder):
    runner = runner_of(model, folder, num_images=3, batch_size=8, drop_last=True)
    loader = runner.build_dataloader(runner._train_dataloader)
    assert (len(loader), loader.batch_size) == (1, 2)


def test_fewer_images_than_a_batch_of_two_processes(model, tmp_path):
    assert fork_group(share, 2, model, tmp_path / 'shared') == [0, 0]


def test_no_image_at_all(model, tmp_path):
    runner = runner_of(model, tmp_path / 'none', num_images=0, batch_size=8, drop_last=True)
    with pytest.raises(ValueError, match='batch_size 8 with drop_last=True, and 0 images'):
        runner.train()
