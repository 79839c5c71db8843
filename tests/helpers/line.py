"""The smallest model and data that mmengine's runner trains."""

import torch
from mmengine.model import BaseModel
from torch.utils.data import Dataset


class Line(BaseModel):
    """One weight."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)

    def forward(self, inputs, data_samples=None, mode='tensor'):
        return dict(loss=self.layer(torch.stack(inputs)).sum())


class Numbers(Dataset):
    """Two ones."""

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> dict:
        return dict(inputs=torch.ones(1))
