"""What a run on own data can train. Nothing is imported here: a command line reads it first."""

# In the order of what they change; see docs/own_data.md.
MODES = ('tune', 'adapter', 'probe', 'replay', 'full')
DEFAULT_MODE = 'tune'
MODELS = {'expalign-s': True, 'expalign-s-boxes': False}  # whether it has masks
DEFAULT_MODEL = 'expalign-s'
