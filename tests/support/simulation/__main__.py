"""``python -m tests.support.simulation SEED``: one run, with everything that happened in it.

``python -m tests.support.simulation FIRST COUNT`` runs many and names those that fail.
"""

from __future__ import annotations

import sys
import time

from tests.support.simulation.run import simulate


def show(seed: int) -> int:
    """One run, in full."""
    result = simulate(seed, keep_notes=True)
    for note in result.notes:
        print(f"{note.at:10.3f}  {note.who:14} {note.what}")  # noqa: T201
    print(f"\nseed {seed}: {result.seconds:.0f} s, {result.steps} steps, {result.fingerprint[:16]}")  # noqa: T201
    for problem in result.problems:
        print(f"PROBLEM {problem}")  # noqa: T201
    return 1 if result.problems else 0


def count(first: int, number: int) -> int:
    """Many runs."""
    began, failed = time.monotonic(), 0
    for seed in range(first, first + number):
        result = simulate(seed)
        if result.problems:
            failed += 1
            print(f"seed {seed}: {result.problems[0][:300]}", flush=True)  # noqa: T201
    seconds = time.monotonic() - began
    print(f"{number} seeds, {failed} failed, {number / seconds:.1f} a second")  # noqa: T201
    return 1 if failed else 0


if __name__ == "__main__":
    numbers = [int(one) for one in sys.argv[1:]]
    sys.exit(show(numbers[0]) if len(numbers) == 1 else count(*numbers))
