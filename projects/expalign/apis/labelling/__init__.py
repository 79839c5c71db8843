"""Labels for many images: sources, workers, parts that survive a kill, forms of other tools.

:func:`.label.label` is the way in. Nothing here imports torch before a worker needs its model.
"""
