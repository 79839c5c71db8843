"""Completion of the command in a shell: ``eval "$(expalign completion bash)"``.

The script asks nothing of the program later: commands, options and names of models are in it.
"""

from collections.abc import Mapping, Sequence

SHELLS = ('bash', 'zsh', 'fish')

_BASH = """\
_expalign() {
  local word=${COMP_WORDS[COMP_CWORD]} command=${COMP_WORDS[1]} words=
  if [ "$COMP_CWORD" = 1 ]; then words="%(commands)s"
  else case $command in
%(cases)s
  esac; fi
  case $word in
    -*|"") COMPREPLY=($(compgen -W "$words" -- "$word")) ;;
    *) COMPREPLY=($(compgen -W "$words" -- "$word") $(compgen -f -- "$word")) ;;
  esac
}
complete -o filenames -o bashdefault -F _expalign expalign
"""


def completion_script(shell: str, options: Mapping[str, Sequence[str]]) -> str:
    """The script of a shell.

    Args:
        shell: of ``SHELLS``.
        options: the words that may follow each command.

    Raises:
        ValueError: there is none for this shell.
    """
    if shell not in SHELLS:
        raise ValueError(f'there is completion for {", ".join(SHELLS)}, not for {shell}')
    if shell == 'fish':
        lines = [f"complete -c expalign -n __fish_use_subcommand -f -a '{' '.join(options)}'"]
        lines += [f"complete -c expalign -n '__fish_seen_subcommand_from {command}' "
                  f"-a '{' '.join(words)}'" for command, words in options.items() if words]
        return '\n'.join(lines) + '\n'
    cases = '\n'.join(f'    {command}) words="{" ".join(words)}" ;;'
                      for command, words in options.items())
    script = _BASH % dict(commands=' '.join(options), cases=cases)
    return 'autoload -U +X bashcompinit && bashcompinit\n' + script if shell == 'zsh' else script
