"""Short runs of mmengine's runner on generated images."""

from pathlib import Path

import torch
from mmengine.runner import Runner
from torch.utils.data import Dataset

from .models import sample


class GeneratedImages(Dataset):
    """Images of noise, each with one instance of one of three prompts."""

    def __init__(self, num_images: int = 4) -> None:
        self.num_images = num_images
        self.metainfo = dict(classes=('cat', 'dog', 'owl'))

    def __len__(self) -> int:
        return self.num_images

    def __getitem__(self, index: int) -> dict:
        image = torch.randint(
            0, 255, (3, 64, 64), dtype=torch.uint8,
            generator=torch.Generator().manual_seed(index))
        data_sample = sample(['cat', 'dog', 'owl'], labels=[index % 3])
        data_sample.set_metainfo(dict(img_id=index))
        return dict(inputs=image, data_samples=data_sample)


def make_runner(model: dict, work_dir: str | Path, epochs: int = 2, **settings) -> Runner:
    """A runner that trains a detector on :class:`GeneratedImages`, two images an iteration."""
    return Runner(
        model=model,
        work_dir=str(work_dir),
        train_dataloader=dict(
            dataset=GeneratedImages(), batch_size=2, num_workers=0,
            sampler=dict(type='DefaultSampler', shuffle=True),
            collate_fn=dict(type='pseudo_collate')),
        train_cfg=dict(by_epoch=True, max_epochs=epochs),
        optim_wrapper=dict(optimizer=dict(type='AdamW', lr=1e-2)),
        default_hooks=dict(checkpoint=dict(type='CheckpointHook', interval=1)),
        randomness=dict(seed=0),
        log_level='WARNING',
        default_scope='mmdet',
        experiment_name=Path(work_dir).name,
        **settings)
