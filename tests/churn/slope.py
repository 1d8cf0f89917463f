# SPDX-License-Identifier: GPL-2.0-only
"""Whether something grows with every round: a straight line by least squares through what was counted.

What is bounded may go up and down; what is lost in each round, and be it one thing, goes up
by one a round, however much the rest moves. The bound of each figure is half of the smallest
thing of its kind that a round could lose.
"""
import math

ROUNDS = 6      # fewer than these say nothing

# figure: (bound a round, unit, what it is)
PICTURE_KIB = 640 * 480 * 4 // 1024
BOUNDS = {
    "framebuffers": (0.5, "", "framebuffers in the guest's kernel"),
    "clients": (0.5, "", "open files of the card and its nodes"),
    "resources": (0.5, "", "resources and blobs in QEMU"),
    "contexts": (0.5, "", "virgl contexts in QEMU"),
    "broker_fds": (0.5, "", "descriptors of helix-leased"),
    "exportd_fds": (0.5, "", "descriptors of helix-exportd"),
    "qemu_fds": (0.5, "", "descriptors of QEMU"),
    "gpu_kib": (PICTURE_KIB / 2, "KiB", "host memory of resources, as QEMU counts it"),
    "shmem_kib": (PICTURE_KIB / 2, "KiB", "the guest's shared memory: buffers of the GPU, and its tmpfs"),
}


def line(values):
    """(slope, what it is uncertain by: one standard error) of values at 0, 1, 2, ..."""
    n = len(values)
    if n < 3:
        raise ValueError(f"{n} values make no line")
    middle, mean = (n - 1) / 2, sum(values) / n
    spread = sum((i - middle) ** 2 for i in range(n))
    slope = sum((i - middle) * (value - mean) for i, value in enumerate(values)) / spread
    rest = sum((value - mean - slope * (i - middle)) ** 2 for i, value in enumerate(values))
    return slope, math.sqrt(rest / (n - 2) / spread)


def leaks(samples, bounds=BOUNDS, rounds=ROUNDS):
    """[(figure, slope, error, bound, it leaks)]: it does when even the slope less two errors is beyond the bound.

    So one that is lost in each round is found once there are enough rounds for what else moves,
    and what moves alone is not taken for a leak.
    """
    found = []
    for name, (bound, _unit, _what) in bounds.items():
        values = [sample[name] for sample in samples if sample.get(name) is not None]
        if len(values) < rounds:
            continue
        slope, error = line(values)
        found.append((name, slope, error, bound, slope - 2 * error > bound))
    return found


def table(rows, bounds=BOUNDS):
    return "\n".join(f"{name:14} {slope:+9.3f} ± {error:.3f} {bounds[name][1] or 'each'} a round, bound {bound:g}"
                     f"{': LEAKS' if bad else ''}" for name, slope, error, bound, bad in rows)
