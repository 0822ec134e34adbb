"""The script of a step's commands: its text, its variables, and what is refused.

That shells agree is shown by tests/property/test_spec_script.py.
"""

import pytest

from gamepipeline_events.spec.expressions import ExpressionError, Reference
from gamepipeline_events.spec.script import ScriptError, build_script


@pytest.mark.parametrize(
    ("commands", "text"),
    [
        ([], ""),
        (["ls", "pwd"], "ls\npwd"),
        (["echo $HOME ${x} $$ $(ls) 'open"], "echo $HOME ${x} $$ $(ls) 'open"),
        (["echo $${{ args.A }}"], "echo ${{ args.A }}"),
        (["echo ${{ args.A }}"], 'echo "${GAMEPIPELINE_ARG_A}"'),
        (['echo "${{ args.A }}"'], 'echo "${GAMEPIPELINE_ARG_A}"'),
        (["echo '${{ args.A }}'"], "echo ''\"${GAMEPIPELINE_ARG_A}\"''"),
        (["cat <<E", "${{ args.A }}", "E"], "cat <<E\n${GAMEPIPELINE_ARG_A}\nE"),
        (["# ${{ args.A }}"], "# GAMEPIPELINE_ARG_A"),
        (["echo '", "${{ args.A }}'"], "echo '\n'\"${GAMEPIPELINE_ARG_A}\"''"),
        (["cat <<<${{ args.A }}"], 'cat <<<"${GAMEPIPELINE_ARG_A}"'),
    ],
)
def test_text(commands: list[str], text: str) -> None:
    """Each expression is a variable, quoted as its place demands."""
    assert build_script(commands).text == text


def test_variables() -> None:
    """Each distinct reference has one variable; those without a name of their own are numbered."""
    script = build_script(
        [
            "a ${{ args.A }} ${{ envs.A }} ${{ secrets.A }} ${{ args.A }}",
            "b ${{ pipeline.id }} ${{ steps.s.outputs.o }} ${{ pipeline.id }} ${{ matrix.m }}",
        ]
    )
    assert script.variables == {
        "GAMEPIPELINE_ARG_A": Reference("args", "A"),
        "GAMEPIPELINE_ENV_A": Reference("envs", "A"),
        "GAMEPIPELINE_SECRET_A": Reference("secrets", "A"),
        "GAMEPIPELINE_X1": Reference("pipeline", "id"),
        "GAMEPIPELINE_X2": Reference("steps", "o", "s"),
        "GAMEPIPELINE_X3": Reference("matrix", "m"),
    }
    assert script.text.count("GAMEPIPELINE_X1") == 2


@pytest.mark.parametrize(
    ("commands", "why"),
    [
        (["cat <<'E'", "${{ args.A }}", "E"], "quoted here-document"),
        (['cat <<"E"', "${{ args.A }}", "E"], "quoted here-document"),
        (["cat <<\\E", "${{ args.A }}", "E"], "quoted here-document"),
        (["echo \\${{ args.A }}"], "backslash"),
        (['echo "\\${{ args.A }}"'], "backslash"),
        (["cat <<E", "\\${{ args.A }}", "E"], "backslash"),
        (["echo `echo \\${{ args.A }}`"], "backslash"),
        (["echo $(( ${{ args.A }} + 1 ))"], "arithmetic"),
        (["echo $(( $(echo ${{ args.A }}) + 1 ))"], "arithmetic"),
        (["echo $(( `echo ${{ args.A }}` ))"], "arithmetic"),
        (["(( ${{ args.A }} ))"], "arithmetic"),
        (['echo $(( "1" )) ${{ args.A }}'], "quotes in arithmetic"),
        (["echo $'${{ args.A }}'"], "what \\$'…' means"),
        (["echo $'\\n' ${{ args.A }}"], "behind a \\$'…' with a backslash"),
        (["echo ${x/a/${{ args.A }}}"], "in this"),
        (["echo ${${{ args.A }}}"], "in this"),
        (['echo "${x#${{ args.A }}}"'], "in this"),
        (['echo "${x#\'${{ args.A }}\'}"'], "in this"),
        (['echo "${x:-"${{ args.A }}"}"'], "quotes inside"),
        (["cat <<E", '${x:-"a"} ${{ args.A }}', "E"], "behind quotes in the"),
        (["cat <<${{ args.A }}", "A"], "plain word"),
        (["cat <<'a${{ args.A }}'", "A"], "plain word"),
        (["cat <<$x", "${{ args.A }}"], "plain word"),
        (["cat <<E", "$(", "E", ") ${{ args.A }}", "E"], "shells read differently"),
        (["cat <<E", "a\\", "E", "${{ args.A }}", "E"], "shells read differently"),
        (["cat <<EE", "E\\", "E", "", "${{ args.A }}", "EE"], "shells read differently"),
        (["cat <<E", "E\\", "", "${{ args.A }}", "E"], "shells read differently"),
        (["echo $(cat <<E) ${{ args.A }}"], "without a body"),
        (["$(" * 50 + "${{ args.A }}"], "nested too deeply"),
    ],
)  # fmt: skip
def test_refused(commands: list[str], why: str) -> None:
    """Where shells differ, or a value would not stay data, the expression is refused with a fix."""
    with pytest.raises(ScriptError, match=why) as caught:
        build_script(commands)
    for refusal in caught.value.refusals:
        assert refusal.hint
        assert commands[refusal.index].startswith("${{", refusal.position)


def test_all_refusals_at_once() -> None:
    """Every expression that cannot stay is named, with its command and place in it."""
    with pytest.raises(ScriptError) as caught:
        build_script(["echo ${{ args.A }} \\${{ args.B }}", "echo $((${{ args.C }}))"])
    places = [(refusal.index, refusal.position) for refusal in caught.value.refusals]
    assert places == [(0, 20), (1, 8)]


@pytest.mark.parametrize(
    "before",
    [
        "echo $'plain' ",
        "echo ${#} ${#x} ${x#a} ${x%'}'} ${x/a/b} ${!} ${x?no} ",
        "echo \"${x#'}'}\" \"${x:-it's}\" ",
        "echo $((1 + (2 * 3))) $(( $x << 2 )) $(( `echo 1` )) # ((\n",
        "for x do case a in a) echo ;; esac; done; for x in a; do :; done; ",
        "case x in (esac) ;; esac; ",
        "echo a>b <c >&2; ",
        "cat <<-A <<B\n\tx\n\tA\n'\nB\n",
        "x=`echo \"a'b\"`; ",
        "{ ! true; } && (cd /; ls) || if true; then :; fi; ",
        "case a\nin\na) ;; esac; ",
        "case a in a) ;& b) ;; esac; ",
        "case a in a) echo x\nesac; ",
        "for x\nin a; do :; done; for x\ndo :; done; ",
        "echo a\\\nb; ",
        "cat <<E\na \\$x \\\\ $(echo\n) b\nE\n",
        "cat << E >x\nE\n",
        "echo ) ",
    ],
)  # fmt: skip
def test_what_stands_before_does_not_disturb(before: str) -> None:
    """Whatever syntax stands before it, an unquoted expression is still known as one."""
    assert build_script([before + "echo ${{ args.A }}"]).text == before + 'echo "${GAMEPIPELINE_ARG_A}"'


def test_what_is_never_closed() -> None:
    """An open quote, substitution or here-document is the shell's to complain about."""
    assert build_script(["cat <<E", "${{ args.A }}"]).text == "cat <<E\n${GAMEPIPELINE_ARG_A}"
    assert build_script(["echo '${{ args.A }}"]).text == "echo ''\"${GAMEPIPELINE_ARG_A}\"'"
    assert build_script(["echo $((1; cat <<'E"]).variables == {}


def test_a_malformed_expression_is_an_expression_error() -> None:
    """Syntax comes before quoting."""
    with pytest.raises(ExpressionError):
        build_script(["echo ${{ nope }}"])


def test_a_long_script_is_quick() -> None:
    """Reading is linear: 120 KiB of hostile quotes take well under the test's time."""
    assert build_script(["echo '\"`$(" * 10_000, "true"]).variables == {}
    with pytest.raises(ScriptError):
        build_script(['echo "$(' * 10_000 + "${{ args.A }}"])
    build_script(["`\\`" * 20_000 + "${{ args.A }}"])
    for body in ("\\\n" * 20_000, "a\n" * 20_000, "$(\n\n)" * 10_000, "\t" * 40_000 + "\\\n" * 20_000):
        delimiter = "E" * 20_000
        with pytest.raises(ScriptError):
            build_script([f"cat <<-{delimiter}", "x" * 30_000 + body, "E", "echo \\${{ args.A }}"])
