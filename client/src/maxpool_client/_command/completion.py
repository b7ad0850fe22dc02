"""maxpool completion: a script for the shell, made from the parser, so that it knows each option there is."""

import argparse
import shlex

SHELLS = ("bash", "zsh", "fish")


def completion(parser: argparse.ArgumentParser, shell: str) -> int:
    print({"bash": bash, "zsh": zsh, "fish": fish}[shell](parser))
    return 0


def commands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    return {}


def options(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    return [action for action in parser._actions if action.option_strings]


def choices(parser: argparse.ArgumentParser) -> dict[str, list[str]]:
    """Of its options, by name, and "" of what stands without one."""
    return {
        name: [str(choice) for choice in action.choices]
        for action in parser._actions
        if action.choices
        for name in (action.option_strings or [""])
    }


def bash(parser: argparse.ArgumentParser) -> str:
    found = commands(parser)
    cases = []
    for name, command in found.items():
        values = "".join(
            f'      {option}) COMPREPLY=($(compgen -W "{" ".join(given)}" -- "$word")); return ;;\n'
            for option, given in choices(command).items()
            if option
        )
        words = " ".join(names(command) + choices(command).get("", []))
        ask = '      [ "$COMP_CWORD" = 2 ] && words="$words $(maxpool models 2>/dev/null | cut -d" " -f1)"\n'
        takes_model = any(action.dest == "model" for action in command._actions)
        cases.append(
            f'    {name})\n      case "$before" in\n{values}      esac\n      words="{words}"\n'
            f"{ask if takes_model else ''}      ;;\n"
        )
    top = " ".join([*found, *names(parser)])
    return (
        "_maxpool() {\n"
        '  local word="${COMP_WORDS[COMP_CWORD]}" before="${COMP_WORDS[COMP_CWORD-1]}" words\n'
        f'  if [ "$COMP_CWORD" = 1 ]; then COMPREPLY=($(compgen -W "{top}" -- "$word")); return; fi\n'
        '  case "${COMP_WORDS[1]}" in\n' + "".join(cases) + "  esac\n"
        '  COMPREPLY=($(compgen -W "$words" -- "$word"))\n'
        "}\n"
        "complete -o default -F _maxpool maxpool"
    )


def zsh(parser: argparse.ArgumentParser) -> str:
    return f"autoload -U +X bashcompinit && bashcompinit\n{bash(parser)}"


def fish(parser: argparse.ArgumentParser) -> str:
    lines = []
    for name, command in commands(parser).items():
        inside = f"-n {shlex.quote(f'__fish_seen_subcommand_from {name}')}"
        lines.append(f"complete -c maxpool -n __fish_use_subcommand -a {name}")
        for action in options(command):
            long = [option.removeprefix("--") for option in action.option_strings if option.startswith("--")]
            given = f" -x -a {shlex.quote(' '.join(map(str, action.choices)))}" if action.choices else ""
            takes = " -r" if action.nargs != 0 and not given else ""
            lines.append(f"complete -c maxpool {inside} -l {long[0]}{takes}{given}")
        if bare := choices(command).get(""):
            lines.append(f"complete -c maxpool {inside} -f -a {shlex.quote(' '.join(bare))}")
    return "\n".join(lines)


def names(parser: argparse.ArgumentParser) -> list[str]:
    return [name for action in options(parser) for name in action.option_strings if name.startswith("--")]
