"""What every package may use; it imports nothing of the others."""

from .command import run_command, without_lines
from .finished_file import finished_file, scratch_folder
from .read_files import check_outputs
from .setup_env import register_all_modules
from .termination import unwinding_at_termination

__all__ = [
    'check_outputs', 'finished_file', 'register_all_modules', 'run_command', 'scratch_folder',
    'unwinding_at_termination', 'without_lines']
