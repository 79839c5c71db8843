"""The options that every command that searches has."""

import pytest

from expalign.apis.command_line import add_search_arguments, config_settings
from expalign.utils.command_parser import CommandParser


def parsed(*options):
    parser = CommandParser(prog='find')
    add_search_arguments(parser)
    return parser.parse_args(['photo.jpg', 'a cat', *options])


def test_which_boxes_stay():
    assert config_settings(parsed()) == {}
    assert config_settings(parsed('--nms', 'agnostic', '--nms-thr', '0.5', '--top-k', '20')) == {
        'model.test_cfg.nms.class_agnostic': True, 'model.test_cfg.nms.iou_threshold': 0.5,
        'model.test_cfg.max_per_img': 20}
    assert config_settings(parsed('--nms', 'per-class')) == {
        'model.test_cfg.nms.class_agnostic': False}


def test_any_other_setting_and_it_wins():
    args = parsed('--top-k', '20', '--cfg-options', 'model.known_names=None',
                  'model.test_cfg.max_per_img=5')
    assert config_settings(args) == {'model.known_names': None, 'model.test_cfg.max_per_img': 5}


def test_thresholds():
    assert parsed().score_thr == 'auto' and parsed('--score-thr', 'auto').score_thr == 'auto'
    assert parsed('--pred-score-thr', '0.4').score_thr == 0.4


@pytest.mark.parametrize('options, message', [
    (['--nms', 'none'], "invalid choice: 'none'"), (['--nms-thr', '2'], '2 is no number from 0 to'),
    (['--nms-thr', 'x'], 'x is no number from 0 to 1'), (['--top-k', '0'], '0 is no whole number'),
    (['--score-thr', 'high'], 'high is no number')])
def test_what_is_refused(capsys, options, message):
    with pytest.raises(SystemExit) as caught:
        parsed(*options)
    assert caught.value.code == 2 and message in capsys.readouterr().err
