"""What a picture of the attribute set has: painted where its masks are, boxes where things are."""

import cv2
import numpy as np
import pytest
from attribute_set.paint import paint, pattern, soft
from attribute_set.photos import Instances, Photograph
from attribute_set.prompts import holds
from attribute_set.scene import make_scene
from attribute_set.shapes import draw_shape
from attribute_set.words import ATTRIBUTES, COLOURS, SHAPES, held_attributes, held_out, paraphrases


def square(height=60, width=100):
    mask = np.zeros((height, width), bool)
    mask[10:50, 20:60] = True
    return mask


def photograph(noun='chair'):
    rng = np.random.default_rng(0)
    image = rng.integers(90, 150, (60, 100, 3), np.uint8)
    mask = square()
    return Photograph(image, [Instances(noun, [mask], np.array([[20., 10, 60, 50]]), True)])


def hue_distance(bgr, name):
    seen = bgr / np.linalg.norm(bgr)
    true = np.array(COLOURS[name][::-1], float)
    return float(np.abs(seen - true / np.linalg.norm(true)).max())


@pytest.mark.parametrize('colour', [name for name in COLOURS if name != 'black'])
def test_a_colour_lies_inside_the_mask_and_nothing_changes_far_outside(colour):
    source, mask = photograph().image, square()
    painted = paint(source, soft(mask), colour, np.random.default_rng(1))
    assert hue_distance(painted[15:45, 25:55].mean((0, 1)), colour) < 0.12
    far = cv2.dilate(mask.astype(np.uint8), np.ones((11, 11))) == 0
    assert np.array_equal(painted[far], source[far])


def test_light_and_shade_stay():
    image = np.full((60, 100, 3), 60, np.uint8)
    image[:, 40:] = 180
    painted = paint(image, soft(square()), 'red', np.random.default_rng(1)).astype(int)
    assert painted[30, 50, 2] > painted[30, 30, 2] + 40


@pytest.mark.parametrize('texture', ['striped', 'spotted', 'checkered'])
def test_textures_are_light_and_dark(texture):
    alpha = square().astype(np.float32)
    grey = pattern(texture, alpha, np.random.default_rng(0))[10:50, 20:60]
    assert set(np.unique(grey)) == {38.0, 225.0}
    assert 0.15 < (grey > 100).mean() < 0.85


def test_nothing_to_paint_on_is_an_error():
    with pytest.raises(ValueError, match='the mask is empty'):
        paint(photograph().image, np.zeros((60, 100), np.float32), 'red', np.random.default_rng(0))
    with pytest.raises(ValueError, match="unknown attribute 'mauve'"):
        paint(photograph().image, soft(square()), 'mauve', np.random.default_rng(0))


def test_masks_and_boxes_of_a_photograph_are_mirrored_with_it():
    boxes = set()
    for seed in range(12):
        scene = make_scene(np.random.default_rng(seed), photograph(), False, True)
        (thing,) = scene.things
        assert thing.noun == 'chair' and thing.attribute in ATTRIBUTES
        rows, columns = np.nonzero(thing.mask)
        assert thing.box.tolist() == [
            columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        boxes.add(tuple(thing.box))
    assert boxes == {(20, 10, 60, 50), (40, 10, 80, 50)}


def test_the_attribute_is_the_one_that_is_seen():
    for seed in range(8):
        scene = make_scene(np.random.default_rng(seed), None, True, True)
        for thing in scene.things:
            inner = cv2.erode(thing.mask.astype(np.uint8), np.ones((3, 3))) > 0
            others = [other.mask for other in scene.things if other is not thing]
            inner &= ~np.any([np.zeros_like(inner), *others], axis=0)
            if thing.attribute not in COLOURS or thing.attribute == 'black' or inner.sum() < 60:
                continue
            assert hue_distance(scene.image[inner].mean(0), thing.attribute) < 0.15


@pytest.mark.parametrize('name', SHAPES)
def test_shapes_lie_where_they_are_put(name):
    alpha = draw_shape(name, (50, 30), 20, 0.0, (60, 100))
    rows, columns = np.nonzero(alpha > 0.5)
    assert abs((columns.min() + columns.max() + 1) / 2 - 50) < 1.5
    assert rows.min() >= 9 and rows.max() <= 51
    assert (alpha[30, 50] < 0.5) == (name == 'ring')
    area = {'box': 32 * 32, 'circle': np.pi * 400, 'diamond': 2 * 13 * 20}
    if name in area:
        assert alpha.sum() == pytest.approx(area[name], rel=0.04)


def test_relations_are_clear():
    box, right = np.array([0., 0, 20, 20]), np.array([40., 0, 60, 20])
    assert holds('left of', box, right) and holds('right of', right, box)
    assert not holds('right of', box, right) and not holds('above', box, right)
    near = np.array([10., 0, 30, 20])  # 10 apart, a quarter of both sides is 10
    assert not holds('left of', box, near)
    assert holds('above', box, np.array([0., 15, 20, 35]))


def test_a_fifth_of_the_combinations_is_held_out_and_wordings_are_as_said():
    pairs = [(value, noun) for value in ATTRIBUTES for noun in (*SHAPES, 'chair', 'dog', 'cup')]
    assert 0.1 < np.mean([held_out(*pair) for pair in pairs]) < 0.3
    assert all(held_out(value, 'chair') for value in held_attributes('chair'))
    assert paraphrases('red', 'chair') == [
        'chair in red', 'red coloured chair', 'chair painted red']
    assert paraphrases('striped', 'bear') == ['bear with stripes', 'bear covered in stripes']
