import sys
def test_pollute():
    from mmengine.visualization import Visualizer
    import expalign
    from mmdet.visualization import DetLocalVisualizer
    DetLocalVisualizer.get_instance('visualizer'); Visualizer.get_instance('zzz')
