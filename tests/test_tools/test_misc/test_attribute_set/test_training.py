"""Training on cached maps: the detector's own alignment and losses, of what is trained."""

import copy
import json
import random
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from attribute_set import maps as maps_module
from attribute_set import texts
from attribute_set.branches import Branches
from attribute_set.maps import STRIDES, Maps, cache, early_cells, look
from attribute_set.records import Record
from attribute_set.rows import ROWS
from attribute_set.run import Bench, made_from, missing, read_rows
from attribute_set.texts import PromptTokens, function_words, text_map
from attribute_set.training import MOST_PROMPTS, Recipe, batch_losses, choose, class_loss, train
from distill.refine import NameBank
from mmengine.config import ConfigDict
from torch import nn

from expalign.models.dense_heads import ExpAlignHead
from expalign.models.layers import conv_branch, expectation_alignment
from expalign.models.text_encoders import TextAdapter
from expalign.structures.truth_batch import TruthBatch

SIDE, HIDDEN, WIDE, EMBED = 64, 8, (6, 10, 12), 16
EARLY = 5
SHORT = dict(steps=12, batch=2, lr=0.02, new_lr=0.02)
CELLS = [(SIDE // stride)**2 for stride in STRIDES]


class Neck(nn.Module):
    """Branches of a detector, and a trunk that reads means of the image."""

    def __init__(self):
        super().__init__()
        norm, act = dict(type='BN'), dict(type='SiLU')
        self.embed_branches = nn.ModuleList(
            conv_branch(wide, HIDDEN, EMBED, norm, act) for wide in WIDE)
        self.embed_norms = nn.ModuleList(nn.BatchNorm2d(EMBED) for _ in WIDE)

    def trunk(self, pyramid, *guides):
        return pyramid, [branch[1](branch[0](x))
                         for branch, x in zip(self.embed_branches, pyramid, strict=True)]


class Backbone(nn.Module):
    """A backbone whose maps are means of the image, in several widths."""

    def stem(self, images):
        return nn.functional.avg_pool2d(images, 2)[:, :2]

    def stage1(self, stem):
        return nn.functional.avg_pool2d(stem, 2).mean(1, keepdim=True).repeat(1, 3, 1, 1)

    def forward(self, images):
        pooled = [nn.functional.avg_pool2d(images, stride) for stride in STRIDES]
        return [x.mean(1, keepdim=True) * torch.linspace(-3, 3, wide)[:, None, None]
                for x, wide in zip(pooled, WIDE, strict=True)]


@pytest.fixture
def model():
    torch.manual_seed(0)
    head = ExpAlignHead(
        head_module=dict(type='expalign.ExpAlignHeadModule', in_channels=list(WIDE)),
        train_cfg=ConfigDict(assigner=dict(
            type='mmyolo.BatchTaskAlignedAssigner', num_classes=80, use_ciou=True, topk=10,
            alpha=0.5, beta=6.0, eps=1e-9)))
    neck = Neck()
    for norm in neck.embed_norms:
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.5, 2)
        nn.init.normal_(norm.weight)
        nn.init.normal_(norm.bias)
    stub = nn.Module()
    stub.neck, stub.bbox_head, stub.backbone = neck, head, Backbone()
    return stub.eval()


class Encoder:
    """A token a word, and their sum as the sentence."""

    def __call__(self, texts):
        rows = [[self.vector(word) for word in text.split()] for text in texts]
        rows = [[*row, sum(row)] for row in rows]
        most = max(map(len, rows))
        tokens = torch.stack([
            torch.stack(row + [torch.zeros(EMBED)] * (most - len(row))) for row in rows])
        masks = torch.tensor([[i < len(row) for i in range(most)] for row in rows])
        return tokens, masks

    def token_strings(self, texts):
        return [[*text.split(), '<sentence>'] for text in texts]

    @staticmethod
    def vector(word):
        seed = sum(map(ord, word))
        return torch.randn(EMBED, generator=torch.Generator().manual_seed(seed))


PROMPTS = ['red box', 'blue box', 'box that is not red', 'the ring']


def full_maps(branches, model, features, tokens, masks, tau=1.0):
    """The same by the method's own function on maps F of full width."""
    found = []
    for level, x in enumerate(features):
        early, hidden = x.split([EARLY, HIDDEN], 2)
        seen = nn.functional.silu(branches.looks[level](early))
        full = branches.embeds[level](hidden) + branches.adds[level](seen)
        side = SIDE // STRIDES[level]
        full = full.transpose(1, 2).unflatten(2, (side, side))
        found.append(expectation_alignment(full, tokens, masks, tau)[0].flatten(2))
    return found


def inputs(batch=2, prompts=3, length=4):
    gen = torch.Generator().manual_seed(1)
    features = [torch.randn(batch, cells, EARLY + HIDDEN, generator=gen) for cells in CELLS]
    tokens = torch.randn(batch, prompts, length, EMBED, generator=gen)
    masks = torch.rand(batch, prompts, length, generator=gen) > 0.3
    masks[..., 0] = True
    return features, tokens, masks


@torch.no_grad()
def test_branches_start_as_the_detector_with_a_linear_text_side(model):
    torch.manual_seed(0)
    width, text_map = 6, torch.randn(6, EMBED)  # W: tokens of six numbers to the detector's space
    adapter = TextAdapter(width, EMBED)
    features, _, masks = inputs()
    raw = nn.functional.normalize(torch.randn(*masks.shape, width), dim=-1)
    tokens, _ = adapter(raw.flatten(0, 1), torch.ones_like(masks).flatten(0, 1))
    branches = Branches(model, EARLY, adapter.proj.weight @ text_map)
    maps = branches(features, tokens.view(*masks.shape, EMBED), masks)
    for level, (x, norm, branch) in enumerate(zip(
            features, model.neck.embed_norms, model.neck.embed_branches, strict=True)):
        side = SIDE // STRIDES[level]
        hidden = x[..., EARLY:].transpose(1, 2).unflatten(2, (side, side))
        expected, _ = expectation_alignment(norm(branch[-1](hidden)), raw @ text_map, masks)
        torch.testing.assert_close(maps[level], expected.flatten(2), atol=1e-4, rtol=1e-4)
    logits = branches.logits(maps)
    scale = model.bbox_head.head_module.logit_scales[0].exp()
    torch.testing.assert_close(
        logits[0], maps[0] * scale + model.bbox_head.head_module.biases[0])


def test_the_text_map_is_that_of_the_names(tmp_path, monkeypatch):
    true = torch.randn(EMBED, 4, generator=torch.Generator().manual_seed(0))
    names = [f'{first}{second}' for first in 'abcdefg' for second in 'uvwxyz']
    sentences = nn.functional.normalize(torch.stack([Encoder.vector(x) for x in names]), dim=1)
    np.savez(tmp_path / 'v.npz', names=names, vectors=(sentences @ true).numpy())
    monkeypatch.setattr(texts, 'RIDGE', 1e-9)
    monkeypatch.setattr(texts, 'encode_names', lambda encoder, names: NameBank(
        *((x,) for x in Encoder()(names))))
    found = text_map(Encoder(), tmp_path / 'v.npz')
    units = nn.functional.normalize(sentences @ true, dim=1)  # vectors are read as unit ones
    fitted = torch.linalg.lstsq(sentences, units).solution
    torch.testing.assert_close(sentences @ found, sentences @ fitted, atol=2e-3, rtol=1e-2)


@pytest.mark.parametrize('tau', [0.1, 1.0, 10.0, 'learned'])
def test_trained_branches_align_as_the_method_does(model, tau):
    features, tokens, masks = inputs()
    branches = Branches(model, EARLY, torch.eye(EMBED), tau)
    for add in branches.adds:
        nn.init.normal_(add.weight, std=0.2)
    maps = branches(features, tokens, masks)
    expected = full_maps(branches, model, features, tokens, masks, 1.0 if tau == 'learned' else tau)
    for ours, theirs in zip(maps, expected, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)
    sum(x.square().sum() for x in maps).backward()
    assert (branches.log_tau.grad is not None) == (tau == 'learned')
    assert all(look.weight.grad.abs().sum() > 0 for look in branches.looks)


@pytest.mark.parametrize('pooling, length', [
    ('expectation', 6), ('eot', 1), ('mean', 1), ('content', 4)])
def test_tokens_are_those_of_the_adapter(pooling, length):
    torch.manual_seed(0)
    adapter = TextAdapter(EMBED, 12)
    nn.init.normal_(adapter.ffn.w3.weight)
    tokens = PromptTokens(Encoder(), PROMPTS, pooling)
    lists = [[PROMPTS[2], PROMPTS[0]], [PROMPTS[1]]]
    feats, masks, there = tokens.of(lists, adapter)
    assert feats.shape == (2, 2, length, 12) and there.tolist() == [[True, True], [True, False]]
    assert not masks[1, 1].any()
    if pooling != 'content':
        own = copy.deepcopy(adapter)
        own.token_pooling = pooling
        expected, kept = own(*Encoder()([PROMPTS[2]]))
        torch.testing.assert_close(feats[0, 0][masks[0, 0]], expected[0][kept[0]])
    else:  # box, not, red and the sentence
        assert masks[0, 0].sum() == 4
    total = feats.sum()
    total.backward()
    assert adapter.proj.weight.grad.abs().sum() > 0


def test_function_words():
    _, masks = Encoder()(PROMPTS)
    found = function_words(Encoder(), PROMPTS, masks)
    assert found[2].tolist() == [False, True, True, False, False, False]
    assert found[3].tolist() == [True, False, False, False, False, False]


def record(row=0, count=3):
    boxes = np.array([[4., 4, 30, 30], [34, 34, 60, 60]])
    polygon = [np.array([4., 4, 30, 4, 30, 30, 4, 30], np.float32)]
    return Record(row, PROMPTS[:count], [''] * count, [-1] * count, boxes, np.array([0, 1]),
                  [polygon, []], SIDE)


def test_the_class_loss_is_the_heads(model):
    gen = torch.Generator().manual_seed(2)
    sides = [SIDE // stride for stride in STRIDES]
    logits = [torch.randn(2, 3, side, side, generator=gen) for side in sides]
    dists = [torch.randn(2, 64, side, side, generator=gen) for side in sides]
    there = torch.tensor([[True, True, True], [True, True, False]])
    real = torch.ones(2, 2, dtype=torch.bool)
    boxes = torch.tensor([[[4., 4, 30, 30], [34, 34, 60, 60]]]).expand(2, -1, -1)
    truth = TruthBatch(boxes, torch.tensor([[0, 1], [1, 0]]), real, real)
    head = model.bbox_head
    priors, strides = head._priors(logits)
    flat = torch.cat([x.flatten(2).transpose(1, 2) for x in dists], 1)
    decoded = head._decode(flat, priors[:, :2], strides[:, 0])
    expected = head.loss_by_feat(logits, dists, there, truth)['loss_cls']
    torch.testing.assert_close(class_loss(head, logits, decoded, there, truth), expected)


class Kept:
    """Maps in memory."""

    side, early = SIDE, EARLY

    def __init__(self, count):
        gen = torch.Generator().manual_seed(3)
        self._features = [torch.randn(count, cells, EARLY + HIDDEN, generator=gen)
                          for cells in CELLS]
        self._boxes = torch.rand(count, sum(CELLS), 4, generator=gen) * 30
        self._boxes[..., 2:] += 20

    def features(self, rows):
        return [x[list(rows)] for x in self._features]

    def boxes(self, rows):
        return self._boxes[list(rows)]


@pytest.mark.parametrize('recipe', [
    Recipe(**SHORT), Recipe(sem=0.5, geo=1.0, **SHORT),
    Recipe(tau='learned', pooling='content', **SHORT)])
def test_a_run_learns_and_is_that_of_its_seed(model, recipe):
    tokens = PromptTokens(Encoder(), PROMPTS, recipe.pooling)
    losses = []
    records = [record(row) for row in range(4)]
    arguments = (recipe, model, torch.eye(EMBED), tokens, Kept(4), records)
    trained = train(*arguments, 0, lambda step, found: losses.append(found['loss_cls']))
    assert np.mean(losses[-3:]) < np.mean(losses[:3])
    again, other = (train(*arguments, seed) for seed in (0, 1))
    same = [torch.equal(a, b) for a, b in zip(
        trained.branches.parameters(), again.branches.parameters(), strict=True)]
    assert all(same) and trained.losses == again.losses
    assert trained.losses != other.losses
    moved = float(trained.branches.log_tau.detach()) != 0
    assert moved == (recipe.tau == 'learned')


def test_a_second_stage_starts_where_the_first_ended(model):
    tokens = PromptTokens(Encoder(), PROMPTS, 'expectation')
    arguments = (model, torch.eye(EMBED), tokens, Kept(4), [record(row) for row in range(4)])
    first = train(Recipe(**SHORT), *arguments, 0).state()
    kept = train(Recipe(**dict(SHORT, steps=0)), *arguments, 5, start=first).state()
    assert kept.keys() == first.keys() and len(first) > 15
    assert all(torch.equal(value, kept[name]) for name, value in first.items())
    moved = train(Recipe(sem=0.5, **SHORT), *arguments, 0, start=first).state()
    assert not torch.equal(moved['branches.embeds.0.weight'], first['branches.embeds.0.weight'])
    assert all(ROWS[name].second == name.startswith('second') for name in ROWS)


def test_consistency_losses_have_their_weights(model):
    tokens, adapter = PromptTokens(Encoder(), PROMPTS, 'expectation'), TextAdapter(EMBED, EMBED)
    branches = Branches(model, EARLY, torch.eye(EMBED))
    arguments = (branches, adapter, tokens, Kept(2), [record(0), record(1)],
                 [[0, 1, 2], [0, 1]], model.bbox_head)
    one = batch_losses(*arguments, Recipe(sem=0.5, geo=1.0).regulariser())
    two = batch_losses(*arguments, Recipe(sem=1.0, geo=2.0).regulariser())
    assert Recipe().regulariser() is None
    assert set(batch_losses(*arguments, None)) == {'loss_cls'}
    for name in ('loss_sem', 'loss_geo'):
        torch.testing.assert_close(two[name], 2 * one[name])
    torch.testing.assert_close(one['loss_cls'], two['loss_cls'])


def test_true_prompts_are_always_among_those_of_a_step():
    many = record()
    many.prompts = [f'p{i}' for i in range(30)]
    many.labels = np.array([7, 29])
    for seed in range(5):
        places = choose(many, random.Random(seed))
        assert {7, 29} <= set(places) and len(places) == MOST_PROMPTS == len(set(places))


def write_set(folder, count, monkeypatch):
    (folder / 'annotations').mkdir(parents=True)
    images = [dict(id=i + 1, file_name=f'train/{i}.jpg', height=SIDE, width=SIDE,
                   neg_category_ids=[]) for i in range(count)]
    for split in ('train', 'test'):
        (folder / 'annotations' / f'{split}.json').write_text(json.dumps(
            dict(images=images, annotations=[], categories=[dict(id=1, name='box')])))
    (folder / 'settings.json').write_text('{}')
    (folder / 'weights').write_bytes(b'w')
    gen = torch.Generator().manual_seed(0)
    pictures = {f'{i}.jpg': torch.rand(3, SIDE, SIDE, generator=gen) for i in range(count)}
    read = []

    def read_picture(path, side):
        read.append(path.name)
        return pictures[path.name]

    monkeypatch.setattr(maps_module, 'read_picture', read_picture)
    monkeypatch.setattr(maps_module, 'guides_of', lambda model, content: ())
    return read, pictures


def test_maps_are_what_the_image_side_says_and_go_on_where_they_were_stopped(
        model, tmp_path, monkeypatch):
    read, pictures = write_set(tmp_path / 'set', 10, monkeypatch)
    monkeypatch.setattr(maps_module, 'KEPT_EVERY', 4)
    arguments = (model, tmp_path / 'set' / 'weights', tmp_path / 'set', tmp_path / 'maps', 'train',
                 10, SIDE)
    real = maps_module.look
    calls = iter(range(2))

    def stops(*inside):
        next(calls)  # StopIteration the third time
        yield from real(*inside)

    monkeypatch.setattr(maps_module, 'look', stops)
    with pytest.raises(RuntimeError):
        cache(*arguments)
    with pytest.raises(FileNotFoundError, match='no complete maps'):
        Maps(tmp_path / 'maps')
    monkeypatch.setattr(maps_module, 'look', real)
    read.clear()
    cache(*arguments)
    assert read == ['8.jpg', '9.jpg']
    maps = Maps(tmp_path / 'maps')
    images = torch.stack([pictures[name.split('/')[1]] for name in maps.names])
    *levels, boxes = look(model, images, ())
    for ours, theirs in zip(maps.features(range(10)), levels, strict=True):
        torch.testing.assert_close(ours.numpy(), theirs, atol=2e-2, rtol=2e-3)
    torch.testing.assert_close(maps.boxes([9, 0]).numpy(), boxes[[9, 0]])
    assert maps.early == EARLY
    with pytest.raises(ValueError, match='has 10 pictures in train, 11 were asked for'):
        cache(*arguments[:5], 11, SIDE)
    (tmp_path / 'set' / 'weights').write_bytes(b'other')
    with pytest.raises(ValueError, match='of other pictures or weights'):
        cache(*arguments)


def test_early_maps_are_means_over_cells():
    early = [torch.arange(64.).view(1, 1, 8, 8), torch.arange(16.).view(1, 1, 4, 4)]
    cells = early_cells(early, (1, 1))
    assert cells.flatten().tolist() == [31.5, 7.5]
    near = early_cells(early, (2, 2))  # all four cells are neighbours
    assert near[0, :, 0, 0].tolist() == [31.5, 7.5]


def test_runs_that_have_a_row_are_not_repeated(tmp_path):
    path = tmp_path / 'rows.jsonl'
    assert read_rows(path) == []
    common = dict(pictures=[6, 2], longer=1, set='a', weights='b')
    row = json.dumps(dict(row='eot', seed=0, figures={}, made_from=common)) + '\n'
    path.write_text(row)
    assert missing(read_rows(path), ['expectation', 'eot'], [0, 1], common) == [
        ('expectation', 0), ('expectation', 1), ('eot', 1)]
    assert ROWS['expectation'] == Recipe()
    # Rows of one file have the same pictures and steps.
    with pytest.raises(ValueError, match="'eot' of seed 0, of .*'longer': 1.* give another file"):
        missing(read_rows(path), ['eot'], [0], dict(common, longer=4))
    path.write_text(row + row[:40])  # stopped while it was written
    with pytest.raises(ValueError, match='rows.jsonl, line 2, is no row'):
        read_rows(path)


def write_state(folder, done=2, **sources):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / 'state.json').write_text(json.dumps(dict(
        names=['0.jpg', '1.jpg'], side=SIDE, early=EARLY, done=done, **sources)))
    for level in range(3):
        np.save(folder / f'level{level}.npy', np.zeros((2, 1, 1)))
    np.save(folder / 'boxes.npy', np.zeros((2, 1, 4)))


def test_maps_of_something_else_are_refused(tmp_path):
    given = dict(set='s' * 64, weights='w' * 64)
    for split in ('train', 'test'):
        write_state(tmp_path / split, **given)
    assert made_from(tmp_path, given, 4) == dict(
        pictures=[2, 2], longer=4, set='s' * 12, weights='w' * 12)
    with pytest.raises(ValueError, match='train has maps of another set'):
        made_from(tmp_path, dict(given, set='x'), 1)
    write_state(tmp_path / 'test', **dict(given, weights='x'))
    with pytest.raises(ValueError, match='test has maps of other weights'):
        made_from(tmp_path, given, 1)
    write_state(tmp_path / 'test', done=1, **given)
    with pytest.raises(FileNotFoundError, match='test has no complete maps'):
        made_from(tmp_path, given, 1)


def bench_with_stubs(folder, longer=1):
    """A bench whose training gives back its recipe and seed, and whose tests find nothing."""
    bench, runs = Bench.__new__(Bench), []
    bench.folder, bench.longer, bench.records = folder, longer, dict(test=[])

    def stub(recipe, vectors, seed, start=None):
        runs.append((recipe, seed, start))
        state = dict(x=torch.tensor([float(seed), recipe.steps]))
        return SimpleNamespace(state=lambda: state, losses={}, branches=SimpleNamespace(
            log_tau=torch.zeros(())))

    bench.train, bench.detect = stub, lambda trained: ()
    return bench, runs


def test_the_first_stage_is_trained_once(tmp_path, monkeypatch):
    from attribute_set import run
    monkeypatch.setattr(run, 'figures', lambda asked, pictures: {})
    bench, runs = bench_with_stubs(tmp_path)
    bench.run(ROWS['eot'], None, 3)
    bench.run(ROWS['second stage, 0, 0'], None, 3)  # trains it
    bench.run(ROWS['second stage, 0, 1'], None, 3)
    bench.run(ROWS['expectation'], None, 4)  # is it
    bench.run(ROWS['second stage, 0, 0'], None, 4)
    assert [(recipe, seed) for recipe, seed, _ in runs] == [
        (ROWS['eot'], 3), (Recipe(), 3), (ROWS['second stage, 0, 0'], 3),
        (ROWS['second stage, 0, 1'], 3), (Recipe(), 4), (ROWS['second stage, 0, 0'], 4)]
    assert [start and start['x'].tolist() for *_, start in runs] == [
        None, None, [3, 240], [3, 240], None, [4, 240]]
    # Of other steps it is another file.
    longer, runs = bench_with_stubs(tmp_path, 4)
    longer.run(ROWS['second stage, 0, 0'], None, 4)
    assert [recipe for recipe, *_ in runs] == [Recipe(), ROWS['second stage, 0, 0']]
    assert Recipe().longer(4) == Recipe(steps=960)


def test_the_names_of_the_set_gate_the_pyramid():
    known = SimpleNamespace(knows=lambda name: name in ('box', 'cat', 'dog'))
    model = SimpleNamespace(known_names=known, _encode_text=lambda names: (
        torch.tensor([[[float(len(name))]] for name in names]),
        torch.ones(len(names), 1, dtype=torch.bool)))
    guides, masks = maps_module.guides_of(model, dict(categories=[
        dict(name=name) for name in ('dog', 'red box', 'cat', 'box', 'zzz')]))
    assert guides.flatten().tolist() == [3.0, 3.0] and masks.all()  # box, dog: cat is held out
