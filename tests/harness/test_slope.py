# SPDX-License-Identifier: GPL-2.0-only
"""What tests/churn tells a leak by: one thing lost in each round is found, what only moves is not."""
import random
import sys
from pathlib import Path

sys.dont_write_bytecode = True
TOP = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TOP / part) for part in ("tests/churn", "tests/e2e")]
from slope import BOUNDS, PICTURE_KIB, ROUNDS, leaks, line  # noqa: E402
from report import check, run  # noqa: E402

MANY = 24       # rounds, as many as a short run has
SMALLEST = {"gpu_kib": PICTURE_KIB, "shmem_kib": PICTURE_KIB}   # that a round can lose; one of everything else


def rounds(lost, moves, count, seed):
    """What is counted, with so much lost in each round and a movement to both sides."""
    rng = random.Random(seed)
    return [{name: 100 + (lost * i + rng.choice((-1, 0, 1)) * moves) * SMALLEST.get(name, 1) for name in BOUNDS} for i in range(count)]


def a_straight_line_is_found():
    slope, error = line([3 + 2.5 * i for i in range(10)])
    check(abs(slope - 2.5) < 1e-9 and error < 1e-6, f"slope {slope}, error {error}")
    check(line([7] * 5) == (0, 0), f"{line([7] * 5)}")


def one_lost_in_each_round_is_found_in_every_figure():
    for seed in range(50):
        found = {name for name, *_, bad in leaks(rounds(1, 2, MANY, seed)) if bad}
        check(found == set(BOUNDS), f"seed {seed}: not found in {set(BOUNDS) - found}")


def what_moves_and_does_not_grow_is_none():
    for seed in range(200):
        found = [row for row in leaks(rounds(0, 3, MANY // 2, seed)) if row[-1]]
        check(not found, f"seed {seed}: {found}")


def what_is_given_back_later_is_none():
    once = [{name: 100 + 5 * (i > 3) for name in BOUNDS} for i in range(MANY)]
    check(not [row for row in leaks(once) if row[-1]], "a step is taken for a leak")


def too_few_rounds_say_nothing():
    check(not leaks(rounds(1, 0, ROUNDS - 1, 0)), "a verdict by less than ROUNDS rounds")
    check(len(leaks(rounds(1, 0, ROUNDS, 0))) == len(BOUNDS), "no verdict by ROUNDS rounds")


def what_could_not_be_counted_is_left_out():
    samples = rounds(1, 0, MANY, 0)
    for sample in samples:
        sample["contexts"] = None
    check({name for name, *_ in leaks(samples)} == set(BOUNDS) - {"contexts"}, "it has a verdict")


if __name__ == "__main__":
    sys.exit(run([(f.__name__.replace("_", " "), f) for f in (
        a_straight_line_is_found, one_lost_in_each_round_is_found_in_every_figure, what_moves_and_does_not_grow_is_none,
        what_is_given_back_later_is_none, too_few_rounds_say_nothing, what_could_not_be_counted_is_left_out)]))
