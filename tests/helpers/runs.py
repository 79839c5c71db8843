"""Short runs of mmengine's runner on generated images."""

from pathlib import Path

import numpy as np
import torch
from mmdet.structures.mask import PolygonMasks
from mmengine.runner import Runner
from torch.utils.data import Dataset

from .models import sample


class GeneratedImages(Dataset):
    """Images of noise, each with one instance of one of three prompts and its mask."""

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
        half_of_the_box = np.array([4.0, 4.0, 40.0, 4.0, 40.0, 40.0])
        data_sample.gt_instances.masks = PolygonMasks([[half_of_the_box]], 64, 64)
        return dict(inputs=image, data_samples=data_sample)


def make_runner(
    model: dict, work_dir: str | Path, epochs: int = 2, default_hooks: dict | None = None,
    optim_wrapper: dict | None = None, kind: type[Runner] = Runner, num_images: int = 4,
    batch_size: int = 2, drop_last: bool = False, log_level: str = 'WARNING', **settings,
) -> Runner:
    """A runner that trains a detector on :class:`GeneratedImages`."""
    return kind(
        model=model,
        work_dir=str(work_dir),
        train_dataloader=dict(
            dataset=GeneratedImages(num_images), batch_size=batch_size, num_workers=0,
            drop_last=drop_last,
            sampler=dict(type='DefaultSampler', shuffle=True),
            collate_fn=dict(type='pseudo_collate')),
        train_cfg=dict(by_epoch=True, max_epochs=epochs),
        optim_wrapper=optim_wrapper or dict(optimizer=dict(type='AdamW', lr=1e-2)),
        default_hooks=default_hooks or dict(
            checkpoint=dict(type='expalign.PlainCheckpointHook', interval=1)),
        randomness=dict(seed=0),
        log_level=log_level,
        default_scope='mmdet',
        # Runs of one name share their logged values.
        experiment_name='_'.join(Path(work_dir).parts[-2:]),
        **settings)
