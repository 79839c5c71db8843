"""A run that is resumed draws the samples of one that was not interrupted."""

import numpy as np
import torch
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch.utils.data import Dataset

from expalign.datasets.sample_seed import SeededSamples


class Draws(Dataset):
    """Six samples, each a random number."""

    def __len__(self):
        return 6

    def __getitem__(self, index):
        return dict(inputs=torch.tensor([np.random.rand()]), index=index)


class SeededDraws(SeededSamples, Draws):
    """The same, as this package's data sets do it."""


class Recorder(BaseModel):
    """Keeps what it is given."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.seen = []

    def forward(self, inputs, index, mode):
        self.seen += list(zip(index.tolist(), inputs.flatten().tolist(), strict=True))
        return dict(loss=(inputs * self.weight).sum())


def train(folder, epochs, seed=0, resume=False, workers=0):
    """The (index, number) pairs that a run gets, six an epoch."""
    model = Recorder()
    Runner(
        model=model, work_dir=str(folder), resume=resume, log_level='ERROR',
        train_dataloader=dict(
            dataset=SeededDraws(), batch_size=3, num_workers=workers,
            persistent_workers=workers > 0, sampler=dict(type='DefaultSampler', shuffle=True),
            collate_fn=dict(type='default_collate')),
        train_cfg=dict(by_epoch=True, max_epochs=epochs),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1)),
        default_hooks=dict(
            checkpoint=dict(type='expalign.PlainCheckpointHook', interval=1),
            sampler_seed=dict(type='DistSamplerSeedHook'),
            dataset_epoch=dict(type='expalign.DatasetEpochHook')),
        randomness=dict(seed=seed), default_scope='mmdet',
        experiment_name=f'{folder.name}_{epochs}_{resume}').train()
    return model.seen


def test_resumed_and_whole_runs_have_the_same_samples(tmp_path):
    whole = train(tmp_path / 'whole', 3, workers=1)
    assert len(set(whole)) == 18  # different in every epoch
    first = train(tmp_path / 'parts', 1)
    rest = train(tmp_path / 'parts', 3, resume=True)
    assert first + rest == whole
    assert not {number for _, number in train(tmp_path / 'other', 1, seed=1)} & {
        number for _, number in whole}
