"""Maps and masks for the tests of GACO, and Algorithm 1 written cell by cell."""

import torch


def case(batch=2, prompts=3, size=(8, 9), dtype=torch.float64, padded=1):
    """Random maps; each image's first two prompts have blocks of cells, the last are padded."""
    gen = torch.Generator().manual_seed(0)
    eam = 2 * torch.randn(batch, prompts + padded, *size, generator=gen, dtype=torch.float64)
    masks = torch.zeros(eam.shape, dtype=torch.bool)
    for image in range(batch):
        masks[image, 0, 1:5 + image, 2:7] = True
        masks[image, 1, 3:7, image:5] = True
    prompt_masks = torch.ones(batch, prompts + padded, dtype=torch.bool)
    prompt_masks[:, prompts:] = False
    return eam.to(dtype), masks, prompt_masks


def with_outlier(eam, masks):
    """The maps with one positive cell of every image so far above the rest that 5 clips it."""
    eam = torch.where(masks, 0.1 * eam - 2, eam)
    for image, (scores, cells) in enumerate(zip(eam, masks, strict=True)):
        k, y, x = cells.nonzero()[0]
        scores[k, y, x] = 6.0 + image
    return eam


def algorithm_1(eam, masks, prompt_masks, clip=5.0, beta=1.0, eps=1e-6):
    """Algorithm 1 with loops over images, prompts and cells."""
    largest = max(
        abs(value) for scores, real in zip(eam, prompt_masks, strict=True)
        for value in scores[real].flatten())
    eam = eam / (largest + eps)
    total, count = 0.0, 0
    for scores, cells, real in zip(eam, masks, prompt_masks, strict=True):
        partition = sum(torch.exp(value) for value in scores[real].flatten())
        inside = [
            scores[k, y, x] for k in range(len(scores)) if real[k]
            for y in range(scores.shape[1]) for x in range(scores.shape[2]) if cells[k, y, x]]
        rewards = [1 / (1 + torch.exp(-value)) for value in inside]
        if not rewards:
            continue
        mu = sum(rewards) / len(rewards)
        sigma = (sum((r - mu)**2 for r in rewards) / len(rewards)).sqrt() + eps
        for value, reward in zip(inside, rewards, strict=True):
            advantage = ((reward - mu) / sigma).clamp(-clip, clip)
            total = total + advantage * (value - torch.log(partition))
        count += len(inside)
    return -total / count * beta
