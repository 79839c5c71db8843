# Runtime shared by every config: hooks, logging, visualisation.
default_scope = 'mmdet'
custom_imports = dict(imports=['expalign'], allow_failed_imports=False)

default_hooks = dict(
    runtime_info=dict(type='expalign.RuntimeInfoHook'),
    timer=dict(type='mmengine.IterTimerHook'),
    logger=dict(type='mmengine.LoggerHook', interval=50),
    param_scheduler=dict(type='mmengine.ParamSchedulerHook'),
    checkpoint=dict(type='expalign.PlainCheckpointHook', interval=1, max_keep_ckpts=3),
    sampler_seed=dict(type='mmengine.DistSamplerSeedHook'),
    dataset_epoch=dict(type='expalign.DatasetEpochHook'),
    image_files=dict(type='expalign.ImageFilesHook'),
    mask_share=dict(type='expalign.MaskShareHook'),
    consistency_watch=dict(type='expalign.ConsistencyWatchHook'),
    text_cache=dict(type='expalign.TextCacheHook'),
    visualization=dict(type='mmdet.DetVisualizationHook'))

env_cfg = dict(
    cudnn_benchmark=True,
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
    dist_cfg=dict(backend='nccl'))

vis_backends = [dict(type='mmengine.LocalVisBackend')]
visualizer = dict(
    type='expalign.InstanceVisualizer', vis_backends=vis_backends, name='visualizer')
log_processor = dict(type='mmengine.LogProcessor', window_size=50, by_epoch=True)
log_level = 'INFO'
# Between GPUs; the launcher leaves it out on CPUs, where torch has none.
sync_bn = 'torch'
load_from = None
resume = False
