"""Explanation pictures: layout, colours, tokens, which prompts are shown."""

from dataclasses import replace

import mmcv
import numpy as np
import pytest
import torch
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from mmengine.structures import InstanceData

from expalign.structures.alignment import Alignment
from expalign.visualization import draw_explanation, save_explanation
from expalign.visualization.explanation import (
    DPI,
    HEADER,
    MAX_RATIO,
    PANEL,
    TITLE,
    TOKEN_LINE,
    _colour_bar,
    _fill_panel,
    _layout,
    best_scores,
)
from expalign.visualization.panels import COLOURS, OPACITY, draw_map, draw_tokens, short
from expalign.visualization.token_row import TokenRow

SIZE = (48, 64)


def alignment(num_prompts=2):
    maps = np.full((num_prompts, 8, 8), -5, np.float32)
    maps[0, 2:4, 2:4] = 5
    prompts = [f'prompt {k}' for k in range(num_prompts)]
    return Alignment(
        prompts, [['prompt', str(k), '<sentence>'] for k in range(num_prompts)],
        {'P3': np.full((num_prompts, 3), 1 / 3, np.float32)}, {'P3': maps, 'fused': maps / 2},
        8, (1.0, 1.0), (0.0, 8.0), SIZE)


def found(labels=(0,), scores=(0.9,)):
    return InstanceData(
        bboxes=torch.tensor([[16., 8., 32., 24.]] * len(labels)), labels=torch.tensor(labels),
        scores=torch.tensor(scores))


IMAGE = np.full((*SIZE, 3), 120, np.uint8)


def test_one_row_a_prompt():
    one, two = (draw_explanation(IMAGE, alignment(), found(), prompts) for prompts in
                (['prompt 1'], None))
    assert one.dtype == np.uint8
    assert one.shape[1] == two.shape[1]
    assert one.shape[0] < two.shape[0] < 2 * one.shape[0]
    # Six rows at most, unless they are asked for.
    many = draw_explanation(IMAGE, alignment(9), found())
    six = draw_explanation(
        IMAGE, alignment(9), found(), [f'prompt {k}' for k in range(6)])
    np.testing.assert_array_equal(many, six)


def with_token_maps(one):
    """The maps of three tokens a prompt; the second of prompt 0 fires in its last rows."""
    maps = [np.full((3, 8, 8), -5, np.float32) for _ in one.prompts]
    maps[0][1, 6:] = 5
    return replace(one, token_maps={'P3': maps, 'fused': maps})


def test_maps_of_tokens_are_a_row_below(tmp_path):
    plain = draw_explanation(IMAGE, alignment(), found(), ['prompt 0'])
    both = draw_explanation(IMAGE, alignment(), found(), ['prompt 0', 'prompt 1'])
    tokens = draw_explanation(IMAGE, with_token_maps(alignment()), found(), ['prompt 0'])
    assert tokens.shape == both.shape and tokens.shape[0] > plain.shape[0]
    # The row holds as many maps as there are levels, of the tokens that weigh most.
    pi = np.array([[.1, .6, .3], [.5, .5, 0]], np.float32)
    one = with_token_maps(replace(alignment(), token_weights={'P3': pi}))
    row = TokenRow(one, 0, SIZE, 2)
    assert row.titles == ['0  .60', '<sentence>  .30'] and [m.shape for m in row.maps] == [SIZE] * 2
    assert row.maps[0][-1].min() > 3 and row.maps[1].max() < -4
    # A prompt of one token has none.
    single = replace(one, tokens=[['x'], ['y']], token_maps={
        name: [m[:1] for m in maps] for name, maps in one.token_maps.items()})
    assert draw_explanation(IMAGE, single, found(), ['prompt 0']).shape == plain.shape
    # Selected and written with the prompts.
    assert one.select([1]).token_maps['fused'][0] is one.token_maps['fused'][1]
    one.save(tmp_path / 'maps.npz')
    with np.load(tmp_path / 'maps.npz') as arrays:
        np.testing.assert_array_equal(arrays['token_maps_0_fused'], one.token_maps['fused'][0])
    with pytest.raises(ValueError, match='search with token_maps=True'):
        alignment().token_on_image(0, 0, 'fused')


def test_best_prompts_come_first():
    scores = best_scores(found((2, 0, 2), (0.3, 0.1, 0.8)), 4)
    np.testing.assert_allclose(scores, [0.1, 0, 0.8, 0])
    picture = draw_explanation(IMAGE, alignment(7), found((6, 5), (0.9, 0.5)))
    rows = [6, 5, 0, 1, 2, 3]
    expected = draw_explanation(
        IMAGE, alignment(7), found((6, 5), (0.9, 0.5)), [f'prompt {k}' for k in rows])
    np.testing.assert_array_equal(picture, expected)


def test_large_photographs_give_pictures_of_the_same_size():
    large = np.full((SIZE[0] * 60, SIZE[1] * 60, 3), 120, np.uint8)
    wide = replace(alignment(), image_shape=large.shape[:2], scale_factor=(1 / 60, 1 / 60))
    boxes = found()
    boxes.bboxes = boxes.bboxes * 60
    picture = draw_explanation(large, wide, boxes)
    assert picture.shape == draw_explanation(IMAGE, alignment(), found()).shape


@pytest.mark.parametrize('size', [(2, 424), (424, 2), (100, 1000)])
def test_panels_of_very_long_images(size):
    """At most three times as long as wide, with the whole image in them."""
    image = np.full((*size, 3), 120, np.uint8)
    long = replace(alignment(), image_shape=size, padding=(0.0, 0.0),
                   scale_factor=tuple(32 / side for side in size[::-1]))
    picture = draw_explanation(image, long, found())
    limit = PANEL * MAX_RATIO if size[0] > size[1] else PANEL / MAX_RATIO
    assert picture.shape[0] == pytest.approx(DPI * (HEADER + 2 * (
        TITLE + limit + 1.5 * TOKEN_LINE)), abs=2)
    panel = Figure().add_axes((0, 0, 1, 1))
    _fill_panel(panel, size)
    (left, right), (bottom, top) = panel.get_xlim(), panel.get_ylim()
    assert left <= 0 < size[1] <= right
    assert top <= 0 < size[0] <= bottom
    assert (bottom - top) / (right - left) == pytest.approx(limit / PANEL)


def test_label_of_the_colour_bar_of_a_panorama():
    figure, _, bar = _layout((100, 1000), 1, 2, 1)
    _colour_bar(figure, bar, Normalize(-1, 1))
    figure.canvas.draw()
    label, page = bar.yaxis.label.get_window_extent(), figure.bbox
    assert label.y0 >= bar.get_window_extent().y0 - 2
    assert label.y1 <= bar.get_window_extent().y1 + 2
    assert label.x1 <= page.x1


def test_unknown_prompt():
    with pytest.raises(ValueError, match="no explanation for the prompt 'a cat'.*'prompt 0'"):
        draw_explanation(IMAGE, alignment(), found(), ['a cat'])


def test_boxes_below_the_threshold_are_not_drawn():
    low, none = (draw_explanation(IMAGE, alignment(), found(scores=(score,)), score_thr=0.5)
                 for score in (0.4, 0.9))
    assert (low != none).any()


def test_map_colours():
    axis = Figure().add_axes((0, 0, 1, 1))
    values = np.float32([[-1, 0, 1]])
    draw_map(axis, np.full((1, 3, 1), 255, np.uint8), values, Normalize(-1, 1))
    shown = axis.get_images()[0].get_array()
    expected = 255 * (1 - OPACITY + OPACITY * COLOURS([0.0, 0.5, 1.0])[:, :3])
    np.testing.assert_allclose(shown[0], expected, atol=1)
    # Brightness rises with the value, so the order shows without colour vision.
    ramp = COLOURS(np.linspace(0, 1, 50))[:, :3] @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(ramp) > 0).all()


def test_tokens_are_written_in_lines_that_fit():
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    figure = Figure(figsize=(3, 3))
    FigureCanvasAgg(figure)
    axis = figure.add_axes((0, 0.5, 1, 0.5))
    words = [('knee', 0.12), ('high', 0.31), ('socks', 0.22), ('$<eot>', 0.35)] * 3
    draw_tokens(axis, words)
    texts = [text.get_text() for text in axis.texts]
    assert texts[:4] == ['knee .12', 'high .31', 'socks .22', '$<eot> .35']
    renderer = figure.canvas.get_renderer()
    extents = [text.get_window_extent(renderer) for text in axis.texts]
    assert max(extent.x1 for extent in extents) <= axis.get_window_extent().x1
    assert len({round(extent.y0) for extent in extents}) >= 3


@pytest.mark.parametrize(('weight', 'text'), [(0.118, '.12'), (0.0, '.00'), (0.999, '1.0')])
def test_weights_are_short(weight, text):
    assert short(weight) == text


def test_files(tmp_path):
    save_explanation(tmp_path / 'new' / 'a.b', IMAGE, alignment(), found())
    picture = mmcv.imread(tmp_path / 'new' / 'a.b.png', channel_order='rgb')
    np.testing.assert_array_equal(picture, draw_explanation(IMAGE, alignment(), found()))
    with np.load(tmp_path / 'new' / 'a.b.npz') as arrays:
        assert arrays['eam_P3'].shape == (2, 8, 8)
