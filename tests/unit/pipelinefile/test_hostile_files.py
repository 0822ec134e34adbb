"""Files made to hurt: each ends fast, with one clear line."""

import time

import pytest

from gamepipeline_projections.pipelinefile import load_text

BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join([f'*{before}'] * 9)}]\n" for before, name in zip("abcdefghi", "bcdefghij", strict=True)
)
MERGE_BOMB = "a: &a {x: 1}\n" + "".join(
    f"{name}: &{name} {{l: *{before}, r: *{before}, m: *{before}, <<: *{before}}}\n"
    for before, name in zip("abcdefghijklmnopqrs", "bcdefghijklmnopqrst", strict=True)
)
STEPS = "name: x\nsteps:\n" + "".join(
    f"""\
  - name: s{number}
    container:
      image: busybox
      commands: ['echo ${{{{ pipeline.id }}}} "{number}"', ls]
      environment: {{A: 1, B: two}}
"""
    for number in range(1000)
)
FILES = {
    "brackets": ("[" * 3000, "x:1:51: error[GP106]: nested deeper than 50 levels"),
    "braces": ("{a: " * 3000, "error[GP106]: nested deeper than 50 levels"),
    "indentation": (
        "\n".join(" " * depth + "a:" for depth in range(600)),
        "error[GP106]: nested deeper than 50 levels",
    ),
    "dashes": ("- " * 3000, "error[GP106]: nested deeper than 50 levels"),
    "deep by alias": (
        "a: &a " + "[" * 30 + "]" * 30 + "\nb: " + "[" * 30 + "*a" + "]" * 30,
        "error[GP106]: nested deeper than 50 levels",
    ),
    "aliases": (BOMB, "error[GP106]: the document has more than 100000 values"),
    "merge keys": (MERGE_BOMB, "error[GP106]: "),
    "aliases of a long text": (
        f"a: &a {'x' * 100_000}\nb: [{','.join(['*a'] * 1000)}]",
        "error[GP106]: the document has 100",
    ),
    "50,000 keys": ("".join(f"k{key}: 1\n" for key in range(50_000)), "error[GP106]: "),
    "40,000 unknown keys": (
        "".join(f"k{key}: 1\n" for key in range(40_000)),
        "error[GP103]: unknown key 'k0'",
    ),
    "one key 50,000 times": ("a: 1\n" * 49_000, "error[GP103]: unknown key 'a'"),
    "too large": ("a: " + "x" * 600_000, "x:1:1: error[GP106]: the file is larger than 512 KiB"),
    "a long line": ("name: " + "x" * 400_000, "error[GP105]: 'name' has 400000 characters"),
    "expressions": ('name: "' + "${{" * 100_000 + '"\n', "error[GP105]: 'name' has"),
    "a million times": (
        "name: x\nsteps: [{name: a, container: {image: b, hostname: '" + "${{ args.A }}" * 30_000 + "'}}]",
        "error[GP301]: the argument 'A' is not declared",
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_ends_fast(name: str) -> None:
    """However it is made, a file is refused within seconds (here with room for coverage's tracing)."""
    text, expected = FILES[name]
    started = time.process_time()
    loaded = load_text(text, "x")
    assert time.process_time() - started < 10
    assert expected in "\n".join(loaded.format_problems()[:3])
    assert loaded.pipeline is None
    assert len(loaded.problems) <= 2100


def test_a_thousand_steps() -> None:
    """The largest good file is read and checked in well under two seconds."""
    started = time.process_time()
    loaded = load_text(STEPS, "x")
    assert time.process_time() - started < 5
    assert loaded.problems == ()
