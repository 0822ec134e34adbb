"""A value in a script is always data and one word, in every shell that runs here."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gamepipeline_events.spec.expressions import ExpressionError
from gamepipeline_events.spec.script import Script, ScriptError, build_script

SHELLS = {
    "sh": ["sh"],
    "busybox": ["busybox", "sh"],
    "bash": ["bash", "--posix"],
}
PRESENT = [pytest.param(command, id=name) for name, command in SHELLS.items() if shutil.which(command[0])]

HOSTILE = [
    "$(touch x)",
    "`touch x`",
    "'; touch x; '",
    '"; touch x; "',
    "; touch x",
    "& touch x &",
    "| touch x",
    "> x",
    "\ntouch x\n",
    "*",
    "?",
    "[a-z]*",
    "~",
    "$HOME",
    "${HOME}",
    "$((1+1))",
    "\\",
    "\\\\",
    "a\\",
    "a b  c\t d",
    " leading and trailing ",
    "#",
    "-n",
    "-e",
    "!",
    "!!",
    "{a,b}",
    "EOF",
    "\nEOF\n",
    "'",
    '"',
    "''",
    '""',
    "}",
    "${",
    "$(",
    "`",
    ")",
    "esac",
    "${{ args.OTHER }}",
    "é😀",
    "\r\n",
    "\n",
    "",
]
VALUES = st.one_of(
    st.sampled_from(HOSTILE),
    st.lists(st.sampled_from(HOSTILE), max_size=4).map("".join),
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20),
)

# Each prints the value between [ and ], where the shell has read the place as one word.
CONTEXTS = {
    "unquoted": ["show ${{ args.V }}"],
    "unquoted, glued": ["show a${{ args.V }}b"],
    "double": ['show "${{ args.V }}"'],
    "double, glued": ['show "a ${{ args.V }} b"'],
    "single": ["show '${{ args.V }}'"],
    "single, glued": ["show 'a ${{ args.V }} b'"],
    "single, with a backslash": ["show '\\${{ args.V }}'"],
    "after an escaped backslash": ["show \\\\${{ args.V }}"],
    "after an escaped quote": ['show \\"${{ args.V }}'],
    "double, after an escaped quote": ['show "\\"${{ args.V }}"'],
    "mixed": ["show a'b'\"c\"'${{ args.V }}'\"${{ args.V }}\"${{ args.V }}"],
    "comment before": ["# it's a \" comment", "show ${{ args.V }}"],
    "comment": ["true # ${{ args.V }} '", "show '${{ args.V }}'"],
    "no comment": ["show a#'${{ args.V }}'"],
    "assignment": ["v=${{ args.V }}", 'show "$v"'],
    "for": ['for v in ${{ args.V }}; do show "$v"; done'],
    "quotes over lines": ["v='", "${{ args.V }}'", 'show "$v"'],
    "substitution": ['show "$(printf "%s." ${{ args.V }})"'],
    "substitution, double": ['show "$(printf "%s." "${{ args.V }}")"'],
    "substitution, single": ["show \"$(printf '%s.' '${{ args.V }}')\""],
    "substitution, unquoted": ["v=$(printf '%s.' ${{ args.V }}); show \"$v\""],
    "substitutions": ['show "$(printf "%s" "$(printf "%s." ${{ args.V }})")"'],
    "behind a substitution": ['show "$(echo ")" \')\' \\) )${{ args.V }}"'],
    "backticks": ["v=`printf '%s.' ${{ args.V }}`; show \"$v\""],
    "backticks in double": ["show \"`printf '%s.' ${{ args.V }}`\""],
    "backticks in backticks": ['show "`printf "%s" "\\`printf "%s." ${{ args.V }}\\`"`"'],
    "escaped quotes in backticks": ['show "`printf \\"%s.\\" \\"${{ args.V }}\\"`"'],
    "default": ["show ${unset:-${{ args.V }}}"],
    "default, double": ['show "${unset:-${{ args.V }}}"'],
    "default, single": ["show ${unset-'${{ args.V }}'}"],
    "default, nested": ['show "${unset:-${also-${{ args.V }}}}"'],
    "alternative": ['set="set"; show "${set:+${{ args.V }}}"'],
    "assigned default": ['show "${fresh:=${{ args.V }}}"'],
    "behind parameters": ['show "${#HOME}${HOME#*/}$#$?$$$!$-" >/dev/null; show "${{ args.V }}"'],
    "case subject": ['case ${{ args.V }} in "$GAMEPIPELINE_ARG_V") show ${{ args.V }};; esac'],
    "case pattern": ['case "$GAMEPIPELINE_ARG_V" in ${{ args.V }}) show ${{ args.V }};; esac'],
    "case in substitution": ['show "$(case a in a) printf "%s." "${{ args.V }}";; (b) ;; esac)"'],
    "case without last ;;": ['show "$(case a in b) ;; a) printf "%s." "${{ args.V }}"', 'esac)"'],
    "no case": ['show "$(echo case in esac)${{ args.V }}"'],
    "case as a name": ['show "$(for case in a; do printf "%s." "${{ args.V }}"; done)"'],
    "heredoc": ["v=$(cat <<EOF", "${{ args.V }}.", "EOF", ")", 'show "$v"'],
    "heredoc with quotes": ["v=$(cat <<EOF", "it's \"${{ args.V }}\".", "EOF", ")", 'show "$v"'],
    "heredoc, tabs": ["v=$(cat <<-EOF", "\t${{ args.V }}.", "\tEOF", ")", 'show "$v"'],
    "heredoc, substitution": ["v=$(cat <<E", "$(printf '%s.' ${{ args.V }})", "E", ")", 'show "$v"'],
    "heredoc, quoted, before": ["cat >/dev/null <<'E'", "it's \" `", "E", "show ${{ args.V }}"],
    "heredoc, escaped, before": ["cat >/dev/null <<\\E", "' \" `", "E", "show ${{ args.V }}"],
    "two heredocs": ["cat >/dev/null <<A; v=$(cat <<B", "${{ args.V }}.", "B", ")", "'", "A", 'show "$v"'],
    "heredocs on a line": ["cat <<A >/dev/null <<B", "'", "A", '"', "B", "show '${{ args.V }}'"],
    "continuation": ["show \\", "'${{ args.V }}'"],
    "subshell": ["(show ${{ args.V }})"],
    "function": ["f() { show ${{ args.V }}; }; f"],
    "escaped dollar": ["show \\$'${{ args.V }}'"],
    "literal": ["show '$${{'${{ args.V }}"],
}  # fmt: skip


def run(shell: list[str], script: Script, value: str, folder: Path) -> str:
    """What the script shows, with ``show`` defined in front of it."""
    show = 'show() { for each; do printf "[%s]" "$each"; done; }\nset -e\n'
    done = subprocess.run(
        [*shell, "-e", "-c", show + script.text],
        env={
            "PATH": os.environ["PATH"],
            "HOME": "/home/x",
            "LC_ALL": "C.UTF-8",
            **dict.fromkeys(script.variables, value),
        },
        cwd=folder,
        capture_output=True,
        timeout=20,
        check=False,
    )
    assert done.returncode == 0, (script.text, done.stderr)
    assert not list(folder.iterdir()), f"{script.text!r} ran something"
    return done.stdout.decode("utf-8", "surrogateescape")


@pytest.mark.parametrize("context", CONTEXTS)
@pytest.mark.parametrize("shell", PRESENT)
def test_places_read_the_way_shells_read_them(shell: list[str], context: str, tmp_path: Path) -> None:
    """A marker arrives whole and once at least, so each context above really reaches its place."""
    assert "<marker>" in run(shell, build_script(CONTEXTS[context]), "<marker>", tmp_path)


@pytest.mark.parametrize("context", CONTEXTS)
@pytest.mark.parametrize("shell", PRESENT)
def test_hostile_values_are_data(shell: list[str], context: str, tmp_path: Path) -> None:
    """What a marker's output looks like is what every hostile value's does, with the value in its place."""
    script = build_script(CONTEXTS[context])
    expected = run(shell, script, "<marker>", tmp_path)
    for value in HOSTILE:
        got = run(shell, script, value, tmp_path)
        assert got == expected.replace("<marker>", value), (context, value, script.text)


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=VALUES, context=st.sampled_from(sorted(CONTEXTS)), data=st.data())
@pytest.mark.parametrize("shell", PRESENT)
def test_any_value_is_data(shell: list[str], value: str, context: str, data: st.DataObject, tmp_path: Path) -> None:
    """Any text in any context arrives as it is."""
    script = build_script(CONTEXTS[context])
    expected = run(shell, script, "<marker>", tmp_path)
    assert run(shell, script, value, tmp_path) == expected.replace("<marker>", value)


PIECES = st.sampled_from(
    ["'", '"', "`", "\\", "$(", ")", "${x:-", "${x#", "}", " ", "\n", "#", "<<E", "\nE\n", "a", "$((",
     "))", "case a in a) ", ";; esac", "(", ";", "$'", "${{ args.V }}", "${{ args.V }}", "echo "]
)  # fmt: skip


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pieces=st.lists(PIECES, min_size=2, max_size=14))
@pytest.mark.parametrize("shell", PRESENT)
def test_no_script_runs_a_value(shell: list[str], pieces: list[str], tmp_path: Path) -> None:
    """Whatever nonsense a script is, a value in it never becomes a command."""
    text = "".join(pieces)
    try:
        script = build_script([text])
    except (ScriptError, ValueError):
        return
    for value in ("$(touch x)", "`touch x`", "';touch x;'", '";touch x;"', "\ntouch x\n", ";touch x;"):
        subprocess.run(
            [*shell, "-c", script.text],
            env={"PATH": os.environ["PATH"], **dict.fromkeys(script.variables, value)},
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=20,
            check=False,
        )
        assert not (tmp_path / "x").exists(), (script.text, value)


@settings(deadline=None, max_examples=500)
@given(st.lists(st.lists(PIECES, max_size=30).map("".join), max_size=4))
def test_every_expression_is_placed_or_refused(commands: list[str]) -> None:
    """Whatever the script, each expression becomes a variable, or the refusal names a place that holds one."""
    try:
        script = build_script(commands)
    except ScriptError as exc:
        places = [(refusal.index, refusal.position) for refusal in exc.refusals]
    except ExpressionError:
        return
    else:
        assert "${{" not in script.text
        assert script.text.count("GAMEPIPELINE_ARG_V") == "".join(commands).count("${{")
        return
    assert len(places) == len(set(places))
    assert all(commands[index].startswith("${{", position) for index, position in places)
