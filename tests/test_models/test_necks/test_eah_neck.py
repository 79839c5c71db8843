"""The neck: widths, names, parameter budget and the alignment it returns."""

import warnings

import pytest
import torch
from mmyolo.models.necks import YOLOv8PAFPN

from expalign.models.dense_heads.expalign_head_module import ExpAlignHeadModule
from expalign.models.dense_heads.expalign_ins_head import ExpAlignInsHeadModule
from expalign.models.layers import expectation_alignment
from expalign.models.necks import EAHNeck, ExpAlignPAFPN


def count(module):
    return sum(p.numel() for p in module.parameters())


def small_neck(**kwargs):
    torch.manual_seed(0)
    return EAHNeck(
        pafpn=dict(
            type='expalign.ExpAlignPAFPN', in_channels=[8, 16, 32], out_channels=[16, 24, 24],
            num_csp_blocks=1),
        in_channels=[16, 24, 24], embed_dims=12, num_base_prompts=10, **kwargs)


def small_inputs(batch=2):
    torch.manual_seed(1)
    feats = tuple(
        torch.randn(batch, channels, 64 // stride, 96 // stride)
        for channels, stride in ((8, 8), (16, 16), (32, 32)))
    return feats, torch.randn(batch, 5, 4, 12), torch.ones(batch, 5, 4, dtype=torch.bool)


@pytest.fixture
def guided():
    """A guided neck in eval mode and its inputs."""
    return small_neck(inject='max_sigmoid').eval(), *small_inputs()


def test_pafpn_reads_the_widths_of_a_convnext():
    neck = ExpAlignPAFPN(in_channels=[192, 384, 768], out_channels=[256, 512, 512])
    feats = [torch.zeros(1, c, s, s) for c, s in ((192, 8), (384, 4), (768, 2))]
    shapes = [tuple(x.shape) for x in neck(feats)]
    assert shapes == [(1, 256, 8, 8), (1, 512, 4, 4), (1, 512, 2, 2)]
    # C2f, down-sampling convolutions and norms counted by hand.
    assert count(neck) == 18_418_688


def test_pafpn_is_the_parent_where_widths_agree():
    widths = dict(in_channels=[16, 32, 48], out_channels=[16, 32, 48], num_csp_blocks=1)
    ours, parent = ExpAlignPAFPN(**widths), YOLOv8PAFPN(**widths)
    parent.load_state_dict(ours.state_dict())
    feats = [torch.randn(2, c, s, s) for c, s in ((16, 8), (32, 4), (48, 2))]
    parent.eval()
    for a, b in zip(ours.eval()(feats), parent(feats), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)



def test_returns_pyramid_maps_and_weights_by_name():
    out = small_neck().eval()(*small_inputs())
    assert [tuple(x.shape) for x in out.pyramid] == [
        (2, 16, 8, 12), (2, 24, 4, 6), (2, 24, 2, 3)]
    assert [tuple(x.shape) for x in out.eams] == [(2, 5, 8, 12), (2, 5, 4, 6), (2, 5, 2, 3)]
    assert all(x.shape == (2, 5, 4) for x in out.token_weights)


def test_maps_are_the_alignment_of_normalised_embeddings():
    neck = small_neck().eval()
    feats, txt, masks = small_inputs()
    out = neck(feats, txt, masks)
    for level, pyramid in enumerate(out.pyramid):
        embedded = neck.embed_norms[level](neck.embed_branches[level](pyramid))
        eam, weights = expectation_alignment(embedded, txt, masks, tau=1.0)
        torch.testing.assert_close(out.eams[level], eam)
        torch.testing.assert_close(out.token_weights[level], weights)


def test_branch_width_is_a_constant_of_the_config():
    assert small_neck().embed_branches[0][0].conv.out_channels == 16
    wide = EAHNeck(
        pafpn=dict(type='expalign.ExpAlignPAFPN', in_channels=[8, 8, 8], out_channels=[8, 8, 8]),
        in_channels=[8, 8, 8], embed_dims=4, num_base_prompts=80)
    assert all(branch[0].conv.out_channels == 80 for branch in wide.embed_branches)


def test_full_size_embedding_branches_by_hand():
    # Per level C x 256 x 9 + 256 x 256 x 9 + 4 x 256 (norms) + 256 x 768 + 768 + 2 x 768.
    neck = EAHNeck(
        pafpn=dict(
            type='expalign.ExpAlignPAFPN', in_channels=[192, 384, 768],
            out_channels=[256, 512, 512]),
        in_channels=[256, 512, 512], embed_dims=768)
    by_hand = sum(
        c * 256 * 9 + 256 * 256 * 9 + 4 * 256 + 256 * 768 + 3 * 768 for c in (256, 512, 512))
    assert count(neck.embed_branches) + count(neck.embed_norms) == by_hand == 5_318_400


def test_single_image_training_warns_once_and_weights_ignore_the_image():
    neck = small_neck().train()
    feats, txt, masks = small_inputs(batch=1)
    with pytest.warns(UserWarning, match='one image a process'):
        first = neck(feats, txt, masks)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        second = neck(tuple(x * 3 + 1 for x in feats), txt, masks)
    torch.testing.assert_close(first.token_weights[0], second.token_weights[0], atol=1e-5, rtol=0)


def test_without_injection_names_and_results_are_those_of_the_plain_pyramid():
    plain, explicit = small_neck(), small_neck(inject='none')
    assert list(plain.state_dict()) == list(explicit.state_dict())
    assert not [name for name in plain.state_dict() if 'gate' in name]
    feats, txt, masks = small_inputs()
    pyramid = explicit.eval()(feats, txt, masks).pyramid
    for a, b in zip(pyramid, explicit.pafpn(feats), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)


def test_injection_lets_the_prompts_reach_the_pyramid(guided):
    neck, feats, txt, masks = guided
    assert sum('gate.guide_proj.weight' in name for name in neck.state_dict()) == 4
    first, second = neck(feats, txt, masks), neck(feats, -txt, masks)
    assert [x.shape for x in first.pyramid] == [x.shape for x in second.pyramid]
    assert all((a - b).abs().max() > 1e-4
               for a, b in zip(first.pyramid, second.pyramid, strict=True))


def test_guided_pyramid_written_out(guided):
    neck, feats, txt, masks = guided
    masks[:, 2, 1:] = False
    guides = torch.stack([  # (B, K, D): mean over the real tokens
        torch.stack([tokens[mask].mean(0) for tokens, mask in zip(row, rows, strict=True)])
        for row, rows in zip(txt, masks, strict=True)])
    there = torch.ones(2, 5, dtype=torch.bool)
    c3, c4, c5 = feats
    fpn = neck.pafpn
    up = torch.nn.Upsample(scale_factor=2, mode='nearest')
    n4 = fpn.top_down_layers[0](torch.cat([up(c5), c4], 1), guides, there)
    p3 = fpn.top_down_layers[1](torch.cat([up(n4), c3], 1), guides, there)
    p4 = fpn.bottom_up_layers[0](
        torch.cat([fpn.downsample_layers[0](p3), n4], 1), guides, there)
    p5 = fpn.bottom_up_layers[1](
        torch.cat([fpn.downsample_layers[1](p4), c5], 1), guides, there)
    for ours, expected in zip(neck(feats, txt, masks).pyramid, (p3, p4, p5), strict=True):
        torch.testing.assert_close(ours, expected)


def test_padding_does_not_reach_the_guided_pyramid(guided):
    neck, feats, txt, masks = guided
    padded = torch.nn.functional.pad(txt, (0, 0, 0, 2, 0, 3), value=50.0)  # L and K grow
    padded_masks = torch.nn.functional.pad(masks, (0, 2, 0, 3), value=False)
    plain, more = neck(feats, txt, masks), neck(feats, padded, padded_masks)
    for a, b in zip(plain.pyramid, more.pyramid, strict=True):
        torch.testing.assert_close(a, b)
    for a, b in zip(plain.eams, more.eams, strict=True):
        torch.testing.assert_close(a, b[:, :5])


def test_shared_prompts_broadcast_through_the_guided_pyramid(guided):
    neck, feats, txt, masks = guided
    shared = neck(feats, txt[:1], masks[:1])
    repeated = neck(feats, txt[:1].expand(2, -1, -1, -1), masks)
    for a, b in zip(shared.pyramid, repeated.pyramid, strict=True):
        torch.testing.assert_close(a, b)


def test_unknown_injection_is_refused():
    with pytest.raises(ValueError, match="inject must be 'none' or 'max_sigmoid', got 'gate'"):
        small_neck(inject='gate')


@torch.no_grad()
@pytest.mark.parametrize('inject', ['none', 'max_sigmoid'])
@pytest.mark.parametrize('tokens', [4, 1])
@pytest.mark.parametrize('head_module', [ExpAlignHeadModule, ExpAlignInsHeadModule])
def test_the_table_of_a_vocabulary_gives_the_logits(head_module, tokens, inject):
    """Neck and head with and without a table; a prompt without tokens, or one token in each."""
    neck = small_neck(inject=inject).double().eval()
    head = head_module(in_channels=[16, 24, 24]).double().eval()
    for level, scale in enumerate(head.logit_scales):
        scale.fill_(0.3 * level - 0.2)
    feats, txt_feats, txt_masks = small_inputs()
    feats, txt_feats = tuple(x.double() for x in feats), txt_feats[:1, :, :tokens].double()
    txt_masks = txt_masks[:1, :, :tokens]
    if tokens > 1:
        txt_masks[0, 2, 1:] = txt_masks[0, 3] = False
    plain = neck(feats, txt_feats, txt_masks)
    table = head.fold(neck.fold_tokens(txt_feats[0], txt_masks[0]))
    for layout in (torch.contiguous_format, torch.channels_last):
        inputs = tuple(x.to(memory_format=layout) for x in feats)
        folded = neck(inputs, txt_feats, txt_masks, table)
        expected = [eam * scale.exp() + bias for eam, scale, bias in zip(
            plain.eams, head.logit_scales, head.biases, strict=True)]
        outputs = head(folded.pyramid, folded.eams)
        for a, b in zip(
                (*outputs[0], *folded.eams, *folded.token_weights, *outputs[1]),
                (*expected, *plain.eams, *plain.token_weights, *head(*plain[:2])[1]),
                strict=True):
            torch.testing.assert_close(a, b, rtol=0, atol=1e-10)
